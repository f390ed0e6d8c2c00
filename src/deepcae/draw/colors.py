"""The colours of drawings: those of the report (`viz.style`), told apart without colour vision.

A layer's kind gives its line, and a pale tint of it its fill; the type also stands in the box, so that no colour is
needed to read a picture. Kept as numbers here, since `viz` would load matplotlib; a test holds the two together.
"""

from __future__ import annotations

INK, SOFT, GRID, PAPER = "#1c2430", "#5d6875", "#e3e7ec", "#ffffff"
BLOB, BLOB_LINE = "#f2f4f7", "#98a2ae"
LINES = {
    "source": "#5d6875",
    "convolution": "#6271F0",
    "dense": "#8037B0",
    "pooling": "#F4BF17",
    "neuron": "#26BCA2",
    "norm": "#4F2E0D",
    "loss": "#F47C55",
    "other": "#98a2ae",
}
ENCODER, CODE, DECODER = LINES["convolution"], LINES["loss"], LINES["neuron"]


def line(kind: str) -> str:
    """The outline of a layer of this kind."""
    return LINES.get(kind, LINES["other"])


def fill(kind: str) -> str:
    """The inside of a layer of this kind."""
    return tint(line(kind), 0.16)


def tint(color: str, share: float) -> str:
    """`share` of a colour on white paper."""
    parts = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + (part - 255) * share):02x}" for part in parts)
