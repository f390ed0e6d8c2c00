"""Which networks do we offer? Builders that return text: a person reads and edits what they give.

model = build("cae1", dims=2, train_list="mnist/train.txt", test_list="mnist/test.txt")
model = build_design((3, 64, 96), 16, "train.txt", "test.txt")    # for images of any size; starts as their PCA
write(model, "models/mine")                # net.prototxt, solver.prototxt, start.caffemodel
"""

from __future__ import annotations

from .catalog import NAMES, ZooModel, build, describe, names, write
from .designed import build_design

__all__ = ["NAMES", "ZooModel", "build", "build_design", "describe", "names", "write"]
