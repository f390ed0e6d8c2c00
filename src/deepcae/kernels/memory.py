"""How the process keeps the memory that tensors give back."""

from __future__ import annotations

import ctypes
import gc
import sys
from functools import cache

_MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD = -3, -1, -2  # as in malloc.h
_LARGEST = 32 * 2**20  # a blob up to this size comes from the heap; glibc takes no more
_KEPT = 2**30  # so much free memory stays with the process
_AHEAD = 64 * 2**20


@cache
def keep_freed() -> bool:
    """Asks the C library to keep freed memory for the next iteration, up to 1 GiB; whether it can (glibc).

    Otherwise each pass over large blobs gives its memory back and gets it anew, page by page: of a step of 140 ms, 20.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _AHEAD))
    return all(mallopt(name, value) == 1 for name, value in settings)


def give_back() -> bool:
    """Gives the memory that `keep_freed` kept back to the system, when other work follows; whether it can (glibc).

    Nets that nobody holds any more hold each other until the collector comes: it is called first.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    return trim is not None and trim(0) == 1
