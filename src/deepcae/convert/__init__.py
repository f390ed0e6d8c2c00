"""A net for other programs: ONNX for every runtime, a `torch.nn.Module` for going on in PyTorch.

    from deepcae.convert import as_module, compare, random_inputs, to_onnx

Weights alone (.safetensors, .pt, .caffemodel) are `deepcae.save`'s business.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..errors import DataError

if TYPE_CHECKING:
    from .comparison import Difference as Difference
    from .comparison import compare as compare
    from .comparison import random_inputs as random_inputs
    from .comparison import runtime as runtime
    from .model import OnnxModel as OnnxModel
    from .model import to_onnx as to_onnx
    from .module import NetModule as NetModule
    from .module import as_module as as_module

_HOMES = {
    "Difference": "comparison", "compare": "comparison", "random_inputs": "comparison", "runtime": "comparison",
    "OnnxModel": "model", "to_onnx": "model", "NetModule": "module", "as_module": "module",
}  # fmt: skip

__all__ = ["Difference", "NetModule", "OnnxModel", "as_module", "compare", "random_inputs", "runtime", "to_onnx"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'deepcae.convert' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name not in ("onnx", "onnxruntime"):
            raise
        raise DataError(
            f"ONNX needs the package {error.name}, which is not here: pip install 'deepcae[onnx]'"
        ) from None
    globals()[name] = value
    return value
