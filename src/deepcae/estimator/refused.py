"""deepcae's errors as scikit-learn's users expect them: every refused input is also a ValueError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import DataError, DeepcaeError, SnapshotError, SpecError


class RefusedData(DataError, ValueError):
    """A DataError that is a ValueError."""


class RefusedText(SpecError, ValueError):
    """A SpecError that is a ValueError."""


class RefusedFile(SnapshotError, ValueError):
    """A SnapshotError that is a ValueError."""


@contextmanager
def as_value_errors() -> Iterator[None]:
    """Inside, what is refused is raised as a ValueError."""
    try:
        yield
    except (DataError, SpecError, SnapshotError) as error:
        if isinstance(error, ValueError):
            raise
        raise _as_value_error(error) from error


def _as_value_error(error: DeepcaeError) -> DeepcaeError:
    if isinstance(error, SpecError):
        return RefusedText(error.problems)
    return RefusedData(str(error)) if isinstance(error, DataError) else RefusedFile(str(error))
