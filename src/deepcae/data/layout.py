"""How an array seems to be laid out, compared with how it should be: channels last, no channel axis, sides swapped.

A shape is that of one sample, (C, H, W) for an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

Shape = tuple[int, ...]

COLOURS = (1, 3, 4)  # channels of a picture
LARGE = 8  # pixels at least along a side of what is taken for a picture


def misfit(found: Sequence[int], wanted: Sequence[int], what: str = "data") -> str:
    """Which layout an array of samples `found` seems to have where `wanted` is asked for, and what to do; or ""."""
    found, wanted = tuple(found), tuple(wanted)
    if found == wanted:
        return ""
    if len(wanted) == 3:
        channels, height, width = wanted
        if found == (height, width, channels):
            return f"channels come last: store numpy.moveaxis({what}, -1, 1)"
        if found == (width, height, channels):
            return f"channels come last, and height and width are swapped: store numpy.swapaxes({what}, 1, 3)"
        if found == (channels, width, height):
            return f"height and width are swapped: store numpy.swapaxes({what}, 2, 3)"
        if channels == 1 and found == (height, width):
            return f"the channel axis is missing: store {what}[:, None]"
        if channels == 1 and found == (width, height):
            return (
                "the channel axis is missing, and height and width are swapped: "
                f"store numpy.swapaxes({what}, 1, 2)[:, None]"
            )
        if len(found) == 1 and found[0] == channels * height * width:
            return f"rows are flat: store {what}.reshape(-1, {channels}, {height}, {width})"
    if len(found) == 3 and found[1] >= LARGE > found[2] and found[2] in COLOURS and found[2] != wanted[-1]:
        return f"channels seem to come last: store numpy.moveaxis({what}, -1, 1)"
    if len(found) == len(wanted) == 3 and found in permutations(wanted):
        order = next(each for each in permutations(range(3)) if tuple(found[axis] for axis in each) == wanted)
        axes = (0, *(1 + axis for axis in order))
        return f"the axes are in another order: store numpy.transpose({what}, {axes})"
    if len(wanted) == 3 > len(found) == 2:
        return f"there is no channel axis; asked for are {wanted[0]} x {wanted[1]} x {wanted[2]} values"
    return ""


def samples(shape: Sequence[int]) -> str:
    """`(N, 3, 32, 32)`: samples of this shape."""
    return f"({', '.join(['N', *map(str, shape)])})" if shape else "(N)"
