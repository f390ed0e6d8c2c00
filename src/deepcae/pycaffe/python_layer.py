"""`caffe.Layer`: the base of layers written in Python, and what `net.layers` shows of the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import DeepcaeError
from ..layers.python import BlobVec, errors_of_code
from ..layers.python import PythonLayer as Layer

__all__ = ["BlobVec", "Layer", "NetLayer", "own_errors"]


@contextmanager
def own_errors() -> Iterator[None]:
    """What a layer's own code raises arrives as it is, as in Caffe; a note says where in the text the layer stands."""
    with errors_of_code() as raised:
        try:
            yield
            return
        except DeepcaeError as error:
            if not raised:
                raise
            raised[0].add_note(str(error))
    raise raised[0]


class NetLayer(Layer):
    """A layer of a net, as `net.layers[i]` shows it: its type and its learned blobs."""

    def __init__(self, kind: str, blobs: BlobVec) -> None:
        super().__init__()
        self.type = kind
        self.blobs = blobs

    def __repr__(self) -> str:
        return f"<{self.type} layer with {len(self.blobs)} blob(s)>"
