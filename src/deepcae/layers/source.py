"""Layers that bring blobs in from outside: files, arrays, fillers. Checked here, fed by the data package.

Their tops are the graph's declared inputs, so none of them has a forward pass. Where the text says the shapes (Input,
DummyData, MemoryData) `shapes([])` gives them; where a file does, the plan asks the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from .base import Arity, Context, Layer, Shape
from .filler import check_filler

if TYPE_CHECKING:
    from torch import Tensor


class _Source(Layer):
    bottoms: ClassVar[Arity] = (0, 0)
    is_source: ClassVar[bool] = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        raise LayerError(f"the shapes of a {self.type} layer are in its file, not in the text")

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        raise LayerError(f"a {self.type} layer computes nothing: its tops are fed from outside")


def _require_source_and_batch(settings: Any, at: str) -> None:
    if not settings.source:
        raise LayerError(
            "source is missing: it names the file to read", f"{at}.source" if settings.HasField("source") else at
        )
    if settings.batch_size < 1:
        raise LayerError(
            "batch_size must be at least 1" + ("" if settings.HasField("batch_size") else ", it is missing"),
            f"{at}.batch_size" if settings.HasField("batch_size") else at,
        )


def _check_stated(param: Any, batch: int) -> None:
    """LayerError for shapes that no data can have."""
    shapes = param.input_param.shape
    if len(shapes) > len(param.top):
        raise LayerError(f"input_param states {len(shapes)} shapes of {len(param.top)} top(s)", "input_param.shape")
    for index, shape in enumerate(shapes):
        if not shape.dim or shape.dim[0] not in (0, batch) or min(shape.dim[1:], default=1) < 1:
            raise LayerError(
                f"a shape is stated as dim: 0 (or {batch}, the batch), then dims of at least 1, not {list(shape.dim)}",
                f"input_param.shape.{index}",
            )


def _check_transform(param: Any) -> None:
    settings = param.transform_param
    if settings.HasField("mean_file") and settings.mean_value:
        raise LayerError("give mean_file or mean_value, not both", "transform_param.mean_file")
    if settings.force_color and settings.force_gray:
        raise LayerError("force_color and force_gray cannot both be true", "transform_param.force_gray")


class _FromFile(_Source):
    """Batches of the rows of a file that the settings name."""

    reads_file: ClassVar[bool] = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        message = self.file_field.split(".")[0]
        self.settings = getattr(param, message)
        _require_source_and_batch(self.settings, message)
        _check_stated(param, self.settings.batch_size)
        _check_transform(param)

    @property
    def stated(self) -> list[Shape]:
        """Those of input_param, which Caffe reads past in these layers; dim 0 of the batch is its batch_size."""
        return [(self.batch_size, *shape.dim[1:]) for shape in self.param.input_param.shape]

    @property
    def batch_size(self) -> int:
        return int(self.settings.batch_size)


class HDF5Data(_FromFile):
    """Rows of HDF5 datasets named like the tops, from the files of a list file. Source: Caffe hdf5_data_layer.cpp."""

    type: ClassVar[str] = "HDF5Data"
    tops: ClassVar[Arity] = (1, None)
    file_field: ClassVar[str] = "hdf5_data_param.source"


class Data(_FromFile):
    """Datum records of an LMDB or LevelDB folder: data (B, C, H, W), label (B). Source: Caffe data_layer.cpp."""

    type: ClassVar[str] = "Data"
    tops: ClassVar[Arity] = (1, 2)
    file_field: ClassVar[str] = "data_param.source"


class ImageData(_FromFile):
    """Images and labels of a list file: data (B, C, H, W), label (B). Source: Caffe image_data_layer.cpp."""

    type: ClassVar[str] = "ImageData"
    tops: ClassVar[Arity] = (2, 2)
    file_field: ClassVar[str] = "image_data_param.source"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        height, width = self.settings.new_height, self.settings.new_width
        if (height > 0) != (width > 0):
            raise LayerError(
                f"give new_height and new_width both or neither, not {height} and {width}",
                "image_data_param.new_height" if height else "image_data_param.new_width",
            )


class MemoryData(_Source):
    """Arrays of the caller: data (B, C, H, W), label (B). Source: Caffe memory_data_layer.cpp."""

    type: ClassVar[str] = "MemoryData"
    tops: ClassVar[Arity] = (2, 2)

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings = param.memory_data_param
        for name in ("batch_size", "channels", "height", "width"):
            if getattr(settings, name) < 1:
                at = f"memory_data_param.{name}" if settings.HasField(name) else "memory_data_param"
                raise LayerError(f"{name} must be given and at least 1", at)
        _check_transform(param)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        settings = self.param.memory_data_param
        data = (settings.batch_size, settings.channels, settings.height, settings.width)
        return [data, (settings.batch_size,)]


def _dims(blob_shape: Any, at: str) -> Shape:
    dims = tuple(blob_shape.dim)
    if min(dims, default=1) < 1:
        raise LayerError(f"every dim must be at least 1, but the shape is {list(dims)}", f"{at}.dim")
    return dims


class Input(_Source):
    """Blobs that the caller sets, of the shapes in input_param. Source: Caffe input_layer.cpp."""

    type: ClassVar[str] = "Input"
    fed_by_caller: ClassVar[bool] = True
    tops: ClassVar[Arity] = (1, None)

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        given = len(param.input_param.shape)
        if given not in (0, 1, len(param.top)):
            raise LayerError(
                f"give shape once, or once per top ({len(param.top)} here), not {given} times", "input_param.shape"
            )

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        given = [_dims(shape, f"input_param.shape.{index}") for index, shape in enumerate(self.param.input_param.shape)]
        if not given:
            raise LayerError("its shape is not known: give input_param { shape { dim: ... } }", "input_param")
        return given if len(given) > 1 else given * self.num_tops


class DummyData(_Source):
    """Blobs made by fillers: constant ones once, random ones at every pass. Source: Caffe dummy_data_layer.cpp."""

    type: ClassVar[str] = "DummyData"
    draws: ClassVar[bool] = True
    tops: ClassVar[Arity] = (1, None)
    LEGACY = ("num", "channels", "height", "width")

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings = param.dummy_data_param
        fillers = len(settings.data_filler)
        if fillers not in (0, 1, len(param.top)):
            raise LayerError(
                f"give data_filler not at all, once, or once per top ({len(param.top)} here), not {fillers} times",
                "dummy_data_param.data_filler",
            )
        for index, shape in enumerate(self.shapes([])):
            if fillers:
                which = index if fillers > 1 else 0
                check_filler(settings.data_filler[which], shape, f"dummy_data_param.data_filler.{which}")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        settings, at = self.param.dummy_data_param, "dummy_data_param"
        legacy = {name: list(getattr(settings, name)) for name in self.LEGACY}
        num_tops = self.num_tops
        if not any(legacy.values()):
            given = [_dims(shape, f"{at}.shape.{index}") for index, shape in enumerate(settings.shape)]
            if len(given) not in (1, num_tops):
                raise LayerError(
                    f"give shape once, or once per top ({num_tops} here), not {len(given)} times",
                    f"{at}.shape" if given else at,
                )
            return given if len(given) == num_tops else given * num_tops
        if settings.shape:
            raise LayerError("give shape, or num, channels, height and width, not both", f"{at}.shape")
        for name, values in legacy.items():
            if len(values) not in (1, num_tops) or min(values) < 1:
                raise LayerError(
                    f"give {name} once, or once per top ({num_tops} here), each at least 1, not {values}",
                    f"{at}.{name}" if values else at,
                )
        columns = [values if len(values) == num_tops else values * num_tops for values in legacy.values()]
        return [tuple(dims) for dims in zip(*columns, strict=True)]
