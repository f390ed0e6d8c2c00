"""What is due at an iteration, as the solver text and its number tell.

Source: Caffe's `Solver::Step` and `Solver::Solve`.
"""

from __future__ import annotations

from typing import Any, NamedTuple


def falls(every: int, iteration: int) -> bool:
    """Whether the iteration is one of every so many; with 0 none is."""
    return bool(every) and iteration % every == 0


class Due(NamedTuple):
    """`test`: before the passes; `display`: of their loss and outputs; `snapshot`: of what the update has made."""

    test: bool
    display: bool
    snapshot: bool


def due(param: Any, iteration: int) -> Due:
    """What is due at the iteration before which so many updates are done."""
    return Due(
        test=falls(param.test_interval, iteration) and bool(iteration or param.test_initialization),
        display=falls(param.display, iteration),
        snapshot=falls(param.snapshot, iteration + 1),
    )


def due_at_end(param: Any, iteration: int) -> Due:
    """What is due behind the last update: one more loss, one more test. Its snapshot is `snapshot_after_train`'s."""
    return Due(falls(param.test_interval, iteration), falls(param.display, iteration), param.snapshot_after_train)
