"""IDX files, and whatever else a user may bring as images."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deepcae.data.contents import contents_of, open_rows
from deepcae.data.idx import TYPES, read_idx
from deepcae.data.joined import stamp_of
from deepcae.data.load import load_images, read_all
from deepcae.errors import DataError
from reference import reference_dir


def idx_bytes(array: np.ndarray) -> bytes:
    code = next(code for code, name in TYPES.items() if np.dtype(name) == array.dtype.newbyteorder(">"))
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(TYPES[code]).tobytes()


@given(
    st.sampled_from(list(TYPES.values())).flatmap(
        lambda name: arrays.arrays(np.dtype(name).newbyteorder("="), arrays.array_shapes(max_dims=4, max_side=5))
    ),
    st.booleans(),
)
def test_idx_round_trip(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, zipped: bool) -> None:
    path = tmp_path_factory.mktemp("idx") / "x"
    path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    got = read_idx(path)
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no IDX file \\(it begins with nothing\\)"),
        (b"PNG.....", "is no IDX file \\(it begins with 50 4e 47 2e\\)"),
        (b"\0\0\x08\x02\0\0", "ends within its header"),
        (b"\0\0\x08\x01\0\0\0\x05abc", r"promises \[5\], 5 bytes of values, but it holds only 3"),
        (b"\0\0\x08\x01\0\0\0\x02abc", r"promises \[2\], 2 bytes of values, but it holds more"),
        (b"\0\0\x0e\x03" + b"\xff" * 12 + b"abc", "but it holds only 3"),
        (gzip.compress(bytes(1000), mtime=0)[:-9], "is damaged|is no IDX file"),
        (gzip.compress(idx_bytes(np.zeros(5000, np.uint8)), mtime=0)[:-12], "is damaged"),
    ],
)
def test_broken_idx(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "x")
    with pytest.raises(DataError, match="no such file"):
        read_idx(tmp_path / "y")


@pytest.mark.skipif(not (reference_dir("files") / "db" / "expected.npz").exists(), reason="no database files here")
def test_idx_files_of_the_reference() -> None:
    folder = reference_dir("files") / "db"
    want = np.load(folder / "expected.npz")
    images, labels = load_images(folder / "img.idx3-ubyte")
    np.testing.assert_array_equal(images * 255, want["img_data"].reshape(images.shape))
    assert labels is None  # its labels have another name: `lab`
    np.testing.assert_array_equal(read_idx(folder / "lab.idx1-ubyte"), want["img_label"])


GRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_bytes_become_grey_levels_and_labels_are_found(tmp_path: Path) -> None:
    want = GRAY[:, None] / np.float32(255)
    np.save(tmp_path / "x.npy", GRAY)
    np.savez(tmp_path / "x.npz", data=GRAY, label=[4, 5])
    np.savez(tmp_path / "one.npz", anything=GRAY)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(GRAY))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([4, 5], np.uint8)))
    found = {name: load_images(tmp_path / name) for name in ("x.npy", "x.npz", "one.npz", "train-images-idx3-ubyte")}
    for images, _ in found.values():
        assert images.dtype == np.float32
        np.testing.assert_array_equal(images, want)
    assert {name: None if labels is None else labels.tolist() for name, (_, labels) in found.items()} == {
        "x.npy": None,
        "x.npz": [4, 5],
        "one.npz": None,
        "train-images-idx3-ubyte": [4, 5],
    }


def test_hdf5_files_and_lists_are_taken_as_they_stand(tmp_path: Path, write_h5: Callable[..., Path]) -> None:
    write_h5(tmp_path / "a.h5", {"data": GRAY[:, None], "label": [[4], [5]]})
    write_h5(tmp_path / "b.h5", {"data": GRAY[:1, None], "label": [[6]]})
    (tmp_path / "list.txt").write_text("a.h5 b.h5")
    images, labels = load_images(tmp_path / "list.txt")
    np.testing.assert_array_equal(images, np.concatenate([GRAY, GRAY[:1]])[:, None])
    assert labels is not None
    assert labels.tolist() == [4, 5, 6]
    assert read_all(tmp_path / "list.txt", "label", limit=2).tolist() == [[4], [5]]
    assert len(load_images(tmp_path / "a.h5", limit=1)[0]) == 1
    write_h5(tmp_path / "c.h5", {"data": np.ones((3, 7))})
    images, labels = load_images(tmp_path / "c.h5")
    assert images.shape == (3, 7)
    assert labels is None


def test_labels_by_either_name_and_in_columns(tmp_path: Path, write_h5: Callable[..., Path]) -> None:
    columns = np.eye(2, dtype=np.float32)
    np.savez(tmp_path / "x.npz", data=GRAY, labels=columns)
    write_h5(tmp_path / "x.h5", {"data": GRAY[:, None], "labels": columns})
    for name in ("x.npz", "x.h5"):
        np.testing.assert_array_equal(load_images(tmp_path / name)[1], columns)


def test_files_that_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.savez(tmp_path / "names.npz", x=GRAY, y=GRAY)
    np.savez(tmp_path / "labels.npz", data=GRAY, label=[1])
    np.savez(tmp_path / "words.npz", data=GRAY, label=["a", "b"])
    np.save(tmp_path / "flat.npy", np.arange(3.0))
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "names.npz").read_bytes()[:200])
    (tmp_path / "x.bin").write_bytes(b"something else")
    for name, message in {
        "lost.npy": "lost.npy: no such file",
        "objects.npy": "is damaged or holds Python objects",
        "names.npz": "has no array 'data'; it holds 'x', 'y'",
        "labels.npz": "has 2 images, but 1 labels",
        "words.npz": "words.npz: its label has type <U1",
        "flat.npy": r"its data have shape \[3\]; needs rows of values",
        "text.npy": "has type <U1",
        "cut.npz": "is damaged",
        "x.bin": "is neither HDF5, a .txt list of HDF5 files, .npy, .npz, .*IDX",
    }.items():
        with pytest.raises(DataError, match=message):
            load_images(tmp_path / name)


@pytest.mark.parametrize(("limit", "block"), [(None, None), (0, None), (0, 100)])
def test_every_format_gives_any_rows_from_memory_and_in_blocks(
    tmp_path: Path, limit: int | None, block: int | None
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 4), dtype=np.uint8)
    np.save(tmp_path / "c.npy", images)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(images))
    np.savez(tmp_path / "z.npz", data=images)
    (tmp_path / "plain").write_bytes(idx_bytes(images))
    (tmp_path / "zipped").write_bytes(gzip.compress(idx_bytes(images)))
    for name in ("c.npy", "fortran.npy", "z.npz", "plain", "zipped"):
        shown = contents_of(tmp_path / name).rows(as_shown=True, memory_limit=limit, block=block)
        stored = open_rows(tmp_path / name, memory_limit=limit, block=block)
        assert (shown.total, shown.shapes, stored.shapes) == (9, {"data": (1, 3, 4)}, {"data": (3, 4)})
        assert stored.dtypes["data"] == np.uint8
        for which in (slice(2, 5), slice(1, 9), np.array([8, 0, 0]), slice(0, 1)):
            for rows, wanted in ((shown, images[:, None] / np.float32(255)), (stored, images)):
                found = rows.read(which)["data"]
                assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
                np.testing.assert_array_equal(found, wanted[which])
        shown.close()
        stored.close()


@pytest.mark.parametrize("name", ["c.npy", "plain"])
def test_rows_that_are_cut_off_are_told(tmp_path: Path, name: str) -> None:
    images = np.zeros((9, 3, 4), np.uint8)
    np.save(tmp_path / "c.npy", images)
    (tmp_path / "plain").write_bytes(idx_bytes(images))
    rows = open_rows(tmp_path / name, memory_limit=0)
    with open(tmp_path / name, "r+b") as file:
        file.truncate(120)
    with pytest.raises(DataError, match=rf"{name}: was replaced or changed while it was in use"):
        rows.read(np.array([3, 8]))
    rows._files.parts[0].stamp = stamp_of(tmp_path / name)  # as if it had been so from the start
    with pytest.raises(DataError, match=rf"{name}: rows 3 to 8 cannot be read"):
        rows.read(np.array([3, 8]))
    with pytest.raises(DataError, match=name):
        open_rows(tmp_path / name)
