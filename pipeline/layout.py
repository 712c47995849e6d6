"""The averaging tree laid out on ranks and nodes: pure functions of plain integers.

Communicators carry a layout out; they never decide it, so every rank of any machine can be looked at
in one process.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from pipeline.errors import PlanError

#: A way that sends less may have a largest load so many times the smallest: on GPUs exchanges take longer than that.
_LOAD_SPARED = 1.05
#: So many that rounding does not decide between ways.
_MANY_BASELINES = 1 << 20


def share(n: int, parts: int, part: int) -> tuple[int, int]:
    """Return first and last + 1 of one of the contiguous parts of ``range(n)``.

    Lengths differ by one at most, longer parts come first.

    Examples
    --------
    >>> [share(7, 3, part) for part in range(3)]
    [(0, 3), (3, 5), (5, 7)]
    """
    size, longer = divmod(n, parts)
    start = part * size + min(part, longer)
    return start, start + size + (part < longer)


def partition(n: int, parts: int) -> list[tuple[int, int]]:
    """Return all parts of ``range(n)``, each as `share` gives it."""
    return [share(n, parts, part) for part in range(parts)]


@dataclasses.dataclass(frozen=True)
class Role:
    """What one rank does.

    Attributes
    ----------
    rank, node, node_rank
        Its place: node and node-rank as the layout counts them.
    group, group_node
        Its group, and which node of the group its node is.
    bands
        First and last + 1 of the bands its group makes.
    channels
        First and last + 1 of its channels within every such band.
    """

    rank: int
    node: int
    node_rank: int
    group: int
    group_node: int
    bands: tuple[int, int]
    channels: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which rank predicts and averages what.

    Attributes
    ----------
    n_channels
        Fine channels of the observation.
    node, group
        Channels per first average, first averages per band.
    n_ranks, ranks_per_machine
        Ranks, and those of a machine.
    ranks_per_node
        Ranks of a node, which average first: a machine's, or a part of these.
    nodes_per_group
        Nodes that make a band together; divides `group` and the number of nodes.
    """

    n_channels: int
    node: int
    group: int
    n_ranks: int
    ranks_per_machine: int
    ranks_per_node: int
    nodes_per_group: int

    @property
    def n_machines(self) -> int:
        """Number of machines."""
        return self.n_ranks // self.ranks_per_machine

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.n_ranks // self.ranks_per_node

    @property
    def n_groups(self) -> int:
        """Number of groups, which never talk to each other."""
        return self.n_nodes // self.nodes_per_group

    @property
    def channels_per_band(self) -> int:
        """Fine channels averaged into a band."""
        return self.node * self.group

    @property
    def n_bands(self) -> int:
        """Number of bands."""
        return self.n_channels // self.channels_per_band

    @property
    def sextets_per_node(self) -> int:
        """First averages of a band that one node makes."""
        return self.group // self.nodes_per_group

    @property
    def channels_per_node(self) -> int:
        """Channels of a band that one node predicts."""
        return self.sextets_per_node * self.node

    @property
    def averages_first(self) -> bool:
        """Whether every rank holds whole sextets, and so averages them before anything is sent."""
        return self.sextets_per_node % self.ranks_per_node == 0

    @property
    def makes_bands(self) -> bool:
        """Whether every rank makes whole bands by itself."""
        return self.ranks_per_node == self.nodes_per_group == 1

    @property
    def channels_per_item(self) -> int:
        """Channels summed on the rank that predicts them: a band's, a sextet's, or one."""
        if self.makes_bands:
            return self.channels_per_band
        return self.node if self.averages_first else 1

    @property
    def sums_twice(self) -> bool:
        """Whether a rank sums channels into first averages, and these into the band, by itself."""
        return self.channels_per_item > self.node

    @property
    def runs(self) -> tuple[int, int]:
        """Items that the ranks of a node sum into one, and what a group then sums into a band."""
        return max(1, self.node // self.channels_per_item), 1 if self.makes_bands else self.group

    @property
    def sums_per_node(self) -> int:
        """Of a band, what a node brings into its group: first averages, or the band."""
        return 1 if self.makes_bands else self.sextets_per_node

    def items_per_rank(self) -> list[int]:
        """Return how many items each rank of a node sends into the exchange on its node."""
        bounds = partition(self.channels_per_node, self.ranks_per_node)
        return [(stop - start) // self.channels_per_item for start, stop in bounds]

    @property
    def busiest_bands(self) -> int:
        """Bands of the group that makes most."""
        return -(-self.n_bands // self.n_groups)

    @property
    def busiest_channels(self) -> int:
        """Channels predicted by the rank that predicts most, over all its bands."""
        return self.busiest_bands * -(-self.channels_per_node // self.ranks_per_node)

    def sent(self, n_baselines: int) -> tuple[int, int]:
        """Return what the busiest rank sends of a dump, over all its bands: on its machine, and to other machines.

        Counted in baselines of an item, an average or a band. The last is the gather on the rank that writes. A group
        that is not within a machine is taken for one of as many machines as nodes.
        """
        ranks, nodes = self.ranks_per_node, self.nodes_per_group
        slice_1 = -(-n_baselines // ranks)
        slice_2 = -(-slice_1 // nodes)
        near = max(self.items_per_rank()) * (n_baselines - n_baselines // ranks) if ranks > 1 else 0
        far = self.sextets_per_node * (slice_1 - slice_1 // nodes) if nodes > 1 else 0
        near += slice_2 if ranks > 1 and nodes == 1 else 0
        far += slice_2 if nodes > 1 else 0
        if self.ranks_per_machine % (ranks * nodes) == 0:
            near, far = near + far, 0
        return self.busiest_bands * near, self.busiest_bands * far

    @property
    def efficiency(self) -> float:
        """Mean load of the ranks over the largest."""
        return self.n_channels / (self.n_ranks * self.busiest_channels)

    def role(self, rank: int) -> Role:
        """Say what one rank does."""
        node, node_rank = divmod(rank, self.ranks_per_node)
        group, group_node = divmod(node, self.nodes_per_group)
        start, stop = share(self.channels_per_node, self.ranks_per_node, node_rank)
        first = group_node * self.channels_per_node
        return Role(
            rank=rank,
            node=node,
            node_rank=node_rank,
            group=group,
            group_node=group_node,
            bands=share(self.n_bands, self.n_groups, group),
            channels=(first + start, first + stop),
        )

    def baseline_slice(self, n_baselines: int, node_rank: int, group_node: int) -> tuple[int, int]:
        """Return the baselines whose band average ends on a rank of a group."""
        start, stop = share(n_baselines, self.ranks_per_node, node_rank)
        low, high = share(stop - start, self.nodes_per_group, group_node)
        return start + low, start + high


def lay_out(n_channels: int, node: int, group: int, n_ranks: int, ranks_per_machine: int) -> list[Layout]:
    """Lay the averaging tree out on machines.

    A machine may be divided into nodes. Of the ways whose largest load is within 5 % of the smallest, the one comes
    first that sends least: ranks that make whole bands send nothing. Of those it is the one with the smallest load and
    the fewest nodes in a group.

    Parameters
    ----------
    n_channels, node, group
        Fine channels; channels per first average; first averages per band.
    n_ranks, ranks_per_machine
        Ranks, and those of a machine.

    Returns
    -------
    list of Layout
        All ways, the best first.

    Raises
    ------
    PlanError
        If there is no way; the message names the nearest numbers of ranks for which there is one.
    """
    ways, reason = _ways(n_channels, node, group, n_ranks, ranks_per_machine)
    if ways:
        most = _LOAD_SPARED * min(way.busiest_channels for way in ways)
        return sorted(
            ways,
            key=lambda way: (
                way.busiest_channels > most,
                sum(way.sent(_MANY_BASELINES)),
                way.busiest_channels,
                way.nodes_per_group,
            ),
        )
    near = list(_nearest(n_channels, node, group, n_ranks, ranks_per_machine))
    machines = f"{n_ranks} ranks, {ranks_per_machine} on a machine"
    tree = f"{n_channels} channels, averaging.node {node} x averaging.group {group}"
    hint = f"nearest number of ranks that can: {' or '.join(map(str, near)) or 'none'}"
    raise PlanError(f"{machines}, cannot make {tree}: {reason}; {hint}")


def _ways(n_channels: int, node: int, group: int, n_ranks: int, ranks_per_machine: int) -> tuple[list[Layout], str]:
    """Return all layouts, or why there is none."""
    if n_ranks < 1 or ranks_per_machine < 1:
        return [], "there must be at least one rank, and one on a machine"
    if n_ranks > n_channels:
        return [], f"there are more ranks than channels ({n_ranks} > {n_channels})"
    if n_ranks % ranks_per_machine:
        return [], "every machine must have the same number of ranks"
    ways = (
        Layout(n_channels, node, group, n_ranks, ranks_per_machine, ranks, nodes)
        for ranks in _divisors(ranks_per_machine)
        for nodes in _divisors(math.gcd(n_ranks // ranks, group))
    )
    whole = [way for way in ways if way.n_groups <= way.n_bands and way.channels_per_node >= way.ranks_per_node]
    return whole, (
        f"no part of a machine as a node, and no number of nodes in a group that divides averaging.group {group}, "
        "leaves every group a band and every rank a channel"
    )


def _divisors(n: int) -> Iterator[int]:
    """Yield the divisors of a number, ascending."""
    return (size for size in range(1, n + 1) if n % size == 0)


def _nearest(n_channels: int, node: int, group: int, n_ranks: int, ranks_per_machine: int) -> Iterator[int]:
    """Yield the next smaller and the next larger number of ranks that can be laid out."""
    below = range(min(n_ranks - 1, n_channels), 0, -1)
    above = range(n_ranks + 1, n_channels + 1)
    for candidates in (below, above):
        for candidate in candidates:
            per_machine = min(ranks_per_machine, candidate)
            if _ways(n_channels, node, group, candidate, per_machine)[0]:
                yield candidate
                break
