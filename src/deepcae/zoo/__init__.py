"""Which networks do we offer? Builders that return text: a person reads and edits what they give.

model = build("cae1", dims=2, train_list="mnist/train.txt", test_list="mnist/test.txt")
model = build_design((3, 64, 96), dims=16)          # an auto-encoder for images of any size
write(model, "models/mine")          # net.prototxt, solver.prototxt
"""

from __future__ import annotations

from .catalog import NAMES, ZooModel, build, describe, names, write
from .designed import build_design

__all__ = ["NAMES", "ZooModel", "build", "build_design", "describe", "names", "write"]
