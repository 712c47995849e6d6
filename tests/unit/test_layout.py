"""The averaging tree on ranks: every channel and every baseline has one owner, in order."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pipeline.config.file import load_config
from pipeline.errors import PlanError
from pipeline.inputs import load_inputs
from pipeline.layout import lay_out, partition
from pipeline.plan import band_decorrelation, make_plan

CONFIGS = Path(__file__).parents[2] / "configs"

MACHINES = [
    (144, 1, 1),
    (144, 2, 2),
    (144, 3, 3),
    (144, 4, 4),
    (144, 5, 5),
    (144, 7, 7),
    (144, 36, 36),
    (144, 3, 1),
    (144, 6, 1),
    (144, 12, 2),
    (144, 12, 6),
    (72, 12, 12),
    (36, 6, 1),
    (36, 36, 6),
    (2736, 2736, 6),
]


@pytest.mark.parametrize(("n_channels", "n_ranks", "ranks_per_node"), MACHINES)
def test_every_channel_has_one_owner_and_they_follow_each_other(n_channels, n_ranks, ranks_per_node):
    for layout in lay_out(n_channels, 6, 6, n_ranks, ranks_per_node):
        owners: dict[int, int] = {}
        for rank in range(n_ranks):
            role = layout.role(rank)
            assert role.channels[1] > role.channels[0], "an idle rank"
            assert role.bands[1] > role.bands[0], "an idle group"
            for band in range(*role.bands):
                for channel in range(*role.channels):
                    assert owners.setdefault(band * 36 + channel, rank) == rank
        assert sorted(owners) == list(range(n_channels))
        for band in range(n_channels // 36):
            in_band = [owners[band * 36 + channel] for channel in range(36)]
            assert in_band == sorted(in_band), "ranks hold a band's channels in rank order"


@pytest.mark.parametrize(("n_channels", "n_ranks", "ranks_per_node"), MACHINES)
@pytest.mark.parametrize("n_baselines", [1, 7, 131])
def test_every_baseline_of_a_band_ends_on_one_rank(n_channels, n_ranks, ranks_per_node, n_baselines):
    for layout in lay_out(n_channels, 6, 6, n_ranks, ranks_per_node):
        ends = []
        for group_node in range(layout.nodes_per_group):
            for node_rank in range(layout.ranks_per_node):
                start, stop = layout.baseline_slice(n_baselines, node_rank, group_node)
                ends += range(start, stop)
        assert sorted(ends) == list(range(n_baselines))


def test_summit_is_one_channel_a_rank_and_six_nodes_a_band():
    (layout,) = lay_out(27360, 6, 6, 27360, 6)
    assert (layout.n_nodes, layout.n_groups, layout.nodes_per_group, layout.busiest_channels) == (4560, 760, 6, 1)
    assert layout.efficiency == 1.0


@pytest.mark.parametrize(
    ("machine", "expected"),  # ranks of a node, nodes of a group, channels of the busiest rank
    [
        # A rank for a band or more of them: each makes whole bands, and nobody sends anything.
        ((144, 6, 6, 2, 2), (1, 1, 72)),
        ((144, 6, 6, 4, 4), (1, 1, 36)),
        ((27360, 6, 6, 256, 8), (1, 1, 108)),
        # Whole bands would be two on some ranks: 72 channels instead of 48.
        ((144, 6, 6, 3, 3), (3, 1, 48)),
        # A few hundredths more to do, and whole sextets instead of channels cross.
        ((27360, 6, 6, 300, 6), (3, 1, 96)),
        # Two ranks hold sextets of one band, so every machine of twelve is six nodes.
        ((144, 6, 6, 12, 12), (3, 1, 12)),
        # More ranks than sextets: channels are exchanged.
        ((12, 6, 1, 4, 4), (2, 1, 3)),
        ((144, 6, 6, 48, 12), (2, 6, 3)),
    ],
)
def test_ranks_send_as_little_as_even_loads_allow(machine, expected):
    best = lay_out(*machine)[0]
    assert (best.ranks_per_node, best.nodes_per_group, best.busiest_channels) == expected
    assert best.sent(1000) == (0, 0) if expected[:2] == (1, 1) else best.sent(1000)[0] > 0


@pytest.mark.parametrize(("memory_mb", "expected"), [(30, (3, 1, 48)), (20, (1, 1, 72))])
def test_the_next_layout_is_taken_where_memory_holds_no_dump_of_the_best(tmp_path, memory_mb, expected):
    text = (CONFIGS / "demo.yaml").read_text().replace("skies/", f"{CONFIGS}/skies/")
    path = tmp_path / "small.yaml"
    path.write_text(f"{text}\ncompute: {{memory: {memory_mb} MB}}\n")
    config = load_config(path)
    made = make_plan(config, load_inputs(config).sizes, 3, 3, 1)
    assert (made.layout.ranks_per_node, made.layout.nodes_per_group, made.layout.busiest_channels) == expected
    assert made.memory_bytes <= memory_mb * 1e6


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ((144, 6, 6, 145, 145), ["more ranks than channels (145 > 144)", "144"]),
        ((144, 6, 6, 5, 1), ["nearest number of ranks that can: 4 or 6"]),
        ((144, 6, 6, 5, 2), ["same number of ranks", "4 or 6"]),
        ((144, 6, 6, 74, 74), ["no part of a machine as a node", "nearest number of ranks that can: 72"]),
        ((144, 6, 6, 0, 1), ["at least one rank"]),
    ],
)
def test_what_cannot_be_laid_out_is_refused_with_the_nearest_that_can(machine, said):
    with pytest.raises(PlanError) as caught:
        lay_out(*machine)
    for words in said:
        assert words in str(caught.value)


def test_partition_is_even_and_whole():
    for n, parts in [(7, 3), (2, 5), (0, 2), (36, 36)]:
        bounds = partition(n, parts)
        lengths = [stop - start for start, stop in bounds]
        assert sum(lengths) == n
        assert max(lengths) - min(lengths) <= 1
        assert [i for start, stop in bounds for i in range(start, stop)] == list(range(n))


def test_decorrelation_is_one_less_the_mean_of_the_phasors():
    n, width_hz, baseline_m, angle_rad = 36, 5425.347, 2900.0, 0.074
    delay_s = baseline_m * math.sin(angle_rad) / 299792458
    phases = [2 * math.pi * (k - (n - 1) / 2) * width_hz * delay_s for k in range(n)]
    mean = sum(map(math.cos, phases)) / n
    assert band_decorrelation(n, width_hz, baseline_m, angle_rad) == pytest.approx(1 - mean, rel=1e-9)


def test_decorrelation_at_its_ends():
    assert band_decorrelation(36, 5425.347, 0.0, 0.1) == 0.0
    # 73 km, 5 deg off: 26 rad across the band, nothing is left.
    assert band_decorrelation(36, 5425.347, 73400.0, math.radians(5)) == 1.0
    assert band_decorrelation(1, 5425.347, 1000.0, 0.1) == pytest.approx(0.0, abs=1e-12)
