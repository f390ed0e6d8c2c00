"""The iteration as one CUDA graph: recorded once, then replayed by one call instead of hundreds of kernel launches.

A rate that stays (policies fixed, step, multistep) is recorded with the step, and the step is recorded again when the
rate changes. Where the rate, or Adam's correction, changes at every iteration, the passes are replayed and the update
is launched behind them. Either way the kernels are those of the plain step, in its order.

A net that draws random numbers, or that looks at the device's values on the host (labels, Filter, Python code), is left
to the plain step; so is one that CUDA refuses to record.

Not tried on a GPU so far: its tests put a recorder of their own in place of CUDA's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import torch

from .iteration import Arithmetic, Inputs, Passed

WARM_UP = 3  # iterations, so that libraries have chosen their ways and allocated their memory
STEADY = ("fixed", "step", "multistep")  # policies whose rate stays for many iterations
_SYNCHRONIZES = "called a synchronizing CUDA operation"

Work = Callable[[], Passed]


class Recorder(Protocol):
    """What records a device's work: CUDA's graphs."""

    def warm_up(self, work: Work) -> tuple[Passed, bool]:
        """Does the work as it will be recorded; and whether the host waited for the device in it."""

    def record(self, work: Work) -> Work:
        """Records the work without doing it. What it gives does it again, into the same memory. RuntimeError."""


class CudaRecorder:
    """CUDA's graphs: warming up and recording on one side stream, as torch asks for."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)

    def warm_up(self, work: Work) -> tuple[Passed, bool]:
        """Torch's synchronization debug mode tells of waits."""
        outside, before = torch.cuda.current_stream(self.stream.device), torch.cuda.get_sync_debug_mode()
        self.stream.wait_stream(outside)
        with warnings.catch_warnings(record=True) as caught, torch.cuda.stream(self.stream):
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                passed = work()
            finally:
                torch.cuda.set_sync_debug_mode(before)
        outside.wait_stream(self.stream)
        return passed, any(_SYNCHRONIZES in str(warning.message) for warning in caught)

    def record(self, work: Work) -> Work:
        """Other threads may go on with their copies meanwhile."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
            passed = work()

        def replay() -> Passed:
            graph.replay()
            return passed

        return replay


class Captured:
    """An iteration that nobody looks into, replayed. `refused`: why it is not, once that is known."""

    def __init__(self, step: Arithmetic, recorder: Recorder) -> None:
        self.step, self.recorder = step, recorder
        self.refused = ""
        param = step.passes.updater.param
        self._whole = param.lr_policy in STEADY and param.type != "Adam"  # the update recorded, too
        self._warm = 0
        self._static: list[dict[str, torch.Tensor]] = []  # the inputs' places in the recorded step
        self._replay: Work | None = None
        self._rate = 0.0

    def run(self, batches: Iterable[Inputs], rate: float, iteration: int) -> Passed:
        """As `Arithmetic.run`. What it gives lies in memory that the next call writes over."""
        given = list(batches)
        if self._warm < WARM_UP and not self.refused:
            return self._warm_up(given, rate, iteration)
        if self.refused or not self._is_ready(given, rate, iteration):
            return self.step.run(given, rate, iteration)
        assert self._replay is not None
        for static, inputs in zip(self._static, given, strict=True):
            for name, tensor in inputs.items():
                static[name].copy_(tensor)
        passed = self._replay()
        if not self._whole:
            self.step.passes.update(passed, rate, iteration)
        return passed

    def _warm_up(self, given: Sequence[Inputs], rate: float, iteration: int) -> Passed:
        generator = self.step.generator
        before = generator.get_state() if generator is not None else None
        passed, waited = self.recorder.warm_up(lambda: self.step.run(given, rate, iteration))
        self._warm += 1
        if generator is not None and before is not None and not torch.equal(before, generator.get_state()):
            self.refused = "a layer draws random numbers"
        elif waited and self._warm == WARM_UP:
            self.refused = "a layer looks at the device's values in between"
        return passed

    def _is_ready(self, given: Sequence[Inputs], rate: float, iteration: int) -> bool:
        """Whether a recorded step fits this iteration; records one if none does."""
        if self._replay is None or (self._whole and rate != self._rate):
            self._record(given, rate, iteration)
        shapes = [{name: tensor.shape for name, tensor in inputs.items()} for inputs in given]
        return not self.refused and shapes == [{n: t.shape for n, t in inputs.items()} for inputs in self._static]

    def _record(self, given: Sequence[Inputs], rate: float, iteration: int) -> None:
        self._replay = None  # frees the memory of the one before
        static = [{name: torch.empty_like(tensor) for name, tensor in inputs.items()} for inputs in given]
        self._static, self._rate = static, rate

        def work() -> Passed:
            if self._whole:
                return self.step.run(static, rate, iteration)
            return self.step.gradients(static, iteration)

        try:
            self._replay = self.recorder.record(work)
        except RuntimeError as error:
            self.refused = str(error).splitlines()[0]
            self.step.passes.updater.clear_gradients()
