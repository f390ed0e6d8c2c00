"""Codes of images in an order, as of time or depth: do neighbours resemble each other, and where do codes jump?

    steadiness = mean |c_t+1 - c_t|² / 2 mean |c_t - m|²        m: the mean code

is 1 where the order tells nothing, and near 0 where codes move gradually (von Neumann's ratio, 1941). A smooth way
through the codes has places where it stays longer; k-means finds heaps there though there are none. Heaps that are
states of their own are left in one step: at a change of cluster, half the way from centre to centre or more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRADUAL = 0.5  # steadiness below which neighbours resemble each other
JUMP = 0.5  # of the way between two centres
FEWEST = 8  # pairs of neighbours by which the order is judged


def steadiness(codes: np.ndarray, follows: np.ndarray) -> float:
    """codes (n, K); follows (n - 1,): whether image t + 1 is the neighbour of image t. 1 for too few neighbours."""
    flat = np.asarray(codes, np.float64).reshape(len(codes), -1)
    spread = float(np.square(flat - flat.mean(axis=0)).sum(axis=1).mean())
    if int(follows.sum()) < FEWEST or not spread > 0:
        return 1.0
    return float(np.square(np.diff(flat, axis=0)[follows]).sum(axis=1).mean() / (2 * spread))


@dataclass(frozen=True)
class Segments:
    """Runs of one cluster: `starts`, `stops` (k,), places in the order, `labels` (k,).

    `jump`: the median step at a change of cluster, of the way between the two centres; None without a change.
    """

    starts: np.ndarray
    stops: np.ndarray
    labels: np.ndarray
    jump: float | None

    @property
    def are_states(self) -> bool:
        """Whether the codes jump from cluster to cluster."""
        return self.jump is not None and self.jump >= JUMP


def segments(codes: np.ndarray, labels: np.ndarray, follows: np.ndarray) -> Segments:
    """codes (n, K) with a cluster each, labels (n,); follows (n - 1,): as of `steadiness`."""
    flat, labels = np.asarray(codes, np.float64).reshape(len(codes), -1), np.asarray(labels)
    changes = labels[1:] != labels[:-1]
    starts = np.concatenate([[0], np.flatnonzero(changes | ~follows) + 1])
    centres = np.stack([flat[labels == each].mean(axis=0) for each in range(int(labels.max()) + 1)])
    at = np.flatnonzero(changes & follows)
    steps = np.linalg.norm(flat[at + 1] - flat[at], axis=1)
    ways = np.linalg.norm(centres[labels[at + 1]] - centres[labels[at]], axis=1)
    jump = float(np.median(steps / ways)) if len(at) else None
    return Segments(starts, np.concatenate([starts[1:], [len(labels)]]), labels[starts], jump)
