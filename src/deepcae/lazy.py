"""torch, imported on first use.

The shape rules and checks of `layers` and `net` run without torch, so that `deepcae check` answers at once. Modules
that compute write `from ..lazy import torch` and use it as ever; the second of waiting falls on the first tensor.
"""

from __future__ import annotations

import importlib
import types
from typing import TYPE_CHECKING, Any

__all__ = ["torch"]


class _Lazy(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # inspection (copy, doctest, typing) must not trigger the import
            raise AttributeError(name)
        module = importlib.import_module(self.__name__)
        self.__dict__.update({key: value for key, value in vars(module).items() if not key.startswith("__")})
        return getattr(module, name)


if TYPE_CHECKING:
    import torch as torch
else:
    torch = _Lazy("torch")
