"""The data side of a model: its list files, how many rows they hold, and batches in which a test sees each row once."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
    from ..data.kept import StoredRows
    from ..data.scaling import Scaling

MNIST_ROWS = (60_000, 10_000)


@dataclass(frozen=True)
class WholeTest:
    """A test that sees a set once: `iterations` batches of `batch` rows."""

    batch: int
    iterations: int


def whole_test(rows: int, batch: int = 100) -> WholeTest:
    """Batches of at most `batch` rows that together hold every row once, where that is possible with batches not tiny.

    10,000 rows: 100 batches of 100; 297 rows: 3 of 99; 125 rows: 5 of 25. Where no divisor lies in [batch / 5, batch],
    the last batch runs over the end of the set into its beginning, as Caffe's streams do, by as few rows as may be.
    """
    if rows <= batch:
        return WholeTest(rows, 1)
    size = min(range(batch, (batch - 1) // 5, -1), key=lambda size: -rows % size)
    return WholeTest(size, -(-rows // size))


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


@dataclass(frozen=True)
class Lists:
    """The list files of a training and a test set. `files`: those that are still to be written beside the texts."""

    train: str  # as seen from the working directory
    test: str
    names: tuple[str, str]  # as texts in the folder name them
    files: dict[str, bytes]

    @classmethod
    def of(cls, train: str | Path | None, test: str | Path | None, home: Path | None) -> Lists:
        """`train`, `test`: list files or data files; default: train.txt and test.txt in `home`."""
        paths, names, files = [], [], {}
        for given, kind in ((train, "train"), (test, "test")):
            path = str(given or (home or Path()) / f"{kind}.txt")
            name = named_from(path, home)
            if given is not None and is_data(Path(path)):
                if home is None or name.split() != [name]:
                    why = "names with blanks" if home is not None else "no folder for one"
                    raise DataError(f"{path}: is no list file, and {why}; give a .txt file that names it")
                name, files[f"{kind}.txt"] = f"{kind}.txt", f"{name}\n".encode()
            paths.append(path)
            names.append(name)
        return cls(paths[0], paths[1], (names[0], names[1]), files)


def rows(list_file: str | Path, dataset: str) -> int | None:
    """Rows in all files that a list file names; None where there is no such list file (yet)."""
    found = opened(list_file, dataset)
    return None if found is None else found.total


def opened(path: str | Path, dataset: str) -> StoredRows | None:
    """The rows of a data file, or of all files that a list file names; None where there is no such file (yet)."""
    given = Path(path)
    if not given.exists():
        return None
    from ..data.contents import contents_of
    from ..data.lists import read_list

    contents = contents_of(given if given.suffix == ".txt" or is_data(given) else read_list(given))
    if dataset not in contents.names:
        raise DataError(f"{contents.origin}: no dataset '{dataset}', which this network reads")
    return contents.rows([dataset])


def is_data(path: Path) -> bool:
    """Whether it is a data file itself, or a folder of data, and no list of such."""
    from ..data.contents import format_of

    return path.exists() and (path.is_dir() or format_of(path) is not None)


def scaling_of(images: StoredRows, seed: int = 0) -> Scaling:
    """How the values of `images` become about 0..1, learned from a sample that the seed draws."""
    import numpy as np

    from ..data.scaling import learned_from, sample

    def read(number: int) -> np.ndarray:
        values = images.read(np.array([number]))["data"]
        if not np.isfinite(values).all():
            bad = images.called("data", number)
            raise DataError(f"{bad} holds values that are not finite (NaN or infinite); replace them, or leave it out")
        return values

    return learned_from(sample(read, images.total, math.prod(images.shapes["data"]), seed), images.dtypes["data"])
