"""`import caffe` means `deepcae.pycaffe`, once `install()` was called: scripts and Python layers need no change.

`caffe` and its submodules are the very modules of `deepcae.pycaffe`, not copies: `caffe.io is deepcae.pycaffe.io`. A
Caffe that is installed beside us is not looked at.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ALIAS, MEANT = "caffe", "deepcae.pycaffe"


class _Loader(Loader):
    """Hands out the module that is meant."""

    def __init__(self, meant: str) -> None:
        self.meant = meant

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.meant)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system has put the alias's there


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        head, dot, tail = fullname.partition(".")
        if head != ALIAS:
            return None
        meant = MEANT + dot + tail
        if importlib.util.find_spec(meant) is None:
            return None
        return ModuleSpec(fullname, _Loader(meant))


_finder = _Finder()


def install() -> None:
    """From now on `import caffe` gives `deepcae.pycaffe`. Calling it again changes nothing."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
        for name in [name for name in sys.modules if name.split(".")[0] == ALIAS]:
            del sys.modules[name]
