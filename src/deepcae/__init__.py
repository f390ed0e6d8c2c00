"""deepcae: deep convolutional auto-encoders from Caffe text files, on PyTorch.

    import deepcae

    solver = deepcae.Solver("solver.prototxt", out="runs/mine")
    for record in solver.solve():
        print(record)
    net = deepcae.Run("runs/mine").net("TEST")
    codes = net(data=images, want=["code"])["code"]

Everything is loaded on first use: `import deepcae` itself costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import codes as codes
    from . import data as data
    from . import viz as viz
    from . import zoo as zoo
    from .errors import DataError as DataError
    from .errors import DeepcaeError as DeepcaeError
    from .errors import SnapshotError as SnapshotError
    from .errors import SpecError as SpecError
    from .errors import TrainingError as TrainingError
    from .estimator.autoencoder import ConvAutoencoder as ConvAutoencoder
    from .net.layerwise import Layerwise as Layerwise
    from .net.net import Net as Net
    from .net.weights import load_weights as load
    from .net.weights import save_weights as save
    from .solver.run import Run as Run
    from .solver.solver import Solver as Solver

    __version__: str

_HOMES = {
    "Net": "net.net:Net",
    "Layerwise": "net.layerwise:Layerwise",
    "Solver": "solver.solver:Solver",
    "Run": "solver.run:Run",
    "ConvAutoencoder": "estimator.autoencoder:ConvAutoencoder",
    "load": "net.weights:load_weights",
    "save": "net.weights:save_weights",
    "zoo": "zoo:",
    "codes": "codes:",
    "data": "data:",
    "viz": "viz:",
    "DeepcaeError": "errors:DeepcaeError",
    "SpecError": "errors:SpecError",
    "DataError": "errors:DataError",
    "SnapshotError": "errors:SnapshotError",
    "TrainingError": "errors:TrainingError",
}

__all__ = [
    "ConvAutoencoder", "DataError", "DeepcaeError", "Layerwise", "Net", "Run", "SnapshotError", "Solver", "SpecError",
    "TrainingError", "__version__", "codes", "data", "load", "save", "viz", "zoo",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("deepcae")
    if name not in _HOMES:
        raise AttributeError(f"module 'deepcae' has no attribute {name!r}")
    module_name, _, attribute = _HOMES[name].partition(":")
    module = importlib.import_module(f".{module_name}", __name__)
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
