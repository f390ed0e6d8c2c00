"""Original images above, restored images below."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..errors import DataError
from .reduced import reduced, size_note
from .samples import Samples, apart
from .style import INK, PAGE, class_names, fitted, number, say, sheet, styled
from .tile import Tiles

WIDEST = 1.1  # inches of one image
HEAD, EDGE, GAP, CAPTION = 0.36, 0.2, 0.045, 0.21  # inches: title, words at the left, between images, under a pair
SHORT, LINE = 6, 0.11  # letters of names that stand in one line with the error; inches of another line


def reconstructions(
    originals: np.ndarray,
    restored: np.ndarray,
    labels: np.ndarray | None = None,
    title: str = "Originals and reconstructions",
    *,
    names: Sequence[str] | None = None,
    called: str = "its name",
    columns: int = 10,
    width: float = PAGE,
) -> Figure:
    """originals, restored (N, ...) → pairs of rows; error of a pair: ½ Σ (restored - original)².

    What `Samples` takes can be shown: images, several channels, volumes, signals. `names` (N,) stand below, too:
    which of the data each is; the page's head says what they are, `called`.
    All pictures share one scale, that of the originals, see `window_of`; of images that look all alike,
    differences from their mean are drawn.
    """
    if np.shape(originals) != np.shape(restored):
        raise DataError(f"originals have shape {np.shape(originals)}, restored images {np.shape(restored)}")
    errors = np.array([_half_squared(*pair) for pair in zip(originals, restored, strict=True)])
    small = [reduced(np.asarray(each)) for each in (originals, restored)]
    before, after = Samples(small[0], "originals"), Samples(small[1], "restored images")
    (shown, restored_as), scale, alike = apart(before.stack, after.stack)
    fewer = size_note(np.shape(originals), small[0].shape)
    words = [number(float(error)) for error in errors]
    about = "½·squared error"
    if labels is not None:
        _, classes, classed = class_names(labels)
        words = [f"{classed[of]} · {word}" for of, word in zip(classes, words, strict=True)]
        about = "class · ½·squared error"
    columns = min(columns, len(before))
    rows = math.ceil(len(before) / columns)
    across = min((width - EDGE) / columns - GAP, WIDEST)
    above: Sequence[str] = ()  # names that have a line of their own
    if names is not None:
        short = max(map(len, names)) <= SHORT
        words = [f"{name}: {word}" for name, word in zip(names, words, strict=True)] if short else words
        above, about = ([] if short else names), f"{called}: {about}"
    high, caption = across * before.aspect, CAPTION + LINE * bool(above)
    band = 2 * high + GAP + caption
    before, after = Samples(shown), Samples(restored_as)
    with styled():
        page = sheet(width, HEAD + rows * band)
        say(page, 0.02, 0.12, title, fontsize=8, fontweight="bold", color=INK)
        facts = f"below each pair: {about}; mean of these {len(before)}: {number(float(errors.mean()))}"
        words_of_facts, size = fitted("; ".join(filter(None, [facts, before.note, alike, fewer])), width - 0.04, 6.5)
        say(page, 0.02, 0.27, words_of_facts, fontsize=size)
        for row in range(rows):
            for name, middle in (("original", high / 2), ("restored", 1.5 * high + GAP)):
                size = min(6.5, 72 * high / (0.62 * len("original")))
                say(page, EDGE / 2, HEAD + row * band + middle, name, ha="center", rotation=90, fontsize=size)
        tiles = Tiles(page)
        for index, word in enumerate(words):
            left, top = EDGE + index % columns * (across + GAP), HEAD + index // columns * band
            before.draw(tiles, index, (left, top, across, high), *scale)
            after.draw(tiles, index, (left, top + high + GAP, across, high), *scale)
            middle, under = left + across / 2, top + band - CAPTION * 0.62
            say(page, middle, under, word, ha="center", fontsize=min(6.5, 72 * (across + GAP) / (0.6 * len(word))))
            if above:
                name, size = fitted(above[index], across, 6.5)
                say(page, middle, under - LINE, name, ha="center", fontsize=size)
    return page


def _half_squared(original: np.ndarray, restored: np.ndarray) -> float:
    return float(0.5 * np.square(np.asarray(restored, np.float64) - np.asarray(original, np.float64)).sum())
