"""Images that a person chose: found by a word or a number, and taken away as a file."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..codes import files
from ..codes.table import ERROR
from ..errors import DataError
from ..viz.sprite import LARGEST, SHEET, small_pictures
from . import columns
from .pictures import chosen
from .subject import Looked

FOUND = 1000  # images that a search gives at most
MOST_PICTURES = 16_384  # images of a file that holds them
GAP = 2  # pixels between them
KINDS = {"csv": "text/csv", "npz": "application/octet-stream", "sheet": "image/png"}


def search(looked: Looked, text: str) -> dict[str, Any]:
    """Images by a word: their class, what they are called, or their number; those of a class first."""
    text = text.strip()
    if not text:
        return {"rows": [], "total": 0}
    rows = dict.fromkeys([*_of_class(looked, text), *_called(looked, text)])
    return {"rows": list(rows)[:FOUND], "total": len(rows)}


def _of_class(looked: Looked, text: str) -> list[int]:
    if looked.material.labels is None:
        return []
    numbers, names = columns.numbered(columns.column(looked, looked.material.colours[0].name))
    wanted = [place for place, name in enumerate(names) if name.lower() == text.lower()]
    return np.flatnonzero(np.isin(numbers, wanted)).tolist()


def _called(looked: Looked, text: str) -> list[int]:
    material, count = looked.material, len(looked.examples)
    if material.origins is None or material.origins.names is None:
        exact = [row for row in range(count) if material.called(row) == text] if material.origins is not None else []
        return exact + ([int(text)] if text.isdecimal() and len(text) < 19 and int(text) < count else [])
    return [row for row in range(count) if text.lower() in material.called(row).lower()]


def exported(looked: Looked, rows: Sequence[int], kind: str) -> tuple[str, str, bytes]:
    """(file name, media type, content): codes and all that is known of the images, or a sheet of them.

    "csv": a line for each; "npz": `codes`, `images`, `restored`, `rows`, ...; "sheet": a PNG.
    """
    if kind not in KINDS:
        raise DataError(f"kind is '{kind}'; it can be {', '.join(KINDS)}")
    numbers = chosen(looked, rows)
    if kind != "csv" and len(numbers) > MOST_PICTURES:
        raise DataError(f"{len(rows):,} images; a file of them holds at most {MOST_PICTURES:,}")
    content = _sheet(looked, numbers) if kind == "sheet" else _table(looked, numbers, kind)
    return f"selection.{'png' if kind == 'sheet' else kind}", KINDS[kind], content


def _table(looked: Looked, rows: np.ndarray, kind: str) -> bytes:
    material = looked.material
    known = {each["name"]: columns.column(looked, each["name"]) for each in columns.listed(looked) if _kept(each)}
    extra = {name: each.values[rows] for name, each in known.items()}
    if material.errors is not None:
        extra[ERROR] = material.errors[rows]
    extra |= {"row": rows, "called": np.array([material.called(row) for row in rows.tolist()])}
    labels = None if material.labels is None else material.labels[rows]
    if kind == "npz":
        held = {"codes": looked.codes[rows], "images": looked.trained.as_images(looked.examples.pick(rows)[0])}
        held |= {} if labels is None else {"labels": labels}
        stream = io.BytesIO()
        np.savez_compressed(stream, **held, **{name: values for name, values in extra.items() if name not in held})
        return stream.getvalue()
    with TemporaryDirectory() as folder:
        path = Path(folder, "selection.csv")
        files.save(path, looked.codes[rows], labels, columns=extra)
        return path.read_bytes()


def _kept(told: dict[str, Any]) -> bool:
    return not told["name"].startswith(("code ", *columns.STATISTICS)) and told["name"] not in ("class", "label")


def _sheet(looked: Looked, rows: np.ndarray) -> bytes:
    from PIL import Image

    across = math.ceil(math.sqrt(len(rows)))
    side = min(LARGEST, SHEET // across - GAP)
    low, high = looked.scale()
    stack = looked.trained.as_images(looked.examples.pick(rows)[0])
    small = small_pictures(stack, low, high, side)
    _, height, width, _ = small.shape
    page = np.full((-(-len(rows) // across) * (height + GAP), across * (width + GAP), 3), 255, np.uint8)
    for place, picture in enumerate(small):
        top, left = place // across * (height + GAP), place % across * (width + GAP)
        page[top : top + height, left : left + width] = picture
    stream = io.BytesIO()
    Image.fromarray(page).save(stream, "PNG")
    return stream.getvalue()
