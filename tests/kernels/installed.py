"""Whether an installed wheel has a compiled core that computes: run by cibuildwheel, without torch or numpy.

python tests/kernels/installed.py
"""

from __future__ import annotations

import ctypes
import itertools
import sys
from importlib.util import find_spec
from pathlib import Path

SIZES = {
    "batch": 17, "group": 1, "in_channels": 2, "in_h": 6, "in_w": 5, "out_channels": 3, "out_h": 4, "out_w": 3,
    "kernel_h": 3, "kernel_w": 3, "pad_h": 0, "pad_w": 0, "dilation_h": 1, "dilation_w": 1, "turned": 0, "threads": 1,
}  # fmt: skip
NAMES = (b"avx512", b"avx2", b"sse2", b"neon", b"scalar")


def correlated(x: list[float], w: list[float]) -> list[float]:
    """y[o, i, j, n] = sum over c, ky, kx of w[o, c, ky, kx] x[c, i + ky, j + kx, n]."""
    y = []
    for o, i, j, n in itertools.product(range(3), range(4), range(3), range(17)):
        places = itertools.product(range(2), range(3), range(3))
        y.append(
            sum(w[((o * 2 + c) * 3 + k) * 3 + m] * x[((c * 6 + i + k) * 5 + j + m) * 17 + n] for c, k, m in places)
        )
    return y


def main() -> None:
    package = find_spec("deepcae")
    assert package is not None, "deepcae is not installed"
    assert package.origin is not None
    found = sorted((Path(package.origin).parent / "kernels").glob("_core.*"))
    assert [path.suffix for path in found] in ([".so"], [".pyd"]), f"no compiled core, or several: {found}"
    library = ctypes.CDLL(str(found[0]))
    library.deepcae_instructions.restype = ctypes.c_char_p
    x = [float(k * 7 % 11 - 5) for k in range(2 * 6 * 5 * 17)]
    w = [float(k * 5 % 7 - 3) for k in range(3 * 2 * 9)]
    expected = correlated(x, w)
    used = []
    for name in NAMES:
        if library.deepcae_instructions(name) != name:
            continue
        y = (ctypes.c_float * len(expected))()
        sizes = (ctypes.c_int64 * len(SIZES))(*SIZES.values())
        failed = library.deepcae_correlate(sizes, (ctypes.c_float * len(x))(*x), (ctypes.c_float * len(w))(*w), None, y)
        assert not failed
        assert list(y) == expected, f"{name.decode()} computes wrongly"  # whole numbers: exactly
        used.append(name.decode())
    assert used
    print(f"deepcae in {package.origin}, Python {sys.version.split()[0]}: {', '.join(used)} compute as they should")


if __name__ == "__main__":
    main()
