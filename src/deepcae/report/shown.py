"""How numbers are written on the page, and what stands in place of a picture that cannot be made."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import DeepcaeError
from ..page.html import Picture
from .material import Material


def drawn(material: Material, what: str, make: Callable[[], Picture]) -> list[Picture]:
    """The picture in a list; an empty one and a line in `material.missing` where it cannot be made."""
    try:
        return [make()]
    except DeepcaeError as error:
        material.missing.append(f"No {what}: {error}")
        return []


def origin(material: Material) -> str:
    """Where the examples come from, in words."""
    return material.examples.origin if material.examples is not None else ""


def percent(share: float) -> str:
    """`97.1 %`."""
    return f"{100 * share:.1f} %"


def loss(value: float | None) -> str:
    """Two digits behind the point, or as many as a small one needs."""
    if value is None:
        return "–"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.4f}" if abs(value) >= 0.01 or not value else f"{value:.3g}"


def duration(seconds: float) -> str:
    """In the unit that fits."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"
