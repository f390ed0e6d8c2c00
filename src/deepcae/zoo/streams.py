"""The data side of a model: its list files, how many rows they hold, and batches in which a test sees each row once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..inplace import read_file
from ..proto.lookup import resolve

MNIST_ROWS = (60_000, 10_000)


@dataclass(frozen=True)
class Passes:
    """A test that sees a set once: `iterations` batches of `batch` rows."""

    batch: int
    iterations: int


def passes(rows: int, batch: int = 100) -> Passes:
    """Batches of at most `batch` rows that together hold every row once, where that is possible with batches not tiny.

    10,000 rows: 100 batches of 100; 297 rows: 3 of 99. Where no divisor lies in [batch / 2, batch], the last batch runs
    over the end of the set into its beginning, as Caffe's streams do.
    """
    if rows <= batch:
        return Passes(rows, 1)
    fitting = [size for size in range(batch, (batch + 1) // 2 - 1, -1) if rows % size == 0]
    size = fitting[0] if fitting else batch
    return Passes(size, -(-rows // size))


def named_from(path: str | Path, folder: Path | None) -> str:
    """How a text in `folder` names the file `path` (as seen from the working directory).

    Relative to the folder where the file lies in it or near it (two steps up at most), so that both can be moved
    together and used from any working directory; absolute where it lies elsewhere. Without a folder: as given.
    """
    if folder is None:
        return str(path)
    absolute = Path(path).absolute()
    try:
        relative = os.path.relpath(absolute, folder.absolute())
    except ValueError:  # on another drive
        return absolute.as_posix()
    near = Path(relative).parts.count("..") <= 2
    return Path(relative).as_posix() if near else absolute.as_posix()


def rows(list_file: str | Path, dataset: str) -> int | None:
    """Rows in all files that a list file names; None where there is no such list file (yet)."""
    list_path = Path(list_file)
    if list_path.is_dir():
        raise DataError(f"{list_path}: is a folder; give the list file in it")
    if not list_path.is_file():
        return None
    from ..data.contents import contents_of

    total = 0
    content = read_file(list_path)
    if b"\0" in content:
        raise DataError(f"{list_path}: is no text; a list file names HDF5 files")
    for name in os.fsdecode(content).split():
        path = resolve(name, list_path.parent)
        if not (path.is_file() or path.is_dir()):
            raise DataError(f"{path} (named in {list_path}): no such file")
        contents = contents_of([path])
        if dataset not in contents.names:
            raise DataError(f"{path}: no dataset '{dataset}', which this network reads")
        total += contents.rows([dataset]).total
    if total == 0:
        raise DataError(f"{list_path}: names no HDF5 file with rows")
    return total
