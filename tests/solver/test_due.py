"""What is due at an iteration, against the conditions of Caffe's solver.cpp written down one by one."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from deepcae.proto.schema import SolverParameter
from deepcae.solver.due import due, due_at_end
from deepcae.solver.solver import Solver
from solver.tiny import write_training

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
    # Caffe asks after it has counted the iteration
    assert now.snapshot == (snapshot > 0 and (iteration + 1) % snapshot == 0)
    end = due_at_end(param, iteration)
    assert end.test == (test > 0 and iteration % test == 0)
    assert end.display == now.display
    assert end.snapshot == last


def test_without_a_max_iter_it_is_never_over(tmp_path: Path) -> None:
    state = Solver(write_training(tmp_path)).state
    state.param.max_iter = 3
    assert [state.ends_at(i) for i in (0, 2, 3, 4)] == [False, False, True, True]
    state.param.max_iter = 0
    assert state.ends_at(0)
    state.param.ClearField("max_iter")
    assert not state.ends_at(10**9)
