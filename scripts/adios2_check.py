"""Write one array from all ranks with ADIOS2 and read it back: this build and this MPI work together."""

import shutil
import tempfile

import adios2
import numpy as np
from mpi4py import MPI


def main() -> None:
    """Raise RuntimeError unless every rank's part comes back."""
    comm = MPI.COMM_WORLD
    if not adios2.is_built_with_mpi:
        raise RuntimeError("this build of ADIOS2 has no MPI")
    folder = comm.bcast(tempfile.mkdtemp() if comm.rank == 0 else None)
    path = f"{folder}/check.bp"
    with adios2.Stream(path, "w", comm) as stream:
        stream.begin_step()
        stream.write("rank", np.array([comm.rank], dtype=np.int64), [comm.size], [comm.rank], [1])
        stream.end_step()
    comm.barrier()
    with adios2.FileReader(path, comm) as reader:
        ranks = reader.read("rank")
    comm.barrier()
    if comm.rank == 0:
        shutil.rmtree(folder)
    if ranks.tolist() != list(range(comm.size)):
        raise RuntimeError(f"{comm.size} ranks wrote their numbers, and {ranks.tolist()} came back")


if __name__ == "__main__":
    main()
