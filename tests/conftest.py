"""What holds for all tests."""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

# how long an example takes, or drawing one, says how busy the machine is
settings.register_profile("untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """Everything is imported: Python need not look through that again and again for what nobody holds any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
