"""`caffe.SGDSolver` and its five siblings: training in a script's own loop, with everything of an iteration open.

    solver = caffe.SGDSolver("solver.prototxt")
    for _ in range(100):
        solver.step(1)
        print(solver.net.blobs["loss"].data, solver.test_nets[0].forward()["accuracy"])

Texts, nets, updates, rates and files are those of `deepcae.solver`; here the nets run layer by layer, so that after an
iteration their blobs and diffs show it. As in Caffe a parameter's diff then holds what was subtracted from it, and a
loss that is not finite ends nothing. Source: Caffe's solver.cpp, sgd_solver.cpp, _caffe.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from ..errors import Incomplete, SpecError
from ..lazy import torch
from ..proto.read import read_solver
from ..solver import solver as core
from ..solver.iteration import Arithmetic
from ..solver.log import log_lines
from ..solver.loop import Loop, of_one
from ..solver.lr import rate
from ..solver.records import Record, Warned, WarningKind
from ..solver.snapshot import find
from . import mode
from .files import existing
from .net import Net
from .passes import LayerByLayer, Shown
from .python_layer import own_errors
from .sources import Sources

__all__ = [
    "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "MuonSolver", "NesterovSolver", "RMSPropSolver", "SGDSolver",
    "Solver", "get_solver",
]  # fmt: skip

Callback = Callable[[], object]


class Solver:
    """A training by the text of a file. RuntimeError if it is missing, SpecError with all problems of all texts.

    `net`, `test_nets`: its nets, which share their weights. `param`: its text as a message; what is set there counts
    from the next iteration on. The subclass, not the text, says which of the updates it makes.
    """

    type: ClassVar[str] = "SGD"

    def __init__(self, param_file: str | Path) -> None:
        with own_errors():
            made = core.Solver(
                existing(param_file), overrides=f'type: "{self.type}"', device=mode.device(), seed=_seed(param_file),
                allow_python_layers=True, allow_writes_elsewhere=True, feed=Sources,
            )  # fmt: skip
        self._training, self._state = made.training, made.state
        state = self._state
        state.guard.every = 0  # a script looks for itself, and a loss that is not finite ends nothing
        train, *tests = (Shown(fed, state.generator) for fed in (state.train, *state.tests))
        state.train, state.tests = train, list(tests)
        self.net, self.test_nets = train.shown, [fed.shown for fed in tests]
        for net in self.test_nets:
            self.share_weights(net)  # their tensors are one already; now their arrays are, too
        self._callbacks: list[tuple[Callback, Callback]] = []
        self._passes = LayerByLayer(self.net, self.test_nets, state.updater, self._on_start)
        arithmetic = Arithmetic(
            self._passes, state.generator, look=lambda *_: None, reduce=lambda _: self._on_gradients_ready()
        )
        self._loop = Loop({0: self._training}, arithmetic)

    @property
    def param(self) -> Any:
        """The SolverParameter."""
        return self._state.param

    @property
    def iter(self) -> int:
        """Updates done."""
        return self._state.iteration

    @property
    def lr(self) -> float:
        """The rate of the next update."""
        return rate(self.param, self.iter, self._state.current_step)[0]

    # Training

    def solve(self, resume_file: str | Path | None = None) -> None:
        """Trains until max_iter, from a .solverstate if one is given; then the last snapshot, loss and tests.

        Incomplete, at the end, where the last snapshot cannot be written.
        """
        training = self._training
        training.remarks.lacking.clear()
        if resume_file is not None:
            self.restore(resume_file)
        self.step(self.param.max_iter - self.iter)
        self._passes.upload()
        self._tell(training.end())
        self._tell(training.tests.look_back())
        self._tell(training.best.flush(last=True))
        if training.remarks.lacking:
            raise Incomplete(training.remarks.lacking)

    def step(self, n: int = 1) -> None:
        """Takes n iterations in Caffe's order: test, forward and backward, display, update, snapshot."""
        self._training.begin()
        for _ in range(n):
            self._passes.upload()
            self._tell(of_one(self._loop.iterate()))

    def apply_update(self) -> None:
        """One update of the weights by the diffs of `net.params`, which then hold what was subtracted; `iter` + 1."""
        state, passed = self._state, self._passes.passed()
        passed.norm = float(state.updater.norm(passed.gradients))
        lr, state.current_step = rate(self.param, self.iter, state.current_step)
        self._passes.update(passed, lr, self.iter)
        state.iteration += 1

    def add_callback(self, on_start: Callback, on_gradients_ready: Callback) -> None:
        """Calls the first before each iteration's passes, the second between them and the update."""
        self._callbacks.append((on_start, on_gradients_ready))

    def _on_start(self) -> None:
        for on_start, _ in self._callbacks:
            on_start()

    def _on_gradients_ready(self) -> None:
        for _, on_gradients_ready in self._callbacks:
            on_gradients_ready()
        self._passes.upload()

    # Weights and files

    def share_weights(self, net: Net) -> None:
        """Lets `net` use this training's weights, layer by layer of equal name."""
        net.share_with(self.net)

    def snapshot(self) -> None:
        """Writes `<snapshot_prefix>_iter_<iter>.caffemodel` and `.solverstate`, seen from the working directory."""
        self._passes.upload()
        self._tell(self._training.best.flush())
        self._tell([self._training.saves.take()])

    def restore(self, state_file: str | Path) -> None:
        """Goes on from a .solverstate (or .solverstate.h5) and the model beside it."""
        self._training.restore(find(existing(state_file), self._training.remarks.noter(WarningKind.FILES)))
        self._passes.weights_changed()
        self._tell([])

    def _tell(self, records: Iterable[Record]) -> None:
        """Caffe's lines on stderr, where the log's level lets them through; behind them what there is to remark."""
        for record in chain(records, self._training.remarks.take(self.iter)):
            if mode.shows(mode.WARNING if isinstance(record, Warned) else mode.INFO):
                for line in log_lines(record):
                    mode.say(line)

    def __repr__(self) -> str:
        return f"<caffe.{self.type}Solver of net '{self.net.name}' at iteration {self.iter}>"


class SGDSolver(Solver):
    """h ← μh + ηg;  Δ = h."""

    type = "SGD"


class NesterovSolver(Solver):
    """h' = μh + ηg;  Δ = (1+μ)h' − μh."""

    type = "Nesterov"


class AdaGradSolver(Solver):
    """h ← h + g²;  Δ = ηg / (√h + ε)."""

    type = "AdaGrad"


class RMSPropSolver(Solver):
    """h ← ρh + (1−ρ)g²;  Δ = ηg / (√h + ε)."""

    type = "RMSProp"


class AdaDeltaSolver(Solver):
    """Steps in the ratio of two running roots; see `solver.update`."""

    type = "AdaDelta"


class AdamSolver(Solver):
    """Steps by running moments with bias correction; see `solver.update`."""

    type = "Adam"


class MuonSolver(Solver):
    """Momentum whose every direction is made equally long; see `solver.muon`. Of deepcae alone."""

    type = "Muon"


_SOLVERS = (SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver, MuonSolver)


def get_solver(param_file: str | Path) -> Solver:
    """The solver of the type that the text gives."""
    kind = read_solver(existing(param_file)).message.type
    made = next((solver for solver in _SOLVERS if solver.type == kind), None)
    if made is None:
        raise SpecError(
            f"{param_file}: type '{kind}' is unknown; it must be one of {', '.join(s.type for s in _SOLVERS)}"
        )
    return made(param_file)


def _seed(param_file: str | Path) -> int | None:
    """None where the text gives one, else a number from the process's random stream."""
    if read_solver(param_file).message.random_seed >= 0:
        return None
    return int(torch.randint(2**31, (), generator=mode.generator()))
