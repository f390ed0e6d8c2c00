"""The layout of directed graphs: what must hold for every graph, and what a small one looks like."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.draw.layered import Size, arrange, ranks

SIZE = Size(10, 20, 20)
names = st.integers(0, 9).map(str)
graphs = st.lists(st.tuples(names, names), max_size=24)


def test_ranks_are_longest_paths() -> None:
    rank, turned = ranks(list("abcd"), [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")])
    assert rank == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert not turned


def test_a_source_stands_right_before_what_it_leads_to() -> None:
    rank, _ = ranks(list("abcz"), [("a", "b"), ("b", "c"), ("z", "c")])
    assert rank["z"] == 1


def test_a_cycle_is_broken_at_its_first_vertex() -> None:
    rank, turned = ranks(list("abc"), [("a", "b"), ("b", "c"), ("c", "a")])
    assert rank == {"a": 0, "b": 1, "c": 2}
    assert turned == {("c", "a")}


def test_a_chain_runs_straight_and_a_fork_stands_in_the_middle() -> None:
    sizes = dict.fromkeys("abcdef", SIZE)
    layout = arrange(sizes, [("a", "b"), ("b", "c"), ("b", "d"), ("c", "e"), ("d", "f")], 15, 16)
    across = {name: place[1] for name, place in layout.places.items()}
    assert across["a"] == across["b"]
    assert across["c"] == across["e"]
    assert across["d"] == across["f"]
    assert across["b"] == pytest.approx((across["c"] + across["d"]) / 2)
    assert abs(across["c"] - across["d"]) == pytest.approx(56)
    assert [layout.places[name][0] for name in "abce"] == [5, 30, 55, 80]


def test_crossings_are_undone() -> None:
    edges = [("a", "x"), ("b", "y"), ("c", "z"), ("z", "1"), ("y", "2"), ("x", "3")]
    layout = arrange(dict.fromkeys("abczyx321", SIZE), edges, 15, 16)
    for chain in ("ax3", "by2", "cz1"):
        assert len({round(layout.places[name][1], 3) for name in chain}) == 1


def test_a_long_edge_goes_round_what_lies_between() -> None:
    layout = arrange(dict.fromkeys("abcd", SIZE), [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")], 15, 16)
    route = layout.routes["a", "d"]
    assert route[0] == (10, layout.places["a"][1])
    assert route[-1] == (75, layout.places["d"][1])
    beside = {across for along, across in route if 25 <= along <= 60}
    assert len(beside) == 1, "it runs straight past b and c"
    assert all(abs(beside_one - layout.places[name][1]) >= 20 for beside_one in beside for name in "bc")


@settings(max_examples=60)
@given(graphs, st.lists(st.tuples(*[st.floats(1, 50)] * 3), min_size=10, max_size=10))
def test_nothing_overlaps_and_edges_flow(edges: list[tuple[str, str]], extents: list[tuple[float, ...]]) -> None:
    sizes = {str(number): Size(*extent) for number, extent in enumerate(extents)}
    layout = arrange(sizes, edges, 15, 16)
    assert layout == arrange(sizes, edges, 15, 16), "twice the same"
    _, turned = ranks(list(sizes), list(dict.fromkeys((a, b) for a, b in edges if a != b)))
    for a, b in edges:
        if a != b:
            forward = layout.places[a][0] < layout.places[b][0]
            assert forward != ((a, b) in turned)
            route = layout.routes[a, b]
            assert route[0][1] == layout.places[a][1]
            assert route[-1][1] == layout.places[b][1]
    for a, b in combinations(sizes, 2):
        (along_a, across_a), (along_b, across_b) = layout.places[a], layout.places[b]
        apart = abs(along_a - along_b) >= (sizes[a].along + sizes[b].along) / 2 - 1e-6
        left, right = (a, b) if across_a < across_b else (b, a)
        room = layout.places[right][1] - sizes[right].before - layout.places[left][1] - sizes[left].after
        assert apart or room >= 16 - 1e-6
    low, high = layout.across
    assert all(
        low <= place - sizes[n].before + 1e-6 and place + sizes[n].after <= high + 1e-6
        for n, (_, place) in layout.places.items()
    )


def test_an_empty_graph_and_one_of_thousands() -> None:
    assert arrange({}, [], 15, 16).places == {}
    chain = [str(number) for number in range(3000)]
    layout = arrange(dict.fromkeys(chain, SIZE), list(pairwise(chain)), 15, 16)
    assert len({place[1] for place in layout.places.values()}) == 1
