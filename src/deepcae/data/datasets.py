"""The data sets of `deepcae data`: MNIST, scikit-learn's digits, parts of them, and pairs for the Siamese network.

Each writes train.h5 and test.h5 (uncompressed, so that they are read at the disk's speed) and the list files train.txt
and test.txt that an HDF5Data layer names. `data` is float32 (n, 1, 28, 28) in 0..1, `label` float32 (n).
Files of these names that hold something else are replaced; with `overwrite=False`, as the commands have it, they are a
DataError, and all stays as it is.
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..atomic import whole_file, whole_folder
from ..errors import DataError
from ..h5disk import new_h5
from .idx import read_idx
from .lists import read_list
from .load import read_all
from .mnist import fetch_mnist, find_file, find_mnist
from .stream import Shape

__all__ = ["find_mnist", "write_digit_pictures", "write_digits", "write_mnist", "write_pairs", "write_subset"]

BLOCK = 4096  # rows that are converted and written at a time
NUM_DIGITS_TEST = 297


@dataclass(frozen=True)
class Part:
    """Images (n, 1, H, W), bytes 0..255 or float32 0..1, and their classes (n)."""

    images: np.ndarray
    labels: np.ndarray

    def rows(self, which: slice | np.ndarray) -> np.ndarray:
        """Float32 images in 0..1; a pixel is its grey level / 255."""
        images = self.images[which]
        return images.astype(np.float32) / np.float32(255) if images.dtype == np.uint8 else images


Parts = dict[str, Part]  # "train", "test"
Source = str | Path | tuple[Path, Path]  # a name, a folder, or the list files of both parts


def write_mnist(out: str | Path, folder: str | Path | None = None, *, overwrite: bool = True) -> dict[str, int]:
    """MNIST as HDF5 files in `out`; gives each part's number of rows. `folder`: where its IDX files are."""
    return _write_labelled(Path(out), _mnist(Path(folder) if folder else None), overwrite)


def write_digits(out: str | Path, *, overwrite: bool = True) -> dict[str, int]:
    """scikit-learn's 1,797 digits, 8x8 scaled to 28x28, as HDF5 files in `out`; a fixed, stratified 297 are test.h5."""
    return _write_labelled(Path(out), _digits(), overwrite)


def write_digit_pictures(folder: str | Path) -> int:
    """The same digits as grey PNG files, `folder/<class>/<number>.png`; how many. Those that are there stay.

    DataError where the folder holds something else.
    """
    from PIL import Image

    parts = _digits()
    images, labels = (np.concatenate([getattr(part, what) for part in parts.values()]) for what in ("images", "labels"))
    names = [f"{label}/{number:04}.png" for number, label in enumerate(labels.tolist())]
    with suppress(FileExistsError), whole_folder(folder) as temporary:
        for name, image in zip(names, np.rint(images[:, 0] * 255).astype(np.uint8), strict=True):
            (temporary / name).parent.mkdir(exist_ok=True)
            Image.fromarray(image).save(temporary / name)
    found = {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}
    if found != set(names):
        raise DataError(f"{folder}: holds other files than the digits; take another folder")
    return len(names)


def write_pairs(out: str | Path, source: Source = "mnist", seed: int = 0, *, overwrite: bool = True) -> dict[str, int]:
    """Pairs of digits in `out`: `pair_data` (n, 2, H, W) and `sim` (n), 1 for two of one class, else 0.

    As many pairs as images, both images drawn at random: a tenth of the pairs are similar, as in Caffe's
    `convert_mnist_siamese_data.cpp`. `source`: "mnist", "digits", a folder with train.h5 and test.h5, or list files.
    """
    parts = _parts(source)
    contents: dict[str, Content] = {}
    for number, (name, part) in enumerate(parts.items()):
        first, second = _draw_pairs(len(part.labels), (seed % 2**64, number))
        similar = (part.labels[first] == part.labels[second]).astype(np.float32)

        def pairs(rows: slice, part: Part = part, first: np.ndarray = first, second: np.ndarray = second) -> np.ndarray:
            return np.concatenate([part.rows(first[rows]), part.rows(second[rows])], axis=1)

        shape = (len(first), 2 * part.images.shape[1], *part.images.shape[2:])
        contents[name] = {"pair_data": (shape, pairs), "sim": (similar.shape, similar.__getitem__)}
    _write(Path(out), contents, overwrite)
    return {name: len(part.labels) for name, part in parts.items()}


def write_subset(
    out: str | Path,
    count: int,
    source: str | Path = "mnist",
    seed: int = 0,
    held_out: int = 0,
    *,
    overwrite: bool = True,
) -> dict[str, int]:
    """`count` training images of `source` with their labels as train.h5 in `out`: of each class as many, or one more.

    A draw by `seed`, in random order; a smaller draw by the same seed is the beginning of a larger one. `held_out`: as
    many further training images as heldout.h5, drawn likewise, none of them in train.h5: to choose settings by. Where
    a class has no more images, the others go on.
    """
    part = _parts(source)["train"]
    if count < 1 or held_out < 0 or count + held_out > len(part.labels):
        raise DataError(
            f"{count} and {held_out} held-out images cannot be drawn from {source}: it has {len(part.labels)} to "
            "train with; draw at least 1, and no more than it has"
        )
    order = _balanced(part.labels, seed % 2**64)
    drawn = {"train": order[:count], "heldout": order[count : count + held_out]}
    parts = {name: Part(part.images[rows], part.labels[rows]) for name, rows in drawn.items() if len(rows)}
    return _write_labelled(Path(out), parts, overwrite)


def _balanced(labels: np.ndarray, seed: int) -> np.ndarray:
    """All rows by chance, but so that every beginning of them holds each class as often as any other, or once more."""
    words = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(len(labels))
    order = np.argsort(words, kind="stable")
    turn = np.empty(len(labels), np.int64)  # how many rows of the same class stand before a row
    for each in np.unique(labels):
        of_class = labels[order] == each
        turn[of_class] = np.arange(np.count_nonzero(of_class))
    return np.asarray(order[np.argsort(turn, kind="stable")])


def _parts(source: Source) -> Parts:
    """MNIST ("mnist"), scikit-learn's digits ("digits"), or what a folder with train.h5 and test.h5 or lists hold."""
    if isinstance(source, tuple):
        return {name: _from_files(read_list(path)) for name, path in zip(("train", "test"), source, strict=True)}
    makers: dict[str, Callable[[], Parts]] = {"mnist": _mnist, "digits": _digits}
    return makers[str(source)]() if str(source) in makers else _from_folder(Path(source))


def _draw_pairs(total: int, seed: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    words = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(2 * total).reshape(2, total)
    first, second = (words % np.uint64(total)).astype(np.int64)
    return first, second


def _mnist(folder: Path | None = None) -> Parts:
    folder = folder or fetch_mnist()
    parts = {}
    for name, prefix in (("train", "train"), ("test", "t10k")):
        images = _read_mnist(folder, f"{prefix}-images-idx3-ubyte")
        labels = _read_mnist(folder, f"{prefix}-labels-idx1-ubyte")
        if images.ndim != 3 or images.dtype != np.uint8 or labels.shape != images.shape[:1] or not len(images):
            raise DataError(
                f"{folder}: {prefix}-images {list(images.shape)} and {prefix}-labels {list(labels.shape)} "
                "do not fit together; needs bytes (n, 28, 28) and (n)"
            )
        parts[name] = Part(images[:, None], labels)
    return parts


def _read_mnist(folder: Path, name: str) -> np.ndarray:
    path = find_file(folder, name)
    if path is None:
        raise DataError(f"{folder}: has no {name} or {name}.gz")
    return read_idx(path)


def _digits() -> Parts:
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    small = np.asarray(digits.images, np.float32) / 16  # (1797, 8, 8), grey levels 0..16
    images = np.clip(zoom(small, (1, 3.5, 3.5), order=3, mode="grid-constant", grid_mode=True), 0, 1)[:, None]
    train, test = train_test_split(
        np.arange(len(images)), test_size=NUM_DIGITS_TEST, stratify=digits.target, random_state=0
    )
    return {name: Part(images[rows], digits.target[rows]) for name, rows in (("train", train), ("test", test))}


def _from_folder(folder: Path) -> Parts:
    return {name: _from_files([folder / f"{name}.h5"]) for name in ("train", "test")}


def _from_files(paths: Sequence[Path]) -> Part:
    """The images of all files, one after the other."""
    parts: list[Part] = []
    for path in paths:
        images, labels = read_all(path), read_all(path, "label").reshape(-1)
        if images.ndim != 4 or len(images) != len(labels):
            raise DataError(f"{path}: data {list(images.shape)} must be images (n, C, H, W), with n labels")
        if parts and images.shape[1:] != parts[0].images.shape[1:]:
            shapes = f"{list(images.shape[1:])}, and {list(parts[0].images.shape[1:])} in {paths[0]}"
            raise DataError(f"{path}: its images are {shapes}; one list holds images of one size")
        parts.append(Part(images, labels))
    if len(parts) == 1:
        return parts[0]
    return Part(np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts]))


Content = dict[str, tuple[Shape, Callable[[slice], np.ndarray]]]  # of a file: dataset -> shape, its rows


def _write_labelled(folder: Path, parts: Parts, overwrite: bool) -> dict[str, int]:
    contents: dict[str, Content] = {}
    for name, part in parts.items():
        labels = part.labels.astype(np.float32)
        contents[name] = {"data": (part.images.shape, part.rows), "label": (labels.shape, labels.__getitem__)}
    _write(folder, contents, overwrite)
    return {name: len(part.labels) for name, part in parts.items()}


def _write(folder: Path, contents: dict[str, Content], overwrite: bool) -> None:
    """`name`.h5 and the list `name`.txt of each: all of them, or none. DataError without `overwrite` as said above."""
    made: dict[Path, Path] = {}  # the temporary file of each
    try:
        with ExitStack() as whole:
            for name, datasets in contents.items():
                rows, listed = folder / f"{name}.h5", folder / f"{name}.txt"
                for target in (rows, listed):
                    made[target] = whole.enter_context(whole_file(target))
                _fill(made[rows], datasets)
                made[listed].write_text(f"{name}.h5\n")
            others = [] if overwrite else [path.name for path, new in made.items() if _holds_other(path, new)]
            if others:
                raise DataError(
                    f"{folder}: {', '.join(others)} would be replaced by something else; name another folder, or give "
                    "--overwrite"
                )
    except OSError as error:
        name = Path(error.filename or next(iter(made))).name
        raise DataError(f"{folder}: {name} cannot be written there ({error.strerror or error})") from error


def _fill(path: Path, datasets: Content) -> None:
    with new_h5(path) as (file, require_whole):
        for key, (shape, rows) in datasets.items():
            dataset = file.create_dataset(key, shape, np.float32)
            for start in range(0, shape[0], BLOCK):
                block = slice(start, min(start + BLOCK, shape[0]))
                dataset[block] = rows(block)
                require_whole()


def _holds_other(path: Path, new: Path) -> bool:
    return path.is_file() and not filecmp.cmp(path, new, shallow=False)
