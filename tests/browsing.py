"""What tests of a page ask a browser."""

from __future__ import annotations

import time
from typing import Any

WAIT = 30.0  # seconds for what takes one: a machine that computes beside the tests is slow


def until(page: Any, told: str, seconds: float = WAIT) -> None:
    """Waits until a JavaScript expression is true.

    Playwright's own `wait_for_function` evaluates within the page, which our page's policy forbids.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(told):
        assert time.monotonic() < end, f"after {seconds:g} s this is not true: {told}"
        page.wait_for_timeout(40)
