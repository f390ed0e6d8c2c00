"""What is due before an iteration, as the solver text and the number of updates tell.

Source: Caffe's `Solver::Step` and `Solver::Solve`.
"""

from __future__ import annotations

from typing import Any, NamedTuple


def falls(every: int, iteration: int) -> bool:
    """Whether the iteration is one of every so many; with 0 none is."""
    return bool(every) and iteration % every == 0


class Due(NamedTuple):
    """`test`: before the passes; `display`: of their loss and outputs; `snapshot`: of what the updates have made."""

    test: bool
    display: bool
    snapshot: bool


def due(param: Any, iteration: int) -> Due:
    """What is due when `iteration` updates are done, and the next is number `iteration`."""
    return Due(
        test=falls(param.test_interval, iteration) and bool(iteration or param.test_initialization),
        display=falls(param.display, iteration),
        snapshot=bool(iteration) and falls(param.snapshot, iteration),
    )


def due_at_end(param: Any, iteration: int) -> Due:
    """What is due behind the last update: one more loss, one more test. Its snapshot is `snapshot_after_train`'s."""
    return Due(falls(param.test_interval, iteration), falls(param.display, iteration), param.snapshot_after_train)


def is_over(param: Any, iteration: int) -> bool:
    """Whether the training has made all its updates; without a max_iter it never has."""
    return param.HasField("max_iter") and iteration >= param.max_iter
