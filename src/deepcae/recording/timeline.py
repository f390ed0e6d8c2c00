"""Codes and errors of whole images over the recording that they come from, and its least usual images.

An image is unusual by its error e, ½ Σ (restored - shown)²: its score is (e - median) / (1.4826 · median |e - median|),
which is about the number of standard deviations where errors are normal. Neighbours of one that is named are not named
again: `APART` of the source's images lie between.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import foreign_kept
from ..errors import DataError
from ..trained.examples import Examples
from ..trained.network import Trained
from .origin import Origins
from .table import write_table
from .walk import Progress, walk

UNUSUAL = 8  # images that are shown
APART = 0.01  # of a source's images
SPREAD = 1.4826  # standard deviation of normal values, of their median distance from the median


@dataclass(frozen=True)
class Timeline:
    """In the order of the recording: `index` (n,), the row of the data; `codes` (n, K), `errors` (n,); float32."""

    index: np.ndarray
    codes: np.ndarray
    errors: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        """How unusual each image is, (n,)."""
        apart = self.errors.astype(np.float64) - np.median(self.errors)
        spread = SPREAD * float(np.median(np.abs(apart)))
        return np.asarray(apart / spread if spread > 0 else np.zeros_like(apart))

    def unusual(self, sources: np.ndarray, count: int = UNUSUAL) -> np.ndarray:
        """Places in the timeline of the images with the largest errors, the largest first; `sources` (n,)."""
        chosen: list[int] = []
        for place in np.argsort(-self.errors, kind="stable").tolist():
            gap = max(1, round(APART * int((sources == sources[place]).sum())))
            if all(sources[place] != sources[other] or abs(place - other) > gap for other in chosen):
                chosen.append(place)
            if len(chosen) == count:
                break
        return np.array(chosen)


def timeline_of(trained: Trained, examples: Examples, origins: Origins, progress: Progress | None = None) -> Timeline:
    """Codes and errors of all images, in the order of the recording."""
    if origins.place is not None:
        raise DataError(f"{examples.origin}: holds patches; their codes are laid back over the images")
    order = origins.order
    parts = [(made.codes, made.errors) for made in walk(trained, examples, order, progress)]
    codes = np.concatenate([codes for codes, _ in parts])
    return Timeline(order, codes, np.concatenate([errors for _, errors in parts]).astype(np.float32))


def write_timeline(
    trained: Trained, examples: Examples, origins: Origins, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """time.csv, time.png and unusual.png in `out`; what was written, for programs."""
    from ..viz import save, timeline, unusual_images

    line = timeline_of(trained, examples, origins, progress)
    sources, parts = origins.source[line.index], origins.part[line.index]
    chosen = line.unusual(sources)
    called = [origins.called(int(line.index[place])) for place in chosen]
    shown, restored = _images(trained, examples, line.index[chosen])
    with foreign_kept():
        files = [_table(line, origins, out / "time.csv")]
        held = parts == origins.parts.index("test") if "test" in origins.parts else np.zeros(len(parts), bool)
        starts = np.flatnonzero(np.diff(sources, prepend=-1))
        names = [Path(origins.sources[source]).name for source in sources[starts]]
        page = timeline(
            line.errors, line.codes, marked=chosen, names=called, held_out=held,
            sources=list(zip(starts.tolist(), names, strict=True)),
            title=f"{trained.net.name}: codes and error over the recording",
        )  # fmt: skip
        files.append(save(page, out / "time.png"))
        scores = line.scores[chosen]
        words = [f"{name} · {score:.1f}σ" for name, score in zip(called, scores, strict=True)]
        page = unusual_images(shown, restored, words, f"{trained.net.name}: the images with the largest errors")
        files.append(save(page, out / "unusual.png"))
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
