"""`caffe.Layer`: the base of layers written in Python, and what `net.layers` shows of the others."""

from __future__ import annotations

from ..layers.python import BlobVec
from ..layers.python import PythonLayer as Layer

__all__ = ["BlobVec", "Layer", "NetLayer"]


class NetLayer(Layer):
    """A layer of a net, as `net.layers[i]` shows it: its type and its learned blobs."""

    def __init__(self, kind: str, blobs: BlobVec) -> None:
        super().__init__()
        self.type = kind
        self.blobs = blobs

    def __repr__(self) -> str:
        return f"<{self.type} layer with {len(self.blobs)} blob(s)>"
