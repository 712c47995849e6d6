"""Plans and reports in words, for people."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.config.observation import Config
    from pipeline.costs.runtime import RunTime
    from pipeline.dataset.verify import VerifyReport
    from pipeline.inputs import Inputs
    from pipeline.layout import Layout
    from pipeline.plan import Plan
    from pipeline.telemetry.report import Report

_MOST_RANKS_LISTED = 12


def human_bytes(n_bytes: float) -> str:
    """Write a number of bytes with a decimal prefix.

    Examples
    --------
    >>> human_bytes(2.6e15)
    '2.60 PB'
    """
    prefixes = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    power = min(int(math.log10(max(n_bytes, 1)) // 3), len(prefixes) - 1)
    digits = 0 if power == 0 else 2
    return f"{n_bytes / 1000**power:.{digits}f} {prefixes[power]}"


def rows(pairs: list[tuple[str, str]]) -> str:
    """Write names and values as two columns."""
    width = max(len(name) for name, _ in pairs) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in pairs)


def counted(n: int, thing: str) -> str:
    """Write a number of things.

    Examples
    --------
    >>> counted(1, "rank"), counted(2000, "rank")
    ('1 rank', '2,000 ranks')
    """
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def ownership(plan: Plan, n_ranks: int | None = None) -> list[dict[str, Any]]:
    """Say what every rank does, or the first `n_ranks` do, as plain numbers."""
    layout = plan.layout
    owned = []
    for rank in range(layout.n_ranks)[:n_ranks]:
        role = layout.role(rank)
        slices = layout.baseline_slice(plan.sizes.n_baselines, role.node_rank, role.group_node)
        owned.append(
            {
                "rank": rank,
                "node": role.node,
                "group": role.group,
                "bands": list(role.bands),
                "channels_of_band": list(role.channels),
                "averages_baselines": list(slices),
            }
        )
    return owned


def _stations(config: Config, plan: Plan) -> str:
    """Say what stations answer with, and how often that is worked out."""
    sizes = plan.sizes
    alike = "all alike" if sizes.n_kinds == 1 else f"{sizes.n_kinds:,} kinds"
    if sizes.is_unity:
        return f"{config.telescope.station.type}, {alike}"
    often = f"4 times in {counted(sizes.cell_dumps, 'dump')}" if sizes.is_interpolated else "every dump"
    return f"{config.telescope.station.type}, {alike}; responses worked out {often}"


def _smearing(config: Config, inputs: Inputs) -> str:
    """Say how many terms the sources have within a channel and a dump, and for what accuracy."""
    nodes, sizes = inputs.routes.nodes, inputs.sizes
    ranges = (f"{counts.min()}-{counts.max()}" for counts in (nodes.in_channel, nodes.in_dump))
    over = " x ".join(ranges)
    return (
        f"{config.compute.smearing}: {over} moments in channel and dump for every source, {sizes.n_terms:,} terms in "
        f"the sum, for an accuracy of {config.compute.accuracy:g}"
    )


def _sum(inputs: Inputs) -> str:
    """Say which kernel sums points, and why."""
    from pipeline.costs.stages import STATIONS_PER_KIND, product_of

    sizes, response = inputs.sizes, inputs.response
    if not sizes.n_terms:
        return "Fourier transforms alone"
    product = product_of(
        sizes.n_kinds, sizes.n_stations, response.is_scalar, response.is_scalar and inputs.sky.is_unpolarised
    )
    per_kind = f"{sizes.n_stations / sizes.n_kinds:.3g} stations of a kind, it pays from {STATIONS_PER_KIND} on"
    why = {
        "unpolarised": "stations answer with numbers and no source is polarised, so one product makes all",
        "common": "four products: stations all answer alike, or with numbers",
        "few kinds": f"four products, kind by kind: {per_kind}",
        "all different": f"eight products, station by station: {per_kind}",
    }
    return f"{product}: {why[product]}"


def human_seconds(seconds: float) -> str:
    """Write a length of time, to two figures.

    Examples
    --------
    >>> human_seconds(0.0123), human_seconds(59.0), human_seconds(7000.0)
    ('0.012 s', '59 s', '1.9 h')
    """
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size or (unit == "h" and seconds >= size):
            return f"{seconds / size:.{0 if seconds >= 10 * size else 1}f} {unit}"
    return f"{float(f'{seconds:.2g}'):g} s"


def _run_time(time: RunTime) -> list[tuple[str, str]]:
    """Say how long a run takes, and what that rests on."""
    parts = {
        "predicting": time.predict_s,
        "averaging": time.average_s,
        "exchange": time.exchange_s,
        "writing": time.write_s,
    }
    most = sorted(time.stages.items(), key=lambda item: -item[1])[:4]
    return [
        ("time", f"{human_seconds(time.whole_s)}, {time.node_hours:.2g} node-hours, {time.rank_hours:.2g} rank-hours"),
        ("of a rank", ", ".join(f"{name} {human_seconds(seconds)}" for name, seconds in parts.items())),
        ("most in", ", ".join(f"{name} {human_seconds(seconds)}" for name, seconds in most)),
        *[("assumed" if number == 0 else "", line) for number, line in enumerate(time.assumed)],
    ]


def describe_plan(config: Config, inputs: Inputs, plan: Plan, time: RunTime) -> str:
    """Say what a run will do, hold, write and take."""
    layout, sizes = plan.layout, plan.sizes
    edge_deg = math.degrees(config.image.size * config.image.cell_rad / 2)
    seconds = plan.n_dumps * config.time.integration_s
    first = "before anything is sent" if layout.averages_first else "by exchange of channels"
    if layout.makes_bands:
        first = "by the rank that predicts it, and so the band: nothing is sent"
    pairs = [
        ("observation", f"{config.name}: {counted(plan.n_dumps, 'dump')} over {seconds:,.1f} s"),
        ("telescope", f"{inputs.telescope.name}, {counted(sizes.n_stations, 'station')}"),
        ("baselines", f"{sizes.n_baselines:,} kept, longest {sizes.longest_m:,.0f} m"),
        ("stations", _stations(config, plan)),
        ("sky", counted(sizes.n_sources, "source")),
        *[("", note) for note in inputs.notes],
        ("smearing", _smearing(config, inputs)),
        ("sum", _sum(inputs)),
        ("channels", f"{layout.n_channels:,} in {counted(layout.n_bands, 'band')} of {layout.channels_per_band}"),
        ("machine", _machine(layout)),
        ("groups", f"{counted(layout.n_groups, 'group')} of {counted(layout.nodes_per_group, 'node')}"),
        ("busiest rank", f"predicts {layout.busiest_channels:,} channels; efficiency {layout.efficiency:.0%}"),
        ("first average", first),
        ("blocks", f"{counted(plan.n_blocks, 'step')} of {counted(plan.block_dumps, 'dump')} in every band"),
        (
            "memory",
            f"{human_bytes(plan.memory_bytes)} of arrays per rank, {human_bytes(config.compute.memory_bytes)} allowed",
        ),
        ("raw", f"{human_bytes(plan.raw_bytes)} of visibilities"),
        ("written", human_bytes(plan.reduced_bytes)),
        (
            "decorrelation",
            f"{plan.decorrelation:.2%} of the amplitude at the image's edge, {edge_deg:.2f} deg off, on the longest "
            "baseline, from averaging channels",
        ),
        *_run_time(time),
    ]  # fmt: skip
    lines = [rows(pairs), "", "rank  node  group  bands        channels of a band"]
    for owned in ownership(plan, _MOST_RANKS_LISTED):
        bands, channels = (f"{a}-{b - 1}" for a, b in (owned["bands"], owned["channels_of_band"]))
        lines.append(f"{owned['rank']:4}  {owned['node']:4}  {owned['group']:5}  {bands:11}  {channels}")
    if layout.n_ranks > _MOST_RANKS_LISTED:
        lines.append(f"… and {layout.n_ranks - _MOST_RANKS_LISTED:,} more; --json lists all")
    return "\n".join(lines)


def _machine(layout: Layout) -> str:
    """Say what ranks run on."""
    parts = layout.n_nodes // layout.n_machines
    if parts == 1:
        return f"{counted(layout.n_ranks, 'rank')} on {counted(layout.n_nodes, 'node')}"
    each = ", each" if layout.n_machines > 1 else ""
    machines = counted(layout.n_machines, "machine")
    return f"{counted(layout.n_ranks, 'rank')} on {machines}{each} divided into {counted(parts, 'node')}"


def describe_report(report: Report, path: Path) -> str:
    """Say where the time of a run went and what rates it reached."""
    lines = ["stage                    mean s    max s   (stages overlap)"]
    lines += [f"{name:<22}{mean:9.2f}{top:9.2f}" for name, (mean, top) in report.stages.items()]
    rates = [
        ("time", f"{report.seconds:.2f} s"),
        ("predicted", f"{report.visibilities / report.seconds / 1e6:,.1f} million visibilities/s"),
        ("before averaging", f"{human_bytes(report.raw_bytes)}, {human_bytes(report.raw_bytes / report.seconds)}/s"),
        (
            "after averaging",
            f"{human_bytes(report.reduced_bytes)}, {human_bytes(report.reduced_bytes / report.seconds)}/s",
        ),
        ("dataset", str(path)),
    ]  # fmt: skip
    return "\n".join([*lines, "", rows(rates)])


def describe_info(info: dict[str, Any]) -> str:
    """Say what a dataset holds, from what `pipeline.dataset.verify.describe_dataset` returns."""

    def known(value: Any, text: str) -> str:
        return "not known: no band can be read" if value is None else text

    bands = info["bands"]
    pairs = [
        ("dataset", f"{info['path']}, {human_bytes(info['bytes'])}, {info['state']}"),
        ("observation", f"{info['name']}, from {info['start']} UTC"),
        ("telescope", f"{info['array']}, " + known(info["stations"], f"{info['stations']} stations")),
        ("baselines", known(info["baselines"], f"{info['baselines'] or 0:,}, {' '.join(info['polarisations'] or [])}")),
        ("dumps", known(info["dumps"], f"{info['dumps']} of {info['integration_s']} s")),
        ("bands", f"{info['bands_complete']} of {len(bands)} complete"),
        ("written by", f"{info['software']}, {info['created']}, format {info['format_version']}"),
    ]
    lines = [rows(pairs), "", "band       frequency  channels     steps       size"]
    for band in bands:
        first, stop = band["channels"]
        lines.append(
            f"{band['index']:4}  {band['frequency_hz'] / 1e6:10.5f} MHz  {f'{first}-{stop - 1}':11}{band['steps']:7}"
            f"{human_bytes(band['bytes']):>11}{'' if band['complete'] else '  incomplete'}"
        )
    return "\n".join(lines)


def describe_verification(report: VerifyReport) -> str:
    """Say what was found in every band of a dataset."""
    lines = []
    for band in report.bands:
        found = f"{band.steps_found} of {counted(band.steps_expected, 'step')}"
        lines.append(f"{band.path}  {found}, {human_bytes(band.n_bytes)}: {band.error or 'good'}")
    lines.append(f"{report.path}: {'good' if report.is_whole else 'not whole'}")
    return "\n".join(lines)
