"""Several trainings of one text that differ in their seeds alone, as one program.

    solvers = [Solver(text, out=folder_of("runs/cae1", seed), seed=seed) for seed in (1, 2, 3)]
    for k, record in StackedTraining(solvers).solve():
        print(solvers[k].seed, record)

All learned blobs and their history are stacked, one pass and one update serve all. What each run tells and leaves is
what it would alone, up to rounding; tests, snapshots, logs are each run's own. Runs that a kill or a failed write left
at different iterations go on from there: those furthest back catch up first, in the same stack, so that each ends with
the very bits of runs that nothing disturbed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch

from ..errors import TrainingError
from ..net.stack import Stack, Unbatchable
from .capture import Captured, CudaRecorder, Recorder
from .debug import Debug
from .due import Due
from .iteration import Arithmetic, Inputs, Passed, Passes
from .ledger import MOST_WAITING, Numbers
from .loop import Loop, Tagged
from .passes import Blobs
from .records import Failed, Record
from .solver import Solver
from .state import Requests, TrainingState
from .training import Training
from .update import Updater


class _Share(Mapping[str, torch.Tensor]):
    """One run's blobs of the stacked ones."""

    def __init__(self, blobs: Blobs, k: int) -> None:
        self._blobs, self._k = blobs, k

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._blobs[name][self._k]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)


class StackedTraining(Loop):
    """Unbatchable where the runs cannot be one program: they are trained one by one, then.

    `recorder`: what makes one call of an iteration (default: on a GPU CUDA's graphs, elsewhere nothing). A run with a
    value that is not finite ends with `Failed`, the others go on; TrainingError when they are done.
    """

    def __init__(self, solvers: Sequence[Solver], recorder: Recorder | None = None) -> None:
        self.solvers = list(solvers)
        runs = [solver.training for solver in solvers]
        self.states, first = [run.state for run in runs], runs[0].state
        _require_alike(self.states)
        if any(solver.reduces for solver in solvers):
            raise Unbatchable("the gradients of one run are changed by its own `reduce`")
        if first.param.type == "Muon":
            raise Unbatchable("Muon turns each weight as one matrix")
        self.stack = Stack([state.net for state in self.states], rounds=first.precision == "bf16")
        self.updater = Updater(first.param, self.stack.learnable, stacked=True)
        self._try_out()
        for run in runs:
            run.ledger.lag = MOST_WAITING
            run.state.runs_as_one = len(runs)
        device = first.net.device
        step = Arithmetic(Passes(self.stack, self.updater, device, first.precision), None)
        if recorder is None and device.type == "cuda":
            recorder = CudaRecorder(device)
        super().__init__(dict(enumerate(runs)), step, step if recorder is None else Captured(step, recorder))
        self.moving = {}  # those that stand furthest back; the others wait for these
        self.requests = Requests()
        self._failed: list[str] = []

    def request_stop(self) -> None:
        """Stops all after this iteration, with their snapshots. (Asked of one run, it could come between the step and
        the copy of its weights.)
        """
        self.requests.stop = True

    def request_snapshot(self) -> None:
        """Takes a snapshot of all after the next iteration."""
        self.requests.snapshot = True

    def course(self) -> Iterator[Tagged]:
        yield from super().course()
        if self._failed:
            raise TrainingError("; ".join(self._failed))

    def goes_on(self) -> bool:
        """Whether there is an iteration to make; a stop of one is a stop of all, as is its absence of data.

        What was asked of all is passed on here, before the tests: a resumed run makes those of the iteration where it
        was stopped.
        """
        for run in self.alive.values():
            run.requests.stop |= self.requests.stop
            run.requests.snapshot |= self.requests.snapshot
        self.requests.stop = self.requests.snapshot = False
        if self._unfinished() and not any(run.requests.stop for run in self.alive.values()):
            self._gather()
            return True
        self._download()
        return False

    def _unfinished(self) -> dict[int, Training]:
        return {k: run for k, run in self.alive.items() if not run.state.is_over}

    def _gather(self) -> None:
        """Lets those move that stand furthest back, until they are with the next.

        All of the stack is computed meanwhile, as the last bits may hang on its size; what comes of those that wait is
        not looked at: their states stay what they are.
        """
        unfinished = self._unfinished()
        furthest_back = min(run.state.iteration for run in unfinished.values())
        moving = {k: run for k, run in unfinished.items() if run.state.iteration == furthest_back}
        if moving.keys() != self.moving.keys():
            self._download()
            self.moving = moving
            self._upload()

    def compute(self, lr: float, iteration: int, debug: Debug | None) -> Passed:
        assert self.ahead is not None
        iter_size, moving = self.states[0].param.iter_size, {k: run.state for k, run in self.moving.items()}
        return self.ahead.run((self._next_inputs(moving) for _ in range(iter_size)), lr, iteration)

    def shares(self, passed: Passed, now: Due) -> Iterator[tuple[int, Numbers, Blobs]]:
        if any(run.ledger.is_due(now) for run in self.moving.values()):
            self._download()
        numbers = passed.on_device()
        for k in list(self.moving):
            yield k, numbers[:, k], _Share(passed.blobs, k)

    def of_run(self, k: int, records: Iterator[Record]) -> Iterator[Tagged]:
        run = self.alive[k]
        try:
            for record in records:
                yield k, record
        except TrainingError as error:
            for record in run.fail(error):
                if isinstance(record, Failed):
                    del self.alive[k]
                    self.moving.pop(k, None)
                    self._failed.append(f"seed {run.state.seed}: {record.message}")
                yield k, record

    def lacking(self, k: int, run: Training) -> list[str]:
        return [f"seed {run.state.seed}: {problem}" for problem in run.remarks.lacking]

    def _next_inputs(self, states: Mapping[int, TrainingState]) -> Inputs:
        """The next batch of these runs, (K, N, ...). The place in the stack of one that failed, or waits, stays: it has
        another's batch.
        """
        batches = {k: state.train.next_inputs() for k, state in states.items()}
        filler = next(iter(batches.values()))
        each = [batches.get(k, filler) for k in range(len(self.states))]
        return {name: torch.stack([batch[name] for batch in each]) for name in filler}

    def _try_out(self) -> None:
        try:
            self.stack.try_out(self._next_inputs(dict(enumerate(self.states))))
        finally:
            for state in self.states:
                state.train.position = max(0, state.train.position - 1)

    @torch.no_grad()
    def _upload(self) -> None:
        """Weights and history of all runs into the stacked ones."""
        self.stack.upload()
        for i, stacked in enumerate(self.updater.history):
            torch.stack([state.updater.history[i] for state in self.states], out=stacked)

    @torch.no_grad()
    def _download(self) -> None:
        """The stacked weights, history and updates into those of the runs that move, for whoever looks at them."""
        self.stack.download(self.moving)
        for k in self.moving:
            updater = self.states[k].updater
            torch._foreach_copy_(updater.history, [stacked[k] for stacked in self.updater.history])
            if self.updater.keeps_updates:
                torch._foreach_copy_(updater.updates, [stacked[k] for stacked in self.updater.updates])


def _require_alike(states: Sequence[TrainingState]) -> None:
    """Unbatchable unless the runs need nothing but arithmetic between borders."""
    first = states[0]
    for net in (first.net, *(fed.net for fed in first.tests)):
        if net.sinks:
            raise Unbatchable(f"net '{net.name}' writes HDF5 output")
    if first.param.debug_info:
        raise Unbatchable("debug_info looks at one run's passes")
