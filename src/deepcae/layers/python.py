"""Layers that a user wrote in Python, in the form that Caffe gave them. Their code runs only where it is allowed.

    class Double(caffe.Layer):
        def setup(self, bottom, top): ...                       # once; self.param_str, self.phase, self.blobs
        def reshape(self, bottom, top): top[0].reshape(*bottom[0].shape)
        def forward(self, bottom, top): top[0].data[...] = 2 * bottom[0].data
        def backward(self, top, propagate_down, bottom): bottom[0].diff[...] = 2 * top[0].diff

`python_param { module: "doubling" layer: "Double" }` names it: whoever loads such a text runs that module. Source:
Caffe's python_layer.hpp.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from ..alias import install
from ..errors import LayerError
from .base import Arity, Context, Layer, Learned, Shape
from .limits import require_blob

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

FLAG = "--allow-python-layers"
_allowed: ContextVar[bool] = ContextVar("python layers are allowed", default=False)
_FAULTS = (Exception, SystemExit)  # of the code: its sys.exit() would end a command with the code of a good end
_raised: ContextVar[list[BaseException] | None] = ContextVar("what the code of python layers raised", default=None)


@contextmanager
def python_layers(allowed: bool) -> Iterator[None]:
    """Whether nets that are made here may run the code their texts name; what was allowed outside stays allowed."""
    token = _allowed.set(allowed or _allowed.get())
    try:
        yield
    finally:
        _allowed.reset(token)


@contextmanager
def errors_of_code() -> Iterator[list[BaseException]]:
    """Collects what the code of such layers raises, beside the LayerErrors that tell of it."""
    found: list[BaseException] = []
    token = _raised.set(found)
    try:
        yield found
    finally:
        _raised.reset(token)


class ArrayBlob:
    """What a layer in Python sees of a blob: `data` and `diff`, float32 arrays in its shape."""

    def __init__(self, shape: Shape = ()) -> None:
        self._data: np.ndarray = _zeros(shape)
        self._diff: np.ndarray | None = None

    @property
    def data(self) -> np.ndarray:
        return self._data

    @property
    def diff(self) -> np.ndarray:
        if self._diff is None:
            self._diff = _zeros(self.shape)
        return self._diff

    @property
    def shape(self) -> Shape:
        return tuple(self.data.shape)

    def reshape(self, *shape: int) -> None:
        """Another shape; the values stay if their number does, else they begin anew with zeros."""
        wanted = tuple(int(dim) for dim in shape)
        if wanted == self.shape:
            return
        if math.prod(wanted) == self.count:
            self.show(self.data.reshape(wanted), None if self._diff is None else self._diff.reshape(wanted))
        else:
            self.show(_zeros(wanted))

    def show(self, data: np.ndarray, diff: np.ndarray | None = None) -> None:
        """Stands for these arrays from now on; without `diff` for one of zeros."""
        self._data, self._diff = data, diff

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    num = property(lambda self: self._legacy(0))
    channels = property(lambda self: self._legacy(1))
    height = property(lambda self: self._legacy(2))
    width = property(lambda self: self._legacy(3))

    def _legacy(self, axis: int) -> int:
        """One of the four axes of old; 1 where there are fewer. ValueError where there are more."""
        if len(self.shape) > 4:
            raise ValueError(f"num, channels, height and width are for up to 4 axes; the shape is {list(self.shape)}")
        return self.shape[axis] if axis < len(self.shape) else 1


def _zeros(shape: Shape) -> np.ndarray:
    require_blob(shape)
    import numpy as np  # `deepcae check` of a text without such layers does without

    return np.zeros(shape, np.float32)


class BlobVec(list[Any]):
    """The learned blobs of a layer."""

    def add_blob(self, *shape: int) -> None:
        """One more, of zeros; `self.blobs[-1].data[...] = …` in `setup` gives its initial values."""
        self.append(ArrayBlob(tuple(int(dim) for dim in shape)))


class PythonLayer:
    """The base of layers written in Python: `caffe.Layer`."""

    type: str = "Python"
    param_str: str = ""
    phase: int = 0
    blobs: BlobVec

    def __init__(self, param: Any = None, *_: Any) -> None:
        self.param = param
        self.blobs = BlobVec()


class Python(Layer):
    """tops = what `python_param.layer` of `python_param.module` makes of the bottoms; its gradient is its `backward`.

    Arrays of bottoms and parameters are the net's own on the CPU. Source: Caffe python_layer.hpp.
    """

    type: ClassVar[str] = "Python"
    runs_code: ClassVar[bool] = True
    bottoms: ClassVar[Arity] = (0, None)
    tops: ClassVar[Arity] = (0, None)
    in_place: ClassVar[bool] = True
    reads_top: bool = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings = param.python_param
        at = "python_param" if param.HasField("python_param") else ""
        if not settings.module or not settings.layer:
            raise LayerError("python_param must name a module and a layer, the class in it", at)
        self.label = f"{settings.module}.{settings.layer}"
        if not _allowed.get():
            sentence = f"would run the Python code of '{self.label}'; if you trust it, give {FLAG}"
            raise LayerError(f"{sentence} (in Python allow_python_layers=True)", at)
        self.written: Any = None  # the user's object
        self.bottom: list[ArrayBlob] = [ArrayBlob() for _ in param.bottom]
        places = {name: k for k, name in enumerate(param.bottom)}
        self.top: list[ArrayBlob] = [
            self.bottom[places[name]] if name in places else ArrayBlob((0,)) for name in param.top
        ]

    def _class(self) -> Callable[[Any], Any]:
        install()  # its module says `import caffe`
        settings = self.param.python_param
        try:
            made: Callable[[Any], Any] = getattr(importlib.import_module(settings.module), settings.layer)
        except _FAULTS as error:
            why = f"{type(error).__name__}: {error}"
            where = "; modules are looked for on PYTHONPATH" if isinstance(error, ModuleNotFoundError) else ""
            raise LayerError(f"'{self.label}' cannot be loaded: {why}{where}", "python_param") from error
        return made

    def _require(self, made: Any, *needed: str) -> None:
        lacking = [name for name in ("setup", "reshape", "forward") if not callable(getattr(made, name, None))]
        if set(needed) & set(lacking):
            raise LayerError(f"'{self.label}' lacks {', '.join(lacking)}", "python_param.layer")

    def _call(self, method: str, *arguments: Any) -> None:
        try:
            getattr(self.written, method)(*arguments)
        except _FAULTS as error:
            raise self._failed(f"failed in {method}", error) from error

    def _failed(self, what: str, error: BaseException) -> LayerError:
        found = _raised.get()
        if found is not None:
            found.append(error)
        return LayerError(f"'{self.label}' {what}: {type(error).__name__}: {error}", "python_param")

    def _set_up(self, bottoms: Sequence[Shape]) -> None:
        """Shows the bottoms' shapes; the first time also makes the user's object, as Caffe does."""
        for blob, shape in zip(self.bottom, bottoms, strict=True):
            if blob.shape != tuple(shape):
                blob.show(_zeros(shape))
        if self.written is not None:
            return
        made = self._class()
        self._require(made, "setup")
        try:
            self.written = made(self.param)
        except _FAULTS as error:
            raise self._failed("cannot be made", error) from error
        self.written.param_str, self.written.phase = self.param.python_param.param_str, self.phase
        self.written.blobs = BlobVec()
        self._call("setup", self.bottom, self.top)
        self._require(self.written, "reshape", "forward")  # which setup may have given it

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        self._set_up(bottoms)
        return [Learned(blob.shape, initial=blob.data) for blob in self.written.blobs]

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self._set_up(bottoms)
        self._call("reshape", self.bottom, self.top)
        return [blob.shape for blob in self.top]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> Sequence[Tensor]:
        self._set_up([tuple(bottom.shape) for bottom in bottoms])
        from ..kernels.arrays import through_arrays  # loads torch

        return through_arrays(self._run, self._run_back, [*bottoms, *params])

    def standing(
        self, bottoms: Sequence[Tensor], params: Sequence[Tensor], tops: Sequence[Tensor], context: Context
    ) -> Sequence[Tensor]:
        """The tops as they are: `backward` alone runs."""
        self._set_up([tuple(bottom.shape) for bottom in bottoms])
        from ..kernels.arrays import through_arrays

        values = [top.detach().cpu().numpy().copy() for top in tops]
        return through_arrays(lambda arrays: values, self._run_back, [*bottoms, *params])

    def _run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The tops' arrays, new ones in every pass: what the last one gave may still be needed."""
        _show([*self.bottom, *self.written.blobs], arrays)
        _show(self.top, [blob.data.copy() for blob in self.top])  # in place: a bottom's, which stays as it is
        self._call("reshape", self.bottom, self.top)
        self._call("forward", self.bottom, self.top)
        return [blob.data for blob in self.top]

    def _run_back(
        self, arrays: Sequence[np.ndarray], top_diffs: Sequence[np.ndarray], wanted: list[bool]
    ) -> list[np.ndarray]:
        """The diffs of bottoms and parameters, over the arrays of the forward pass: bottoms, parameters, tops."""
        if not callable(getattr(self.written, "backward", None)):
            raise LayerError(f"'{self.label}' has no backward; a backward pass through it is not possible")
        inputs = [*self.bottom, *self.written.blobs]
        _show(inputs, arrays[: len(inputs)])
        for blob, data, diff in zip(self.top, arrays[len(inputs) :], top_diffs, strict=True):
            blob.show(data, diff)
        self._call("backward", self.top, wanted[: len(self.bottom)], self.bottom)
        return [blob.diff for blob in inputs]


def _show(blobs: Sequence[ArrayBlob], arrays: Sequence[np.ndarray]) -> None:
    for blob, values in zip(blobs, arrays, strict=True):
        blob.show(values)
