"""How many dumps of a block a device holds: pure functions of plain integers."""

from __future__ import annotations

import dataclasses

from pipeline.costs.memory import BATCH_BYTES, N_MOMENTS
from pipeline.errors import DeviceError

SPARE_BYTES = 1_400_000_000
"""Of a device: compiled kernels and CUDA's own (measured nowhere yet), and `kernels.cuda.operands.SLAB_BYTES`."""


@dataclasses.dataclass(frozen=True)
class Held:
    """What a rank's arrays on its device take.

    Attributes
    ----------
    n_stations, n_baselines
        Stations; kept baselines.
    n_terms, terms_at_once
        Terms of the sum over sources: all of a dump's, and those of one chunk.
    n_sources, n_epochs, n_kinds
        Sources of the sky; moments within a dump; kinds of station.
    kept_bytes
        Of responses that are kept.
    real_bytes
        Of a real number of the precision.
    """

    n_stations: int
    n_baselines: int
    n_terms: int
    terms_at_once: int
    n_sources: int
    n_epochs: int
    n_kinds: int
    kept_bytes: int
    real_bytes: int

    @property
    def fixed_bytes(self) -> int:
        """What is held whatever the block: phasors, brightness, responses, sources, the index of baselines.

        Of responses there are those of a batch, and the four moments between which they are interpolated.
        """
        phasors = 2 * self.terms_at_once * self.n_stations * self.real_bytes
        jones = 8 * self.n_kinds * self.terms_at_once * self.real_bytes if self.n_kinds > 1 else 0
        batch = max(phasors + jones, BATCH_BYTES["cuda"])
        brightness = 2 * batch // self.n_stations
        # Four unit vectors at a cell's moments, three of them with which stations look; flux densities of two channels.
        sources = self.n_sources * (N_MOMENTS * 4 * 24 + 2 * 32)
        # Responses as they are worked out: of an element, in complex128, and of all kinds.
        made = N_MOMENTS * (64 * self.terms_at_once + jones)
        return SPARE_BYTES + batch + brightness + sources + made + self.kept_bytes + 4 * self.n_stations**2

    @property
    def dump_bytes(self) -> int:
        """What every dump of a block adds: visibilities, three sums with weights, geometry of two blocks."""
        visibilities = self.n_baselines * 8 * self.real_bytes
        sums = 3 * self.n_baselines * (4 * 8 + 4)
        geometry = self.n_terms * 24 + self.n_sources * 24 + self.n_epochs * self.n_stations * 24
        return visibilities + sums + 2 * geometry


def block_that_fits(free_bytes: int | None, n_ranks: int, held: Held, wanted: int) -> int:
    """Return how many dumps a block may have, so that a device holds it.

    Parameters
    ----------
    free_bytes
        Free memory of the device; None where it is the host's, which the plan has counted.
    n_ranks
        Ranks that share the device.
    held
        What a rank holds.
    wanted
        Dumps of the plan's block.

    Raises
    ------
    DeviceError
        If not even one dump fits.
    """
    if free_bytes is None:
        return wanted
    room = free_bytes // n_ranks - held.fixed_bytes
    if room < held.dump_bytes:
        needed = n_ranks * (held.fixed_bytes + held.dump_bytes)
        shared = f" for {n_ranks} ranks" if n_ranks > 1 else ""
        raise DeviceError(
            f"compute.backend: cuda: a device needs {needed / 1e9:.3g} GB{shared} to hold one dump of "
            f"{held.n_baselines} baselines, and {free_bytes / 1e9:.3g} GB are free; put fewer ranks on a device, keep "
            "fewer baselines with telescope.baselines, or set compute.backend to cpu"
        )
    return min(wanted, room // held.dump_bytes)
