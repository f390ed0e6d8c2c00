"""What holds for all tests."""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    """Everything is imported: Python need not look through that again and again for what nobody holds any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
