"""Codes and errors of whole images over the recording that they come from, and its least usual images.

An image is unusual by its error e, ½ Σ (restored - shown)²: its score is (e - median) / (1.4826 · median |e - median|),
which is about the number of standard deviations where errors are normal. Median and spread are those of the images that
the net learned from, or of those that were held out, whichever it is of: what was learned from has smaller errors.
Of a stretch of neighbours that all stand out, by half of the most at least, the one that does so most is named alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic import foreign_kept
from ..codes.order import GRADUAL, steadiness
from ..errors import DataError
from ..trained.examples import Examples, open_examples
from ..trained.network import Trained
from .origin import Origins, data_of, origins_of
from .table import write_table
from .walk import Progress, walk

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELD_OUT = "test"  # the part of prepared data that a net does not learn from
ONE = "of a stretch the least usual image"
UNUSUAL = 8  # images that are shown
STRETCH = 0.5  # of a score: neighbours above it are of one stretch
FEWEST = 10  # errors by which an image is judged: a part with fewer is not, unless all have
STANDS_OUT, AT_LEAST = 3.0, 3  # score of an unusual image; images that are named though none stands out so far
SPREAD = 1.4826  # standard deviation of normal values, of their median distance from the median


@dataclass(frozen=True)
class Timeline:
    """In the order of the recording: `index` (n,), the row of the data; `codes` (n, K), `errors` (n,); float32.

    `held_out` (n,): which images the net did not learn from; None where that is not known.
    """

    index: np.ndarray
    codes: np.ndarray
    errors: np.ndarray
    held_out: np.ndarray | None = None

    @cached_property
    def scores(self) -> np.ndarray:
        """How unusual each image is among those of its part, (n,); -infinity in a part of too few to tell."""
        held = np.zeros(len(self.errors), bool) if self.held_out is None else self.held_out
        told = np.full(len(self.errors), -np.inf)
        parts = [part for part in (held, ~held) if part.any()]
        for part in [part for part in parts if part.sum() >= FEWEST] or [max(parts, key=np.sum)]:
            errors = self.errors[part].astype(np.float64)
            apart = errors - np.median(errors)
            spread = SPREAD * float(np.median(np.abs(apart)))
            told[part] = apart / spread if spread > 0 else 0.0
        return told

    @property
    def unjudged(self) -> np.ndarray:
        """Which images are of a part with too few to tell what is usual in it, (n,)."""
        return np.isneginf(self.scores)

    @property
    def held_out_worse(self) -> float | None:
        """By which part the mean error of what was held out is greater than that of what was learned from."""
        if self.held_out is None or not (learned := float(self.errors[~self.held_out].mean())) > 0:
            return None
        return float(self.errors[self.held_out].mean()) / learned - 1

    def unusual(self, sources: np.ndarray, count: int = UNUSUAL) -> np.ndarray:
        """Places in the timeline of the least usual images, the least first; `sources` (n,).

        Of those that do not stand out, with a score below `STANDS_OUT`, so many that there are `AT_LEAST`.
        """
        chosen: list[int] = []
        rises = (self.scores[1:] > self.scores[:-1]) & (np.diff(sources) == 0)
        falls = (self.scores[1:] < self.scores[:-1]) & (np.diff(sources) == 0)
        told = np.append(rises, False) | np.insert(falls, 0, False)  # which is no peak stands beside what is
        for place in np.lexsort((-self.errors, -self.scores)).tolist():
            if told[place]:
                continue
            if self.scores[place] < (STANDS_OUT if len(chosen) >= AT_LEAST else -np.inf) or self.unjudged[place]:
                break
            chosen.append(place)
            if len(chosen) == count:
                break
            far = (self.scores < STRETCH * self.scores[place]) | (sources != sources[place])
            before, after = np.flatnonzero(far[:place]), np.flatnonzero(far[place:])
            told[before[-1] + 1 if len(before) else 0 : place + after[0] if len(after) else None] = True
        return np.array(chosen)


def timeline_of(trained: Trained, examples: Examples, origins: Origins, progress: Progress | None = None) -> Timeline:
    """Codes and errors of all images, in the order of the recording."""
    if origins.place is not None:
        raise DataError(f"{examples.origin}: holds patches; their codes are laid back over the images")
    order = origins.order
    parts = [(made.codes, made.errors) for made in walk(trained, examples, order, progress)]
    codes = np.concatenate([codes for codes, _ in parts])
    errors = np.concatenate([errors for _, errors in parts]).astype(np.float32)
    part = origins.part[order]
    held = part == origins.parts.index(HELD_OUT) if HELD_OUT in origins.parts else np.zeros(len(order), bool)
    return Timeline(order, codes, errors, held if held.any() and not held.all() else None)


def write_timeline(
    trained: Trained, examples: Examples, origins: Origins, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """time.csv, time.png and unusual.png in `out`; what was written, for programs."""
    from ..viz import save

    line = timeline_of(trained, examples, origins, progress)
    found = Recorded(line, examples, origins)
    with foreign_kept():
        files = [_table(line, origins, out / "time.csv")]
        files.append(save(found.over_time(trained.title), out / "time.png"))
        files.append(save(found.least_usual(trained), out / "unusual.png"))
    chosen = found.unusual
    unusual = [
        origins.where(int(line.index[place])) | {"error": float(line.errors[place]), "score": float(line.scores[place])}
        for place in chosen
    ]
    return {
        "images": len(line.index),
        "files": [*map(str, files)],
        "mean_error": float(line.errors.mean()),
        "unusual": unusual,
    }


@dataclass(frozen=True)
class Recorded:
    """A recording in its order: its timeline, its images, and where they come from."""

    line: Timeline
    examples: Examples
    origins: Origins

    @cached_property
    def unusual(self) -> np.ndarray:
        """Places in the timeline of the least usual images."""
        return self.line.unusual(self.sources)

    @property
    def sources(self) -> np.ndarray:
        """Of which source each image is, (n,)."""
        return self.origins.source[self.line.index]

    @property
    def rows(self) -> np.ndarray:
        """The number of each image in its source, (n,)."""
        return self.origins.row[self.line.index]

    @property
    def follows(self) -> np.ndarray:
        """Whether each image is followed by its neighbour, (n - 1,): of one source, no farther than most are."""
        steps, same = np.diff(self.rows), np.diff(self.sources) == 0
        return same & (steps <= (np.median(steps[same]) if same.any() else 1))

    def called(self, place: int) -> str:
        """What the user calls the image at a place of the timeline."""
        return self.origins.called(int(self.line.index[place]))

    def over_time(self, name: str) -> Figure:
        """Error and codes of all images; the least usual are marked, and what was held out."""
        from ..viz import timeline

        starts = np.flatnonzero(np.diff(self.sources, prepend=-1))
        names = [Path(self.origins.sources[source]).name for source in self.sources[starts]]
        return timeline(
            self.line.errors, self.line.codes, marked=self.unusual, names=[*map(self.called, self.unusual)],
            held_out=self.line.held_out, sources=list(zip(starts.tolist(), names, strict=True)),
            rows=self.rows if len(starts) == 1 and self.origins.names is None else None,
            title=f"{name}: codes and error over the {self.origins.together}", together=self.origins.together,
        )  # fmt: skip

    def least_usual(self, trained: Trained) -> Figure:
        """The least usual images, what was restored of them, and the difference."""
        from ..viz import unusual_images

        scores, held = self.line.scores[self.unusual], self.line.held_out
        shown, restored = _images(trained, self.examples, self.line.index[self.unusual])
        words = [f"{self.called(place)} · {score:.1f}σ" for place, score in zip(self.unusual, scores, strict=True)]
        few = int(self.line.unjudged.sum())
        left = f"; the {few} {'held-out' if held is not None and held[self.line.unjudged].all() else 'other'} images"
        about = f"σ: error above the median{'' if held is None else ' of its part'}; {ONE}"
        about += f"{left} are too few to be judged" if few else ""
        return unusual_images(shown, restored, words, f"{trained.title}: the least usual images", about)


def recorded_of(trained: Trained, most: int) -> Recorded | None:
    """All images that a run was prepared with, where they follow each other; None where they do not, or are too many.

    Neighbours resemble each other where a recording's codes move gradually, see `codes.order`.
    """
    try:
        place = data_of(trained, None)
        origins = origins_of(place, trained.folders)
        told = origins.understood
        by_chance = told is not None and told.split["kind"] == "random" and told.options.get("split") == "auto"
        if origins.place is not None or len(origins) > most or by_chance:
            return None
        examples = open_examples(trained, place)
        if len(examples) != len(origins):
            return None
        found = Recorded(timeline_of(trained, examples, origins), examples, origins)
    except DataError:
        return None
    return found if steadiness(found.line.codes, found.follows) < GRADUAL else None


def _images(trained: Trained, examples: Examples, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    made = list(walk(trained, examples, index))
    shown, restored = (np.concatenate([getattr(each, name) for each in made]) for name in ("images", "restored"))
    return trained.as_images(shown), trained.as_images(restored)


def _table(line: Timeline, origins: Origins, path: Path) -> Path:
    num_codes = line.codes.shape[1]
    timed = ["time"] if origins.time is not None else []
    known = ["source", "row", "name", "part", *origins.counted, *timed]
    header = [*known, *(f"code_{k}" for k in range(1, num_codes + 1)), "error"]

    def rows() -> Any:
        for place, index in enumerate(line.index.tolist()):
            told = origins.where(index)
            told |= {"time": f"{told['time']:.9g}"} if timed else {}  # more digits than single precision has
            yield [*told.values(), *map(float, line.codes[place]), float(line.errors[place])]

    return write_table(path, header, rows())
