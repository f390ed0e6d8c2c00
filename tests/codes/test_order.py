"""A smooth way through the codes is no heaps; codes that jump between states are."""

from __future__ import annotations

import numpy as np
import pytest

from deepcae.codes.cluster import find_clusters
from deepcae.codes.order import GRADUAL, segments, steadiness

RNG = np.random.default_rng(4)
NEXT = np.ones(299, bool)
WALK = np.cumsum(RNG.normal(size=(300, 3)), axis=0)
STATES = np.repeat([0, 1, 0, 2, 1, 0], 50)
JUMPS = np.array([[0, 0], [9, 0], [0, 9.0]])[STATES] + RNG.normal(size=(300, 2))


def test_neighbours_of_a_way_resemble_each_other() -> None:
    assert steadiness(WALK, NEXT) < 0.1
    assert steadiness(JUMPS, NEXT) < GRADUAL
    assert steadiness(RNG.permutation(WALK), NEXT) == pytest.approx(1, abs=0.2)
    assert steadiness(WALK, np.zeros(299, bool)) == 1  # nothing is known of neighbours
    assert steadiness(np.ones((300, 3)), NEXT) == 1


def test_a_way_is_cut_into_segments_and_states_are_heaps() -> None:
    found = find_clusters(JUMPS)
    parts = segments(JUMPS, found.labels, NEXT)
    assert found.are_clear
    assert parts.are_states
    assert parts.starts.tolist() == [0, 50, 100, 150, 200, 250]
    assert parts.stops.tolist() == [50, 100, 150, 200, 250, 300]
    labels = find_clusters(WALK).labels
    parts = segments(WALK, labels, NEXT)
    assert not parts.are_states
    assert [labels[start] for start in parts.starts] == parts.labels.tolist()


def test_a_gap_ends_a_segment_and_is_no_jump() -> None:
    labels = np.repeat([0, 1], 10)
    follows = np.ones(19, bool)
    follows[9] = False
    parts = segments(np.repeat([[0.0], [9.0]], 10, axis=0), labels, follows)
    assert (parts.starts.tolist(), parts.jump, parts.are_states) == ([0, 10], None, False)
    follows[9], follows[4] = True, False
    assert segments(np.repeat([[0.0], [9.0]], 10, axis=0), labels, follows).starts.tolist() == [0, 5, 10]


@pytest.mark.parametrize(
    "codes",
    [RNG.normal(size=(300, 2)), RNG.random((300, 2)), RNG.normal(0, 0.02, (300, 2)) + np.linspace(0, 1, 300)[:, None],
     np.stack([np.cos(turn := 6.28 * RNG.random(300)), np.sin(turn)], axis=1)],
    ids=["cloud", "square", "band", "ring"],
)  # fmt: skip
def test_what_is_cut_from_one_piece_is_no_heaps(codes: np.ndarray) -> None:
    found = find_clusters(codes)
    assert found.valley > 0.8
    assert not found.are_clear
