"""Which networks do we offer? Builders that return text: a person reads and edits what they give.

model = build("cae1", dims=2, train_list="mnist/train.txt", test_list="mnist/test.txt")
model = build_design((3, 64, 96), 16, "train.txt", "test.txt")    # for images of any size; starts as their PCA
write(model, "models/mine")                # net.prototxt, solver.prototxt, start.caffemodel
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .catalog import NAMES, ZooModel, build, describe, names, page, write

if TYPE_CHECKING:
    from .designed import build_design as build_design

__all__ = ["NAMES", "ZooModel", "build", "build_design", "describe", "names", "page", "write"]


def __getattr__(name: str) -> Any:
    if name != "build_design":
        raise AttributeError(f"module 'deepcae.zoo' has no attribute {name!r}")
    from .designed import build_design  # only now: it computes with numpy

    return build_design
