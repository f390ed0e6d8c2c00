"""Several trainings of one text that differ in their seeds alone: S, S+1, … each with a folder `seed-S` of its own.

    solvers = [Solver(text, out=folder_of("runs/cae1", seed), seed=seed) for seed in (1, 2, 3)]
    for k, record in Together(solvers).solve():
        print(solvers[k].seed, record)

`Together` computes them as one program: all learned blobs and their history stacked, one pass and one update for all.
What each run tells and leaves is what it would alone, up to rounding; tests, snapshots, logs are each solver's own.
Runs that a kill or a failed write left at different iterations go on from there: those furthest back catch up first, in
the same stack, so that each ends with the very bits of runs that nothing disturbed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from ..errors import Incomplete, SpecError, TrainingError
from ..net.graph import build_graph
from ..net.sinks import written_by_all
from ..net.stack import Stack, Unbatchable
from ..proto.document import Document
from .capture import Captured, CudaRecorder, Recorder
from .iteration import Inputs, Passes, Unattended
from .ledger import MOST_WAITING
from .lr import rate
from .nets import choose_nets
from .records import Failed, Record
from .solver import Solver
from .update import Updater

LEAST_RUNS = 3  # of which the paper asks for the same convergence
SAME_LEVEL = 0.05  # greatest less least loss, as a share of their mean, that counts as one level

Tagged = tuple[int, Record]  # of which run


def require_apart(document: Document, folders: Sequence[Path], runs: int) -> None:
    """SpecError where runs of this solver text would write into one another's files."""
    train, tests = choose_nets(document, folders)
    graphs = [build_graph(each.document, each.phase, each.level, each.stages) for each in (train, *tests)]
    if problems := list(written_by_all(graphs, runs)):
        raise SpecError(dict.fromkeys(problems))


def folder_of(out: Path, seed: int) -> Path:
    """The run's folder among those of its siblings."""
    return out / f"seed-{seed}"


class _Share(Mapping[str, torch.Tensor]):
    """One run's blobs of the stacked ones."""

    def __init__(self, blobs: Mapping[str, torch.Tensor], k: int) -> None:
        self._blobs, self._k = blobs, k

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._blobs[name][self._k]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)


class Together:
    """Trainings as one program. Unbatchable where that cannot be: they are trained one by one, then.

    `recorder`: what makes one call of an iteration (default: on a GPU CUDA's graphs, elsewhere nothing).
    """

    def __init__(self, solvers: Sequence[Solver], recorder: Recorder | None = None) -> None:
        self.solvers, first = list(solvers), solvers[0]
        self._require_alike()
        self.stack = Stack([solver.net for solver in solvers], rounds=first.precision == "bf16")
        self.updater = Updater(first.param, self.stack.learnable)
        self._try_out()
        for solver in solvers:
            solver.ledger.lag = MOST_WAITING
            solver.company.size = len(self.solvers)
        device = first.net.device
        passes = Passes(self.stack, self.updater, device, first.precision)
        step = Unattended(passes, first.param, None)
        if recorder is None and device.type == "cuda":
            recorder = CudaRecorder(device)
        self._step = step if recorder is None else Captured(step, recorder)
        self._alive = dict(enumerate(self.solvers))
        self._moving: dict[int, Solver] = {}  # those of them that stand furthest back; the others wait for these
        self._stop = self._snapshot_wanted = False

    def request_stop(self) -> None:
        """Stops all after this iteration, with their snapshots. (Asked of one solver, it could come between the step
        and the copy of its weights.)
        """
        self._stop = True

    def request_snapshot(self) -> None:
        """Takes a snapshot of all after the next iteration."""
        self._snapshot_wanted = True

    def solve(self) -> Iterator[Tagged]:
        """Trains all until max_iter, with the number of the run beside each record.

        A run with a value that is not finite ends with `Failed`, the others go on; TrainingError when they are done.
        Incomplete, after the last record, where something could not be written that a run should leave.
        """
        with ExitStack() as stack:
            files = [stack.enter_context(solver.opened()) for solver in self.solvers]
            for k, record in self._solve():
                for each in files[k].keep(record):
                    yield k, each
        lacking = [f"seed {solver.seed}: {problem}" for solver in self.solvers for problem in solver.remarks.lacking]
        if lacking:
            raise Incomplete(lacking)

    def _solve(self) -> Iterator[Tagged]:
        began, failed = time.perf_counter(), list[str]()

        def told(part: Iterator[Tagged]) -> Iterator[Tagged]:
            for k, record in part:
                if isinstance(record, Failed):
                    del self._alive[k]
                    self._moving.pop(k, None)
                    failed.append(f"seed {self.solvers[k].seed}: {record.message}")
                yield k, record

        yield from told(self._each(self._alive, lambda solver: solver.start()))
        while self._goes_on():
            self._gather()
            yield from told(self._iterate())
        self._download()
        yield from told(self._each(self._alive, lambda solver: solver.end()))
        yield from told(self._each(self._alive, lambda solver: solver.finish(began)))
        if failed:
            raise TrainingError("; ".join(failed))

    def _goes_on(self) -> bool:
        """Whether there is an iteration to make; a stop of one is a stop of all, as is its absence of data."""
        alive = self._alive.values()
        return any(s.iteration < s.param.max_iter for s in alive) and not any(s.is_stopping for s in alive)

    def _gather(self) -> None:
        """Lets those move that stand furthest back, until they are with the next.

        All of the stack is computed meanwhile, as the last bits may hang on its size; what comes of those that wait is
        not looked at: their solvers keep what they are.
        """
        furthest_back = min(solver.iteration for solver in self._alive.values())
        moving = {k: solver for k, solver in self._alive.items() if solver.iteration == furthest_back}
        if moving.keys() != self._moving.keys():
            self._download()
            self._moving = moving
            self._upload()

    def _iterate(self) -> Iterator[Tagged]:
        self._pass_on()  # before the tests: a resumed run makes those of the iteration where it was stopped
        if any(solver.is_stopping for solver in self.solvers):
            return
        yield from self._each(self._moving, lambda solver: solver.test_if_due())
        first = next(iter(self._moving.values()), None)
        if first is None:
            return
        now = first.iteration
        lr, step = rate(first.param, now, first.current_step)
        with ExitStack() as timed:
            for solver in self._moving.values():
                timed.enter_context(solver.clock.step())
            passed = self._step.run((self._next_inputs(self._moving) for _ in range(first.param.iter_size)), lr, now)
        if any(solver.ledger.is_due(ahead=1) for solver in self._moving.values()):
            self._download()
        told = passed.told
        for k, solver in list(self._moving.items()):
            blobs = _Share(passed.blobs, k)
            yield from self._guarded(k, solver.account(told[:, k], blobs, lr, step))

    def _pass_on(self) -> None:
        """What was asked of all to each of them."""
        for solver in self.solvers:
            if self._stop:
                solver.request_stop()
            if self._snapshot_wanted:
                solver.request_snapshot()
        self._stop = self._snapshot_wanted = False

    def _each(self, runs: Mapping[int, Solver], part: Any) -> Iterator[Tagged]:
        """The records of a part of the training, of these runs."""
        for k, solver in list(runs.items()):
            yield from self._guarded(k, part(solver))

    def _guarded(self, k: int, records: Iterator[Record]) -> Iterator[Tagged]:
        try:
            for record in records:
                yield k, record
        except TrainingError as error:
            for record in self.solvers[k].fail(error):
                yield k, record

    def _next_inputs(self, runs: Mapping[int, Solver]) -> Inputs:
        """The next batch of these runs, (K, N, ...). The place in the stack of one that failed, or waits, stays: it has
        another's batch.
        """
        batches = {k: solver.train.next_inputs() for k, solver in runs.items()}
        filler = next(iter(batches.values()))
        each = [batches.get(k, filler) for k in range(len(self.solvers))]
        return {name: torch.stack([batch[name] for batch in each]) for name in filler}

    def _try_out(self) -> None:
        try:
            self.stack.try_out(self._next_inputs(dict(enumerate(self.solvers))))
        finally:
            for solver in self.solvers:
                solver.train.position = max(0, solver.train.position - 1)

    def _require_alike(self) -> None:
        """Unbatchable unless the runs need nothing but arithmetic between borders."""
        first = self.solvers[0]
        for net in (first.net, *first.test_nets):
            if net.sinks:
                raise Unbatchable(f"net '{net.name}' writes HDF5 output")
        if first.param.debug_info:
            raise Unbatchable("debug_info looks at one run's passes")

    @torch.no_grad()
    def _upload(self) -> None:
        """Weights and history of all solvers into the stacked ones."""
        self.stack.upload()
        for i, stacked in enumerate(self.updater.history):
            torch.stack([solver.updater.history[i] for solver in self.solvers], out=stacked)

    @torch.no_grad()
    def _download(self) -> None:
        """The stacked weights, history and updates into those of the solvers that move, for whoever looks at them."""
        self.stack.download(self._moving)
        for k, solver in self._moving.items():
            torch._foreach_copy_(solver.updater.history, [stacked[k] for stacked in self.updater.history])
            if self.updater.keeps_updates:
                torch._foreach_copy_(solver.updater.updates, [stacked[k] for stacked in self.updater.updates])


# What several runs are worth together


def statistics(tests: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Of each output the mean, sample standard deviation (0 of one run), least and greatest over the runs."""
    found = {}
    for name in tests[0] if tests else ():
        values = [test[name] for test in tests if name in test]
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else 0.0
        found[name] = {"mean": mean, "std": spread, "least": min(values), "greatest": max(values)}
    return found


def verdict(losses: Sequence[Mapping[str, float]], stuck: Sequence[int], missing: int = 0) -> tuple[bool | None, str]:
    """Whether the training is stable, as the paper means it, and why in a sentence. None: that cannot be told.

    Stable: of at least three runs each has come to its end, none stopped learning on the way by the guard's judgement,
    and each loss of the test (`losses`, one mapping per run) lies within 5 % of the mean from the least to the
    greatest. Source: the paper, section 3, requirement 6 ("the same convergence results within several (at least three)
    runs of the same model"), which leaves open what is the same.
    """
    if missing:
        return False, f"{missing} of the runs did not come to its end"
    if stuck:
        return False, f"seed {', '.join(map(str, stuck))} stopped learning"
    if len(losses) < LEAST_RUNS:
        return None, f"the verdict needs at least {LEAST_RUNS} runs"
    if not losses[0]:
        return None, "the verdict needs a test net with a loss"
    figures = statistics(losses)
    spreads = {n: (f["greatest"] - f["least"]) / abs(f["mean"]) if f["mean"] else 0.0 for n, f in figures.items()}
    name, worst = max(spreads.items(), key=lambda item: item[1] if math.isfinite(item[1]) else math.inf)
    return worst <= SAME_LEVEL, f"'{name}' differs by {100 * worst:.2g} % between the runs ({100 * SAME_LEVEL:g} % may)"
