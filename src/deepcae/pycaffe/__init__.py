"""Caffe's Python interface on deepcae: existing scripts run as they stand.

    python -P -m deepcae.pycaffe script.py [arguments]   # the script says `import caffe`
    import deepcae.pycaffe as caffe                      # in a program of today
    deepcae.pycaffe.install(); import caffe              # in a notebook

Every name is loaded when it is first asked for: `caffe.io` does not load torch, `caffe.Net` does.
Source: Caffe's python/caffe/__init__.py and _caffe.cpp.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..alias import install as install
from ..proto.suggest import closest

_HOMES = {
    "net": ("Net",),
    "blob": ("Blob",),
    "solver": (
        "Solver", "SGDSolver", "NesterovSolver", "AdaGradSolver", "RMSPropSolver", "AdaDeltaSolver", "AdamSolver",
        "MuonSolver", "get_solver",
    ),
    "python_layer": ("Layer",),
    "mode": (
        "set_mode_cpu", "set_mode_gpu", "set_device", "set_random_seed", "layer_type_list", "init_log", "log",
        "solver_count", "set_solver_count", "solver_rank", "set_solver_rank", "set_multiprocess", "has_nccl",
        "NCCL", "Timer", "TRAIN", "TEST",
    ),
    "classifier": ("Classifier",),
    "detector": ("Detector",),
    "net_spec": ("layers", "params", "NetSpec", "to_proto"),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
_SUBMODULES = ("io", "proto", "draw", "coord_map", "net_spec", "classifier", "detector")

__version__ = "1.0.0"  # the Caffe whose interface this is: scripts compare it
__all__ = ["__version__", "install", *_HOME_OF, *_SUBMODULES]


def __getattr__(name: str) -> Any:
    """Loads a public name from its module (PEP 562) and keeps it."""
    if name in _HOME_OF:
        value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    elif name in _SUBMODULES:
        value = import_module(f".{name}", __name__)
        if name == "proto":
            import_module(".proto.caffe_pb2", __name__)  # scripts write caffe.proto.caffe_pb2 without importing it
    else:
        raise AttributeError(f"module 'caffe' has no attribute '{name}'{_hint(name)}")
    globals()[name] = value
    return value


def _hint(name: str) -> str:
    near = closest(name, __all__) if not name.startswith("_") else None
    return f"; did you mean '{near}'?" if near else ""


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
