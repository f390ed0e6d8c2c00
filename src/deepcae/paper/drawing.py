"""A picture of the paper, drawn anew, with the words that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUICK = "quick, 1/10 of the iterations"  # what every heading of a short run says


def headed(heading: str, quick: bool) -> str:
    """The heading as it is, or with what it says of a short run."""
    return f"{heading} ({QUICK})" if quick else heading


@dataclass(frozen=True)
class Drawing:
    """`name`: what it is a picture of (`fig4`, `table1`); `heading`: `Fig. 4`; `about`: what it shows, in words."""

    name: str
    heading: str
    about: str
    figure: Figure

    @property
    def title(self) -> str:
        """One line: `Fig. 4: …`."""
        return f"{self.heading}: {self.about}"
