"""What is due at an iteration, against the conditions of Caffe's solver.cpp written down one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deepcae.proto.schema import SolverParameter
from deepcae.solver.due import due, due_at_end, is_over

EVERY = st.integers(0, 12)


@given(EVERY, EVERY, EVERY, st.booleans(), st.booleans(), st.integers(0, 60))
def test_as_caffes_step_and_solve(
    test: int, display: int, snapshot: int, initial: bool, last: bool, iteration: int
) -> None:
    param = SolverParameter(
        test_interval=test, display=display, snapshot=snapshot, test_initialization=initial, snapshot_after_train=last
    )
    now = due(param, iteration)
    assert now.test == (test > 0 and iteration % test == 0 and (iteration > 0 or initial))
    assert now.display == (display > 0 and iteration % display == 0)
    # Caffe asks after it has counted the iteration, so never before the first
    assert now.snapshot == (snapshot > 0 and iteration > 0 and iteration % snapshot == 0)
    end = due_at_end(param, iteration)
    assert end.test == (test > 0 and iteration % test == 0)
    assert end.display == now.display
    assert end.snapshot == last


def test_without_a_max_iter_it_is_never_over() -> None:
    assert not is_over(SolverParameter(), 10**9)
    assert [is_over(SolverParameter(max_iter=3), i) for i in (0, 2, 3, 4)] == [False, False, True, True]
    assert is_over(SolverParameter(max_iter=0), 0)
