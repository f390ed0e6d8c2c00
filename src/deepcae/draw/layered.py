"""Places for the vertices of a directed graph, layer by layer (Sugiyama's four steps), in two plain axes.

`along` is the way the graph flows, `across` stands square to it.

1. ranks: the longest path from a source; an edge against the order (a cycle) is turned round for the time being;
2. an edge over several ranks becomes a chain of dummies, one in each rank between;
3. order in each rank: barycentre sweeps down and up, the arrangement with the fewest crossings is kept;
4. places in each rank: those that minimise Σ weight·|x_a - x_b| over the edges under `x[i+1] - x[i] >= room`, a
   linear programme. Chains of dummies weigh most, so that long edges run straight; a fork likes to be centred.

Source: Gansner, Koutsofios, North, Vo, "A Technique for Drawing Directed Graphs", 1993 (steps and weights).

Everything is deterministic: ties are broken by the order in which vertices are given.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Point = tuple[float, float]  # (along, across)
_SWEEPS = 12
_SPINE, _FORK, _JOINT, _CHAIN = 4.0, 2.0, 0.2, 8.0  # weights of edges: alone at both ends, other, with 1, 2 dummies
_CENTRED = 1.5


@dataclass(frozen=True)
class Size:
    """What a vertex takes: along, and across before and after the line of its anchor."""

    along: float
    before: float
    after: float


@dataclass
class Layout:
    """Where the anchor of each vertex stands, and through which points each edge goes from side to side."""

    places: dict[str, Point]
    routes: dict[tuple[str, str], list[Point]]
    along: float
    across: tuple[float, float]


@dataclass
class _Levels:
    """Ranks of items: vertices, and dummies of size 0."""

    sizes: dict[str, Size]
    rank: dict[str, int]
    rows: list[list[str]]
    above: dict[str, list[str]] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)
    dummies: set[str] = field(default_factory=set)

    def join(self, upper: str, lower: str) -> None:
        self.below.setdefault(upper, []).append(lower)
        self.above.setdefault(lower, []).append(upper)


def arrange(sizes: Mapping[str, Size], edges: Iterable[tuple[str, str]], rank_gap: float, gap: float) -> Layout:
    """The layout of a graph. Edges join vertices in `sizes`; loops are left out, and the flow starts at 0."""
    edges = list(dict.fromkeys((a, b) for a, b in edges if a != b))
    rank, turned = ranks(list(sizes), edges)
    levels = _Levels(dict(sizes), rank, [[] for _ in range(max(rank.values(), default=-1) + 1)])
    for name in sizes:
        levels.rows[rank[name]].append(name)
    chains = {edge: _chain(levels, edge if edge not in turned else edge[::-1]) for edge in edges}
    order_rows(levels)
    across = _place_rows(levels, gap)
    middles, starts, ends = _along(levels, rank_gap)
    routes = {
        edge: _route(levels, chain[::-1] if edge in turned else chain, across, starts, ends, edge in turned)
        for edge, chain in chains.items()
    }
    low = min((across[name] - size.before for name, size in sizes.items()), default=0.0)
    high = max((across[name] + size.after for name, size in sizes.items()), default=0.0)
    lines = [point[1] for route in routes.values() for point in route]
    places = {name: (middles[rank[name]], across[name]) for name in sizes}
    return Layout(places, routes, ends[-1] if ends else 0.0, (min([low, *lines]), max([high, *lines])))


def ranks(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> tuple[dict[str, int], set[tuple[str, str]]]:
    """The longest path to each vertex from a source, and the edges that had to be turned round to break cycles.

    A source stands right before the first vertex that it leads to.
    """
    after: dict[str, list[str]] = {name: [] for name in names}
    before: dict[str, set[str]] = {name: set() for name in names}
    for a, b in edges:
        after[a].append(b)
        before[b].add(a)
    left, waiting, order, turned = dict.fromkeys(names), {n: set(before[n]) for n in names}, [], set()
    ready = [name for name in names if not before[name]]
    while left:
        if not ready:  # a cycle: the first of the vertices goes on without those that it waits for
            first = next(iter(left))
            turned |= {(a, first) for a in waiting[first]}
            waiting[first] = set()
            ready.append(first)
        name = ready.pop(0)
        del left[name]
        order.append(name)
        for b in after[name]:
            if b in left and name in waiting[b]:
                waiting[b].discard(name)
                if not waiting[b]:
                    ready.append(b)
    forward = [(b, a) if (a, b) in turned else (a, b) for a, b in edges]
    return _longest(order, forward), turned


def _longest(order: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    lead: dict[str, list[str]] = {}
    for a, b in edges:
        lead.setdefault(a, []).append(b)
    rank = dict.fromkeys(order, 0)
    for name in order:
        for b in lead.get(name, ()):
            rank[b] = max(rank[b], rank[name] + 1)
    led = {b for _, b in edges}
    for name in order:
        if name not in led and lead.get(name):
            rank[name] = min(rank[b] for b in lead[name]) - 1
    return rank


def _chain(levels: _Levels, edge: tuple[str, str]) -> list[str]:
    """The items that an edge goes through, dummies made; each joined to the next."""
    first, last = edge
    chain = [first]
    for rank in range(levels.rank[first] + 1, levels.rank[last]):
        dummy = f"{first}\0{last}\0{rank}"  # no name of a vertex holds the character 0
        levels.sizes[dummy], levels.rank[dummy] = Size(0, 1, 1), rank
        levels.rows[rank].append(dummy)
        levels.dummies.add(dummy)
        chain.append(dummy)
    chain.append(last)
    for upper, lower in pairwise(chain):
        levels.join(upper, lower)
    return chain


def order_rows(levels: _Levels) -> None:
    """Sorts the rows so that edges cross little; keeps the best arrangement that the sweeps meet."""
    best, fewest = [list(row) for row in levels.rows], crossings(levels)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        rows = levels.rows if down else levels.rows[::-1]
        neighbours = levels.above if down else levels.below
        for fixed, row in pairwise(rows):
            at = {name: index for index, name in enumerate(fixed)}
            here = {name: index for index, name in enumerate(row)}
            row.sort(key=lambda name: (_mean([at[n] for n in neighbours.get(name, ())], here[name]), here[name]))
        count = crossings(levels)
        if count < fewest:
            best, fewest = [list(row) for row in levels.rows], count
    levels.rows[:] = best


def crossings(levels: _Levels) -> int:
    """How many pairs of edges between neighbouring rows cross."""
    total = 0
    for upper, lower in pairwise(levels.rows):
        at = {name: index for index, name in enumerate(lower)}
        seen: list[int] = []
        for name in upper:
            ends = sorted(at[n] for n in levels.below.get(name, ()))
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _place_rows(levels: _Levels, gap: float) -> dict[str, float]:
    """Where each item stands across: the solution of a linear programme.

    Variables: a place for each item, then the length of each pull. Rows of `limits · variables <= bounds`: the room
    between neighbours in a rank, and length >= ±difference for each pull.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    number = {name: index for index, name in enumerate(levels.sizes)}
    pulls = list(_pulls(levels, number))
    costs = [0.0] * len(number) + [weight for weight, _ in pulls]
    rows: list[dict[int, float]] = []
    bounds: list[float] = []
    for row in levels.rows:
        for left, right in pairwise(row):
            rows.append({number[left]: 1.0, number[right]: -1.0})
            bounds.append(-(levels.sizes[left].after + gap + levels.sizes[right].before))
    for index, (_, terms) in enumerate(pulls, len(number)):
        rows += [{**{n: sign * factor for n, factor in terms.items()}, index: -1.0} for sign in (1.0, -1.0)]
        bounds += [0.0, 0.0]
    if not rows:
        return dict.fromkeys(levels.sizes, 0.0)
    entries = [(at, column, value) for at, row in enumerate(rows) for column, value in row.items()]
    lines, columns, values = zip(*entries, strict=True)
    limits = csr_array((values, (lines, columns)), shape=(len(rows), len(costs)))
    free = [(0, None)] * len(costs)  # places count from the left edge, lengths from 0
    found = linprog(costs, A_ub=limits, b_ub=bounds, bounds=free, method="highs-ds")
    return {name: float(found.x[index]) for name, index in number.items()}


def _pulls(levels: _Levels, number: Mapping[str, int]) -> Iterator[tuple[float, dict[int, float]]]:
    """(weight, factors of places): each edge wants its ends in line, each fork to stand in the middle of its prongs."""
    for upper, lowers in levels.below.items():
        for lower in lowers:
            yield _weight(levels, upper, lower), {number[upper]: 1.0, number[lower]: -1.0}
    for name in levels.sizes:
        for side in (levels.above, levels.below):
            prongs = sorted(number[other] for other in side.get(name, ()) if other not in levels.dummies)
            if len(prongs) > 1:
                yield _CENTRED, {number[name]: 1.0, **dict.fromkeys(prongs, -1.0 / len(prongs))}


def _weight(levels: _Levels, upper: str, lower: str) -> float:
    chained = (upper in levels.dummies) + (lower in levels.dummies)
    alone = len(levels.below[upper]) == len(levels.above[lower]) == 1
    return (_SPINE if alone else _FORK, _JOINT, _CHAIN)[chained]


def _along(levels: _Levels, rank_gap: float) -> tuple[list[float], list[float], list[float]]:
    """Middle, start and end of each rank along the flow."""
    middles, starts, ends = [], [], []
    at = 0.0
    for row in levels.rows:
        deep = max((levels.sizes[name].along for name in row), default=0.0)
        starts.append(at)
        middles.append(at + deep / 2)
        ends.append(at + deep)
        at += deep + rank_gap
    return middles, starts, ends


def _route(
    levels: _Levels,
    chain: Sequence[str],
    across: Mapping[str, float],
    starts: Sequence[float],
    ends: Sequence[float],
    backward: bool,
) -> list[Point]:
    """From the side of the first item to the side of the last; straight through the ranks between."""
    points: list[Point] = []
    for at, name in enumerate(chain):
        rank, place = levels.rank[name], across[name]
        middle, half = (starts[rank] + ends[rank]) / 2, levels.sizes[name].along / 2
        near, far = (starts[rank], ends[rank]) if name in levels.dummies else (middle - half, middle + half)
        if backward:
            near, far = far, near
        points += [(near, place)] * (at > 0) + [(far, place)] * (at < len(chain) - 1)
    return points
