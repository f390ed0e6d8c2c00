"""What the files say: prototxt and Caffe's binary files as protobuf messages, with the place of every field."""

from __future__ import annotations

from .document import Document
from .read import kind_of, read_net, read_net_text, read_solver, read_solver_text
from .text import merge, parse, to_text

__all__ = [
    "Document", "kind_of", "merge", "parse", "read_net", "read_net_text", "read_solver", "read_solver_text", "to_text",
]  # fmt: skip
