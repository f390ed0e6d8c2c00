"""The one door for data: what opens, by what, and that a format that is named in one table is read everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deepcae.cli import main
from deepcae.data import contents, open_rows
from deepcae.data.load import load_images, load_labels
from deepcae.data.source import Feed
from deepcae.data.stored import Format, Stored
from deepcae.errors import DataError
from deepcae.lazy import torch
from deepcae.proto.schema import TRAIN
from deepcae.zoo.streams import rows as counted

IMAGES = np.random.default_rng(5).integers(0, 256, (40, 1, 16, 24), dtype=np.uint8)
LABELS = np.arange(40) % 4


class Sliced:
    """An array of which no more may be read than is asked for, as h5py's and zarr's are."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        self.most = max(self.most, len(self.array[rows]))
        return self.array[rows]


def memory_map(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "map.npy", IMAGES)
    return np.load(tmp_path / "map.npy", mmap_mode="r")


def dataset(tmp_path: Path) -> Any:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = IMAGES
    return h5py.File(tmp_path / "x.h5")["x"]


GIVEN: dict[str, Callable[[Path], Any]] = {
    "numpy": lambda folder: IMAGES,
    "float32": lambda folder: IMAGES.astype(np.float32),
    "fortran": lambda folder: np.asfortranarray(IMAGES.astype(np.float64)),
    "torch": lambda folder: torch.from_numpy(IMAGES),
    "memory map": memory_map,
    "h5py": dataset,
    "sliced": lambda folder: Sliced(IMAGES),
    "list": lambda folder: IMAGES.tolist(),
}


@pytest.mark.parametrize("limit", [None, 0])
@pytest.mark.parametrize("kind", GIVEN)
def test_arrays_go_through_the_same_door(tmp_path: Path, kind: str, limit: int | None) -> None:
    array = GIVEN[kind](tmp_path)
    for source in (array, {"data": array}):
        rows = open_rows(source, memory_limit=limit)
        assert (rows.tops, rows.total, rows.shapes) == (("data",), 40, {"data": (1, 16, 24)})
        for which in (slice(3, 9), np.array([39, 0, 0, 7])):
            found = rows.read(which)["data"]
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, IMAGES[which])
        rows.close()


def test_what_lies_in_memory_as_it_is_read_is_not_copied() -> None:
    array = IMAGES.astype(np.float32)
    assert np.shares_memory(open_rows(array).read(slice(2, 9))["data"], array)
    assert open_rows(array, memory_limit=0).at_hand(40, True)


def test_of_a_large_array_only_blocks_are_read() -> None:
    array = Sliced(IMAGES)
    rows = open_rows(array, memory_limit=0, block=5 * 4 * 16 * 24)
    np.testing.assert_array_equal(rows.read(slice(4, 7))["data"], IMAGES[4:7])
    rows.close()
    assert array.most == 5


def test_arrays_of_several_names() -> None:
    rows = open_rows({"data": IMAGES, "label": LABELS, "other": np.zeros(3)})
    assert rows.tops == ("data", "label")
    assert {top: dtype.kind for top, dtype in rows.dtypes.items()} == {"data": "u", "label": "i"}
    np.testing.assert_array_equal(rows.read(slice(5, 9))["label"], LABELS[5:9])
    assert open_rows({"a": IMAGES, "b": LABELS}, ["b"]).shapes == {"b": ()}


@pytest.mark.parametrize(
    ("source", "names", "message"),
    [
        (
            {"data": IMAGES, "label": LABELS[:3]},
            None,
            "the arrays given: dataset 'label' has 3 rows, but 'data' has 40",
        ),
        ({"images": IMAGES}, None, "the arrays given: has no 'data'; it holds images"),
        ({"data": IMAGES}, ["x"], "the arrays given: has no array 'x'; it holds 'data'"),
        (IMAGES[:0], None, "array 'data' has no rows"),
        (np.array(["a", "b"]), None, "array 'data' has type <U1 and shape \\[2\\]; needs rows of numbers"),
        (3.0, None, "array 'data' has type float64 and shape \\[\\]; needs rows of numbers"),
        (np.array([{}, {}]), None, "array 'data' has type object"),
    ],
)
def test_arrays_that_are_refused(source: Any, names: list[str] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_rows(source, names)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same images in every format, `a.txt` and `c.txt` listing two files of two."""
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        file["data"], file["label"] = IMAGES, LABELS
    np.savez("b.npz", data=IMAGES, label=LABELS)
    np.save("c.npy", IMAGES)
    Path("a.txt").write_text("a.h5 b.npz\n")
    Path("c.txt").write_text("c.npy a.h5\n")
    Path("PK.txt").write_text("PK.h5")
    Path("PK.h5").write_bytes(Path("a.h5").read_bytes())
    return tmp_path


def test_a_list_may_name_files_of_every_format(files: Path) -> None:
    both = np.concatenate([IMAGES, IMAGES])
    for source in ("a.txt", ["a.h5", "b.npz"], [files / "b.npz", "a.h5"]):
        rows = open_rows(source)
        np.testing.assert_array_equal(rows.read(slice(0, 80))["data"], both)
        np.testing.assert_array_equal(rows.read(np.arange(80))["label"], np.concatenate([LABELS, LABELS]))
    np.testing.assert_array_equal(open_rows("c.txt", ["data"]).read(slice(0, 80))["data"], both)
    with pytest.raises(DataError, match=r"c.npy: has no array 'label'; it holds 'data'"):
        open_rows("c.txt", ["data", "label"])
    assert open_rows("PK.txt").total == 40  # a text may begin like a zip


def test_a_data_layer_scales_what_is_stored(files: Path, layer: Callable[[str], Any]) -> None:
    """Bytes of an .npz count 0..255 to it, as those of HDF5 do: its own transform scales them."""
    text = 'name: "d" type: "HDF5Data" top: "data" top: "label" transform_param { scale: 0.00390625 } '
    with Feed([layer(text + 'hdf5_data_param { source: "a.txt" batch_size: 60 }')], TRAIN, [files]) as feed:
        batch = feed.batch(0)
    np.testing.assert_array_equal(batch["data"], np.concatenate([IMAGES, IMAGES[:20]]) / np.float32(256))


# A format of its own: what issue a reader of any other has to fulfil, and nothing more.


class Squares(Stored):
    """Images whose pixels are squares of what the file holds."""

    def __init__(self, path: Path) -> None:
        self._roots = np.frombuffer(path.read_bytes()[8:], np.uint8).reshape(-1, 1, 16, 24)
        super().__init__(str(path), self._roots.shape, np.dtype(np.uint8))

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._roots[start:stop] ** 2


class Classes(Squares):
    """Of the same file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.shape = self.shape[:1]

    def read(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(LABELS[start:stop], np.uint8)


def squares(path: Path) -> Mapping[str, Stored]:
    return {"data": Squares(path), "label": Classes(path)}


@pytest.fixture
def of_squares(files: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """`x.sq` and `n.txt`, which lists it, of a format that one line has added; its images."""
    known = Format("squares", lambda path, head: head == b"squares\n", squares)
    monkeypatch.setattr(contents, "FORMATS", (*contents.FORMATS, known))
    roots = IMAGES // 16
    Path("x.sq").write_bytes(b"squares\n" + roots.tobytes())
    Path("n.txt").write_text("x.sq")
    return np.asarray(roots**2, np.float32)


def test_one_line_adds_a_format_for_arrays_and_labels(of_squares: np.ndarray) -> None:
    np.testing.assert_array_equal(open_rows("x.sq").read(np.array([3, 0]))["data"], of_squares[[3, 0]])
    images, labels = load_images("x.sq")
    np.testing.assert_array_equal(images, of_squares / np.float32(255))
    np.testing.assert_array_equal(labels, LABELS)  # type: ignore[arg-type]
    np.testing.assert_array_equal(load_labels("x.sq"), LABELS)
    np.testing.assert_array_equal(load_images("n.txt")[0], of_squares)
    assert counted("n.txt", "data") == 40
    Path("x.sq").write_bytes(b"circles\n")
    with pytest.raises(DataError, match=r"x.sq: is neither HDF5, a .txt list.*, .npy, .npz, .*IDX.* nor squares"):
        open_rows("x.sq")


def test_one_line_adds_a_format_for_every_command(of_squares: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    def run(line: str) -> int:
        return main(line.split())

    assert run("zoo design --input 1x16x24 --dims 2 --data n.txt n.txt -o m") == 0
    assert run("check m/solver.prototxt") == 0
    overrides = "max_iter: 4 snapshot: 4 test_interval: 4"
    assert main(["train", "--solver", "m/solver.prototxt", "--out", "run", "--set", overrides, "-q"]) == 0
    np.save("same.npy", of_squares.astype(np.uint8))
    for source, out in (("x.sq", "x"), ("same.npy", "y"), ("n.txt", "n"), ("", "own")):
        assert run(f"encode run {source} -o {out}.npz -q") == 0
    found = {name: dict(np.load(f"{name}.npz")) for name in ("x", "y", "n", "own")}
    np.testing.assert_array_equal(found["x"]["codes"], found["y"]["codes"])
    np.testing.assert_array_equal(found["n"]["codes"], found["own"]["codes"])
    np.testing.assert_array_equal(found["n"]["codes"], found["x"]["codes"])  # all are scaled as the text says
    np.testing.assert_array_equal(found["x"]["labels"], LABELS)
    capsys.readouterr()
    assert run("eval --codes x.npz x.npz --data x.sq x.sq --labels x.sq x.sq --json") == 0
    assert run("layers run x.sq -o l.png -q") == 0
    assert run("zoo design --input 1x24x16 --dims 2 --data n.txt n.txt -o other") == 2
    assert "height and width are swapped" in capsys.readouterr().err
