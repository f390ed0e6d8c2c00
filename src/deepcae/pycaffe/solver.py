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

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from ..errors import Incomplete, SpecError
from ..lazy import torch
from ..proto.read import read_solver
from ..solver import solver as core
from ..solver.clock import Clock
from ..solver.log import log_lines
from ..solver.lr import rate
from ..solver.passes import FedNet
from ..solver.records import LastPass, Record, Step, Test, Warned
from ..solver.smoothing import SmoothedLoss
from . import mode
from .files import existing
from .net import Net
from .python_layer import own_errors
from .sources import Sources

__all__ = [
    "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "NesterovSolver", "RMSPropSolver", "SGDSolver", "Solver",
    "get_solver",
]  # fmt: skip

Callback = Callable[[], object]


class Solver:
    """A training by the text of a file. RuntimeError if it is missing, SpecError with all problems of all texts.

    `net`, `test_nets`: its nets, which share their weights. `param`: its text as a message; what is set there counts
    from the next iteration on. The subclass, not the text, says which of the six updates it makes.
    """

    type: ClassVar[str] = "SGD"

    def __init__(self, param_file: str | Path) -> None:
        with own_errors():
            self._core = core.Solver(
                existing(param_file), overrides=f'type: "{self.type}"', device=mode.device(), seed=_seed(param_file),
                allow_python_layers=True, allow_writes_elsewhere=True, feed=Sources,
            )  # fmt: skip
        self.net = self._open(self._core.train)
        self.test_nets = [self._open(fed) for fed in self._core.tests]
        for net in self.test_nets:
            self.share_weights(net)  # their tensors are one already; now their arrays are, too
        learnable = [i for i, param in enumerate(self._core.net.plan.params) if param.owner is None]
        self._learnable = [self.net._view.params[i] for i in learnable]
        self._callbacks: list[tuple[Callback, Callback]] = []
        self._clock = Clock()

    def _open(self, fed: FedNet) -> Net:
        fed.net.generator = self._core.generator
        assert isinstance(fed.feed, Sources)
        return Net.of(fed.net, fed.feed)

    @property
    def param(self) -> Any:
        """The SolverParameter."""
        return self._core.param

    @property
    def iter(self) -> int:
        """Updates done."""
        return self._core.iteration

    @property
    def lr(self) -> float:
        """The rate of the next update."""
        return rate(self.param, self._core.iteration, self._core.current_step)[0]

    # Training

    def solve(self, resume_file: str | Path | None = None) -> None:
        """Trains until max_iter, from a .solverstate if one is given; then the last snapshot, loss and tests.

        Incomplete, at the end, where the last snapshot cannot be written.
        """
        self._core.remarks.lacking.clear()
        if resume_file is not None:
            self.restore(resume_file)
        self.step(self.param.max_iter - self.iter)
        param = self.param
        self._upload()
        _tell(*self._core.saves.at_end(), *self._core.remarks.take(self.iter))
        if param.display and self.iter % param.display == 0:
            loss = self.net._forward(0, len(self.net.layers) - 1)
            smoothed = self._core.smoothed.add(loss, self.iter)
            _tell(LastPass(self.iter, loss, smoothed, _outputs(self._core.train, self.net)))
        if param.test_interval and self.iter % param.test_interval == 0:
            self._test_all()
        _tell(*self._core.best.flush(last=True))
        if self._core.remarks.lacking:
            raise Incomplete(self._core.remarks.lacking)

    def step(self, n: int = 1) -> None:
        """Takes n iterations in Caffe's order: test, forward and backward, display, update, snapshot."""
        self._core.smoothed = SmoothedLoss(self.param.average_loss, start=self.iter)
        self._clock = Clock()
        for _ in range(n):
            self._iterate()

    def _iterate(self) -> None:
        now, param = self.iter, self.param
        self.net.clear_param_diffs()
        if param.test_interval and now % param.test_interval == 0 and (now or param.test_initialization):
            self._test_all()
        for on_start, _ in self._callbacks:
            on_start()
        with self._clock.step():
            last = len(self.net.layers) - 1
            loss = 0.0
            for _ in range(param.iter_size):
                loss += self.net._forward(0, last) / param.iter_size
                self.net._backward(last, 0)
            smoothed = self._core.smoothed.add(loss, now)
            self._core.best.trained(loss)
            for _, on_gradients_ready in self._callbacks:
                on_gradients_ready()
            lr = self.lr
            self.apply_update()
        if param.display and now % param.display == 0:
            outputs, (seconds, iterations) = _outputs(self._core.train, self.net), self._clock.lap()
            weights = self.net._net.loss_weights
            _tell(Step(now, loss, smoothed, lr, 0.0, True, outputs, weights, seconds, iterations, param.display))
        if param.snapshot and self.iter % param.snapshot == 0:
            self._core.saves.wanted = True
            self._upload()
            _tell(*self._core.saves.if_wanted(), *self._core.remarks.take(self.iter))

    def apply_update(self) -> None:
        """One update of the weights by the diffs of `net.params`, which then hold what was subtracted; `iter` + 1."""
        made, view = self._core, self.net._view
        view.upload()
        made.updater.follow()  # `net` may share another's weights since
        gradients = [blob.diff for blob in self._learnable]
        norm = float(made.updater.norm(gradients))
        lr, made.current_step = rate(self.param, made.iteration, made.current_step)
        made.updater.step(gradients, norm, lr, made.iteration, leave_update=True)
        made.iteration += 1
        for net in (self.net, *self.test_nets):
            net._view.weights_changed()

    def _test_all(self) -> None:
        if self._core.best.wanted:
            self._upload()
        self._core.best.at_border()
        tests = []
        for index, (net, fed) in enumerate(zip(self.test_nets, self._core.tests, strict=True)):
            losses, told = [], []
            for _ in range(self.param.test_iter[index]):
                losses.append(net._forward(0, len(net.layers) - 1))
                told.append(fed.told(net._view.data))
            outputs = fed.named(torch.stack(told).mean(dim=0), net._view.data)
            loss, weights = sum(losses) / len(losses), fed.net.loss_weights
            tests.append(Test(self.iter, index, outputs, loss, weights, self.param.test_compute_loss))
            _tell(tests[-1])
        _tell(*self._core.best.tested(tests))

    def add_callback(self, on_start: Callback, on_gradients_ready: Callback) -> None:
        """Calls the first before each iteration's passes, the second between them and the update."""
        self._callbacks.append((on_start, on_gradients_ready))

    # Weights and files

    def share_weights(self, net: Net) -> None:
        """Lets `net` use this training's weights, layer by layer of equal name."""
        net.share_with(self.net)

    def snapshot(self) -> None:
        """Writes `<snapshot_prefix>_iter_<iter>.caffemodel` and `.solverstate`, seen from the working directory."""
        self._upload()
        _tell(*self._core.best.flush(), self._core.saves.take(), *self._core.remarks.take(self.iter))

    def _upload(self) -> None:
        """What the script sees into the core, whose snapshots hold it."""
        for net, fed in self._fed():
            net._view.upload()
            fed.position = net._sources.position

    def restore(self, state_file: str | Path) -> None:
        """Goes on from a .solverstate (or .solverstate.h5) and the model beside it."""
        for net, fed in self._fed():
            fed.position = net._sources.position
        self._core.restore(existing(state_file))
        for net, fed in self._fed():
            net._sources.position = fed.position
            net._view.weights_changed()
        _tell(*self._core.remarks.take(self.iter))

    def _fed(self) -> list[tuple[Net, FedNet]]:
        return list(zip((self.net, *self.test_nets), (self._core.train, *self._core.tests), strict=True))

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


_SOLVERS = (SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver)


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


def _outputs(fed: FedNet, net: Net) -> Any:
    data = net._view.data
    return fed.named(fed.told(data), data)


def _tell(*records: Record) -> None:
    """Caffe's lines on stderr, where the log's level lets them through."""
    for record in records:
        if mode.shows(mode.WARNING if isinstance(record, Warned) else mode.INFO):
            for line in log_lines(record):
                mode.say(line)
