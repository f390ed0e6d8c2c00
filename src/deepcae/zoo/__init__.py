"""Which networks do we offer? Builders that return text: a person reads and edits what they give.

model = build("cae1", dims=2, train_list="mnist/train.txt", test_list="mnist/test.txt")
write(model, "models/mine")          # net.prototxt, solver.prototxt
"""

from __future__ import annotations

from .catalog import NAMES, ZooModel, build, describe, names, write

__all__ = ["NAMES", "ZooModel", "build", "describe", "names", "write"]
