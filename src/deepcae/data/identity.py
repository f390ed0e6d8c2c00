"""A few facts about the data that a layer reads. A later look at the same files tells whether they have changed.

Files of up to `SMALL` bytes are known by their content, larger ones by size and time of the last change: no gigabytes
are read for it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..proto.lookup import resolve, told_to
from .source import open_source

SMALL = 4 * 2**20
MOST_TOLD = 3  # changes of one layer

Facts = dict[str, Any]


def identity(layer: Any, phase: int, folders: Sequence[str | Path]) -> Facts:
    """Of a LayerParameter: {"rows": N, "shapes": {top: [...]}, "files": {name: facts}}; what is not known is left out.

    Names are seen from the folder of the file that the layer's text names, so that a run and its data may move.
    """
    facts: Facts = {"files": {}}
    try:
        with told_to(lambda sentence: None):  # it was told where they were opened
            with closing(open_source(layer, phase, folders, seed=0)) as source:
                facts["shapes"] = {top: list(shape[1:]) for top, shape in source.shapes.items()}
                total = getattr(getattr(source, "rows", None), "total", None)
            if total is not None:
                facts["rows"] = total
            named = _named(layer, folders)
            for path in named:
                facts["files"][os.path.relpath(path, named[0].parent)] = _of_file(path)
            if layer.type == "ImageData":
                facts["files"]["the images"] = _of_images(layer, named[0], folders)
    except (DataError, OSError, ValueError):
        pass  # it is told where it is read
    return facts


def changes(before: Any, now: Facts) -> Iterator[str]:
    """What differs, each in a sentence with both sides, `MOST_TOLD` at most; nothing where one side is not known."""
    found = list(_changes(before, now)) if isinstance(before, dict) else []
    yield from found[:MOST_TOLD]
    if len(found) > MOST_TOLD:
        yield f"{len(found) - MOST_TOLD} more of its files are not as they were"


def _changes(before: Facts, now: Facts) -> Iterator[str]:
    if "rows" in before and "rows" in now and before["rows"] != now["rows"]:
        yield f"it had {before['rows']} rows and has {now['rows']} now"
    if "shapes" in before and "shapes" in now and before["shapes"] != now["shapes"]:
        yield f"its rows were {before['shapes']} and are {now['shapes']} now"
    old, new = before.get("files"), now["files"]
    if not isinstance(old, dict) or not old or not new:
        return
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"{name} was among its files and is not now"
        elif name not in old:
            yield f"{name} is among its files and was not"
        elif isinstance(old[name], dict):
            yield from _of_change(name, old[name], new[name])


def _of_change(name: str, old: Facts, new: Facts) -> Iterator[str]:
    if old.get("bytes") != new["bytes"]:
        yield f"{name}: {old.get('bytes')} bytes then and {new['bytes']} now"
    elif "sha256" in old and "sha256" in new:
        if old["sha256"] != new["sha256"]:
            was, is_ = str(old["sha256"])[:8], new["sha256"][:8]
            yield f"{name}: another content with as many bytes (SHA-256 {was}... then, {is_}... now)"
    elif old.get("changed") != new.get("changed"):
        yield f"{name}: last changed {_when(old)} then and {_when(new)} now, with as many bytes"


def _when(facts: Facts) -> str:
    try:
        return datetime.fromtimestamp(facts["changed"] / 1e9).isoformat(sep=" ", timespec="seconds")
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return "at another time"


def _named(layer: Any, folders: Sequence[str | Path]) -> list[Path]:
    """The file that the text names, those that this one lists, and the mean image."""
    found: list[Path] = []
    if layer.type == "HDF5Data":
        from .lists import read_list

        listing = resolve(layer.hdf5_data_param.source, *folders)
        found = [listing, *read_list(listing, *folders)]
    elif layer.type == "Data":
        path = resolve(layer.data_param.source, *folders)
        found = [path / "data.mdb" if path.is_dir() else path]
    elif layer.type == "ImageData":
        found = [resolve(layer.image_data_param.source, *folders)]
    if found and layer.transform_param.mean_file:
        found.append(resolve(layer.transform_param.mean_file, *folders))
    return found


def _of_file(path: Path) -> Facts:
    about = path.stat()
    if path.is_dir():
        return _of_all(entry for entry in path.rglob("*") if entry.is_file())
    if about.st_size <= SMALL:
        return {"bytes": about.st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return {"bytes": about.st_size, "changed": about.st_mtime_ns}


def _of_images(layer: Any, listing: Path, folders: Sequence[str | Path]) -> Facts:
    from .imagedata import ImageFiles

    files = ImageFiles(listing, layer.image_data_param.root_folder, folders)
    return _of_all(files.path(number) for number in range(len(files)))


def _of_all(paths: Iterable[Path]) -> Facts:
    """All files together: their sizes added up, the latest change."""
    size, changed = 0, 0
    for about in map(Path.stat, paths):
        size, changed = size + about.st_size, max(changed, about.st_mtime_ns)
    return {"bytes": size, "changed": changed}
