"""The gray that libpng makes of a PNG with gamma or sRGB: a sum of light, not of stored values.

    light(v) = v^(1/g);   gray = (0.299 light(R) + 0.587 light(G) + 0.114 light(B))^g

in tables of whole numbers: of 8 bits, or of the upper 11 of 16. Pixels of equal R, G, B stay as they are.
Source: libpng's png.c (png_build_gamma_table) and pngrtran.c (png_do_rgb_to_gray).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_UNIT = 100_000
_SRGB = 45455
_NONE = range(95_000, 105_001)  # so near to 1 that libpng does nothing
_SHIFT = 5  # bits of 16 that its tables leave out


def gray_of_light(colors: np.ndarray, info: Mapping[Any, Any]) -> np.ndarray | None:
    """(H, W) of (H, W, 3), uint8 or uint16; None where `info`, a PNG's in pillow, says no gamma."""
    gamma = _SRGB if "srgb" in info else round(_UNIT * info.get("gamma", 0))
    if gamma <= 0 or gamma in _NONE:
        return None
    deep = colors.dtype == np.uint16
    to_light, back = (_table(power, deep) for power in (_inverse(gamma), _inverse(_inverse(gamma))))
    shift = _SHIFT if deep else 0
    red, green, blue = np.moveaxis(to_light[colors >> shift], -1, 0)
    made = back[((9797 * red + 19234 * green + 3737 * blue + 2**14) >> 15) >> shift]
    same = (colors == colors[..., :1]).all(-1)
    return np.where(same, colors[..., 0], made).astype(colors.dtype)


def _table(power: int, deep: bool) -> np.ndarray:
    """y = x^power of all whole numbers from 0 to the greatest."""
    count, top = (2 ** (16 - _SHIFT), 65535) if deep else (256, 255)
    return np.floor(top * (np.arange(count) / (count - 1)) ** (power / _UNIT) + 0.5).astype(np.int64)


def _inverse(power: int) -> int:
    return int(_UNIT * _UNIT / power + 0.5)
