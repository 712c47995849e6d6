"""Everything a run needs, checked before its first dump."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.check import check_observation, observation_geometry
from pipeline.config.file import load_config
from pipeline.config.observation import Config
from pipeline.costs.memory import BATCH_BYTES, dumps_at_once
from pipeline.errors import DeviceError, PlanError
from pipeline.inputs import Inputs, load_inputs
from pipeline.memory import available_bytes
from pipeline.observation.geometry import Geometry
from pipeline.parallel.device import Device, open_device
from pipeline.parallel.device_memory import Held, block_that_fits
from pipeline.parallel.topology import World, together
from pipeline.plan import Plan, make_plan


@dataclasses.dataclass(frozen=True)
class Prepared:
    """An observation ready to run on this rank.

    Attributes
    ----------
    config, inputs, plan, geometry
        The observation.
    device
        What this rank computes on.
    """

    config: Config
    inputs: Inputs
    plan: Plan
    geometry: Geometry
    device: Device

    def dumps_at_once(self, n_terms: int, n_sources: int) -> int:
        """Return how many dumps of a chunk of sources kernels take together; the terms and sources are one dump's."""
        return dumps_at_once(self.plan.sizes, self.device.backend, self.device.real.itemsize, n_terms, n_sources)

    @property
    def phasors_at_once(self) -> int:
        """Real numbers of the phasors that kernels take together."""
        one = 2 * self.plan.sizes.terms_at_once * self.plan.sizes.n_stations
        return max(one, min(self.plan.block_dumps * one, BATCH_BYTES[self.device.backend] // self.device.real.itemsize))

    @property
    def response_dtype(self) -> np.dtype[Any]:
        """Of responses: the kernels' where they are multiplied into phasors, complex128 where into the brightness."""
        return self.device.complex if self.inputs.response.n_kinds > 1 else np.dtype(np.complex128)

    @property
    def brightness_at_once(self) -> int:
        """Real numbers of the brightness of as many terms: four each."""
        return 2 * self.phasors_at_once // self.plan.sizes.n_stations


def prepare(path: Path, world: World) -> Prepared:
    """Read, plan and check an observation: files on the first rank, devices and memory on all.

    Parameters
    ----------
    path
        The configuration.
    world
        The ranks.

    Raises
    ------
    ConfigError, PlanError, DeviceError, DatasetError
        On every rank alike, the error of the first rank that found one.
    """

    def read() -> tuple[Config, Inputs, Plan] | None:
        if world.rank > 0:
            return None
        config = load_config(path)
        inputs = load_inputs(config)
        plan = make_plan(config, inputs.sizes, world.size, world.ranks_per_machine, world.n_threads)
        notes = check_observation(config, inputs, plan)
        return config, dataclasses.replace(inputs, notes=(*inputs.notes, *notes)), plan

    config, inputs, plan = world.comm.bcast(together(world.comm, read))

    def make_ready() -> Prepared:
        check_memory(plan, world.n_local)
        compute = config.compute
        wanted = (compute.backend, compute.precision, world.local_rank, world.n_threads, compute.tensor_cores)
        device = open_device(*wanted)
        fitting = dataclasses.replace(plan, block_dumps=fitting_dumps(plan, compute.precision, device, world.n_local))
        return Prepared(config, inputs, fitting, observation_geometry(config, inputs), device)

    prepared = together(world.comm, make_ready)
    shortest = min(world.comm.allgather(prepared.plan.block_dumps))
    prepared = dataclasses.replace(prepared, plan=dataclasses.replace(plan, block_dumps=shortest))
    check_alike(world.comm.gather(prepared.device.backend == "cuda", root=0), world)
    return prepared


def check_alike(on_cuda: list[bool] | None, world: World) -> None:
    """Check that all ranks compute on the same kind of device, whatever `auto` found on each.

    Parameters
    ----------
    on_cuda
        On the first rank, which ranks took CUDA; None elsewhere.
    world
        The ranks.

    Raises
    ------
    DeviceError
        If some ranks have a GPU and others have not: the run would be as slow as the slowest.
    """

    def compare() -> None:
        if on_cuda is not None and 0 < sum(on_cuda) < len(on_cuda):
            raise DeviceError(
                f"compute.backend: auto found a GPU on {sum(on_cuda)} of {len(on_cuda)} ranks, and not on rank "
                f"{on_cuda.index(False)}; start as many ranks as there are GPUs, or set compute.backend to cuda or cpu"
            )

    together(world.comm, compare)


def fitting_dumps(plan: Plan, precision: str, device: Device, n_local: int) -> int:
    """Return how many dumps a block of this rank may have: as planned, or fewer where the device's memory is smaller.

    Parameters
    ----------
    plan, precision
        The run.
    device
        Of this rank.
    n_local
        Ranks of the machine, which share its devices.

    Raises
    ------
    DeviceError
        If the device does not hold even one dump.
    """
    return block_that_fits(
        device.memory_bytes, device.ranks_sharing(n_local), held_on_device(plan, precision), plan.block_dumps
    )


def held_on_device(plan: Plan, precision: str) -> Held:
    """Return what a rank holds on its device."""
    sizes = plan.sizes
    return Held(
        n_stations=sizes.n_stations,
        n_baselines=sizes.n_baselines,
        n_terms=sizes.n_terms,
        terms_at_once=sizes.terms_at_once,
        n_sources=sizes.n_sources,
        n_epochs=sizes.n_epochs,
        n_kinds=sizes.n_kinds,
        kept_bytes=plan.kept_bytes,
        real_bytes=8 if precision == "double" else 4,
    )


def check_memory(plan: Plan, n_local: int) -> None:
    """Check that the machine's free memory holds the arrays of its ranks.

    Raises
    ------
    PlanError
        If it does not.
    """
    free = available_bytes()
    needed = plan.memory_bytes * n_local
    if needed > free:
        raise PlanError(
            f"{n_local} ranks on this machine need {needed / 1e9:.3g} GB, and {free / 1e9:.3g} GB are free; "
            "lower compute.memory, use fewer ranks per machine or keep fewer baselines"
        )
