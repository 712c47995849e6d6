"""The observations that are timed: small ones, made so that every stage's units of work can be told apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LAYOUT = Path(__file__).parents[1] / "observation/layouts/skalow_AA4_layout.txt"

ARRAY = "{type: aperture-array}"
DIPOLES = "{type: aperture-array, element: {type: dipole, height: 1.5 m}}"
TURNED = "{type: aperture-array, element: {type: dipole, height: 1.5 m}, rotation: {file: angles.txt}}"
TURNED_SCALAR = "{type: aperture-array, rotation: {file: angles.txt}}"
#: Different angles, so kinds of station, of a few.
N_KINDS = 2

CORRUPTIONS = """
noise: {seed: 1, sefd: 2000 Jy}
gains: {seed: 2, amplitude: 0.05, phase: 5 deg}
"""

IONOSPHERE = "ionosphere: {kolmogorov: {seed: 3, r0: 10 km, pixel: 4 km}}"

OBSERVATION = """
name: bench
telescope:
  array: stations.txt
  location: {{longitude: 116.764448 deg, latitude: -26.824722 deg, height: 365 m}}
  station: {station}
sky: [{{catalogue: sources.csv, format: table}}]
phase_centre: {{ra: 0h, dec: -27d}}
time: {{start: 2026-11-22T12:00:00, integration: 0.84934656 s, dumps: {dumps}}}
spectrum: {{start: 150 MHz, width: 5.425347 kHz, channels: {channels}}}
averaging: {{node: {node}, group: {group}}}
compute: {{backend: {backend}, precision: {precision}, smearing: {smearing}, route: {route}, memory: 4 GB}}
output: {{path: bench.dawn}}
{more}"""


@dataclasses.dataclass(frozen=True)
class Case:
    """One observation.

    Attributes
    ----------
    name
        For people.
    n_stations, n_sources
        Stations, sources.
    station
        Section ``telescope.station``.
    kinds
        Kinds of station, where `station` names angles.txt.
    polarised, extended
        Whether sources are polarised, and Gaussians.
    dumps, channels, node, group
        Their numbers.
    smearing, route, more
        As a configuration has them; more sections.
    """

    name: str
    n_stations: int
    n_sources: int
    station: str = "isotropic"
    kinds: int = 1
    polarised: bool = False
    extended: bool = False
    dumps: int = 8
    channels: int = 2
    node: int = 2
    group: int = 1
    smearing: str = "none"
    route: str = "product"
    more: str = ""


def prediction_cases(stations: list[int], n_sources: int) -> Iterator[Case]:
    """Yield the observations that are predicted: few and many sources, on as many stations as asked for."""
    for n in stations:
        few = max(1, n_sources // 16)
        for s in dict.fromkeys((few, n_sources)):
            yield Case("isotropic, unpolarised", n, s)
            yield Case("aperture arrays alike, unpolarised", n, s, ARRAY)
            yield Case("aperture arrays of dipoles alike, polarised", n, s, DIPOLES, polarised=True)
            yield Case("aperture arrays of dipoles, few kinds", n, s, TURNED, N_KINDS, polarised=True)
            yield Case("aperture arrays of dipoles, all different", n, s, TURNED, n, polarised=True)
        yield Case("aperture arrays all different, unpolarised", n, few, TURNED_SCALAR, n)
        yield Case("Gaussian sources", n, few, polarised=True, extended=True)
        yield Case("Gaussian sources, stations all different", n, few, TURNED, n, polarised=True, extended=True)
        yield Case("smeared", n, few, smearing="both", dumps=4)
        # Long blocks and short ones, which tell the work of a block from that of its dumps.
        for dumps in (4, 48):
            yield Case("short blocks and long", n, few, dumps=dumps)
        for dumps in (4, 24):
            yield Case("dishes", n, n_sources, "{type: airy, diameter: 14 m, pointing: zenith}", dumps=dumps)
        yield Case("noise and gains", n, 1, more=CORRUPTIONS)
        for s in dict.fromkeys((few, n_sources)):
            yield Case("ionosphere", n, s, more=IONOSPHERE)
    # Arrays that no cache holds.
    for node in (1, 4):
        yield Case("much output", min(512, 2 * max(stations)), max(1, n_sources // 16), channels=4, node=node)
    for s in (10 * n_sources, 40 * n_sources):
        yield Case("Fourier transform", min(stations), s, dumps=4, route="nufft")
        yield Case("Fourier transform, polarised", min(stations), s, polarised=True, dumps=4, route="nufft")
    yield Case("Fourier transform", max(stations), n_sources, dumps=4, route="nufft")


def output_cases() -> Iterator[Case]:
    """Yield the observations that are written: many bands, many steps, many bytes."""
    yield Case("bands", 16, 1, channels=24, node=1, group=1, dumps=1)
    yield Case("steps", 16, 1, channels=24, node=1, group=1, dumps=4)
    yield Case("bytes", 256, 1, channels=72, node=6, group=6, dumps=8)


def write_case(folder: Path, case: Case, backend: str, precision: str) -> Path:
    """Write the configuration of a case, with its stations and sources, and return its path."""
    rng = np.random.default_rng(1)
    layout = np.loadtxt(LAYOUT, comments="#", ndmin=2)[: case.n_stations]
    if case.route == "nufft":
        layout = layout / np.abs(layout).max() * 500
    np.savetxt(folder / "stations.txt", layout)
    np.savetxt(folder / "angles.txt", 90 * (np.arange(case.n_stations) % case.kinds) / case.kinds)
    radius = 1.0 if case.route == "nufft" else 5.0
    ra, dec = rng.uniform(-radius, radius, (2, case.n_sources))
    columns = {"ra": ra % 360, "dec": dec - 27, "i": rng.uniform(0.1, 2, case.n_sources)}
    if case.polarised:
        columns["q"] = np.full(case.n_sources, 0.05)
    if case.extended:
        columns |= {"major": np.full(case.n_sources, 2.0), "minor": np.full(case.n_sources, 1.0)}
        columns["position_angle"] = np.zeros(case.n_sources)
    table = np.stack(list(columns.values()), axis=1)
    np.savetxt(folder / "sources.csv", table, delimiter=",", header=",".join(columns), comments="")
    values = {field.name: getattr(case, field.name) for field in dataclasses.fields(case)}
    path = folder / "bench.yaml"
    path.write_text(OBSERVATION.format(**values, backend=backend, precision=precision), encoding="utf-8")
    return path
