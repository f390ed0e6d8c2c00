"""The layer that hands blobs out to a file: checked here, written by the data package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from .base import Arity, Context, Layer, Shape, require_axes

if TYPE_CHECKING:
    from torch import Tensor


class HDF5Output(Layer):
    """Bottoms 0 and 1 (N, ...), at most 4 axes → datasets `data` and `label` of the HDF5 file `file_name`. No top.

    The layer itself computes nothing: whoever feeds the net's data layers also writes its files (`data.output`).
    Source: Caffe hdf5_output_layer.cpp.
    """

    type: ClassVar[str] = "HDF5Output"
    writes_file: ClassVar[bool] = True
    measures: ClassVar[bool] = True
    bottoms: ClassVar[Arity] = (2, 2)
    tops: ClassVar[Arity] = (0, 0)

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings = param.hdf5_output_param
        if not settings.file_name:
            at = "hdf5_output_param.file_name" if settings.HasField("file_name") else "hdf5_output_param"
            raise LayerError("file_name is missing: it names the file to write", at)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        for index, shape in enumerate(bottoms):
            require_axes(shape, 1, 4, f"bottom {index}")
        if bottoms[0][0] != bottoms[1][0]:
            raise LayerError(
                f"the bottoms must have equally many samples, but are {list(bottoms[0])} and {list(bottoms[1])}",
                "bottom.1",
            )
        return []

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return []
