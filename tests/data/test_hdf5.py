"""HDF5Data: what is read, and what each broken file is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deepcae.data.contents import open_rows
from deepcae.data.joined import stamp_of
from deepcae.data.source import Feed, open_source, shapes
from deepcae.data.stream import Stream
from deepcae.errors import DataError
from deepcae.proto.schema import TEST, TRAIN

TEXT = 'name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list.txt" batch_size: 4 } '
WriteH5 = Callable[..., Path]
MakeLayer = Callable[[str], Any]

IMAGES = np.arange(60, dtype=np.float32).reshape(5, 1, 3, 4)
LABELS = np.arange(5)


@pytest.fixture
def folder(tmp_path: Path, write_h5: WriteH5) -> Path:
    """Two files of five rows each, and their list."""
    for name in ("a.h5", "b.h5"):
        write_h5(tmp_path / name, {"data": IMAGES, "label": LABELS})
    (tmp_path / "list.txt").write_text("a.h5\n\n  b.h5")
    return tmp_path


def test_the_list_is_found_from_the_texts_folder_and_its_names_from_the_lists(
    folder: Path, layer: MakeLayer, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert shapes(layer(TEXT), TRAIN, [folder]) == [(4, 1, 3, 4), (4,)]
    source = open_source(layer(TEXT), TRAIN, [folder], seed=0)
    np.testing.assert_array_equal(source.batch(1)["label"], [4, 0, 1, 2])
    source.close()


def test_a_missing_source_has_no_shapes(tmp_path: Path, layer: MakeLayer) -> None:
    assert shapes(layer(TEXT), TRAIN, [tmp_path]) is None


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "u1", "i1", ">i2", "i8", "u8"])
def test_all_numbers_become_float32(tmp_path: Path, write_h5: WriteH5, dtype: str) -> None:
    values = np.array([[1, 2], [3, 100]], dtype)
    for limit in (0, 10**6):
        rows = open_rows([write_h5(tmp_path / "x.h5", {"x": values})], ("x",), memory_limit=limit)
        got = rows.read(slice(0, 2))["x"]
        rows.close()
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, [[1, 2], [3, 100]])


def test_a_double_beyond_float32_is_infinite(tmp_path: Path, write_h5: WriteH5) -> None:
    rows = open_rows([write_h5(tmp_path / "x.h5", {"x": [1e300]})], ("x",))
    assert rows.read(slice(0, 1))["x"][0] == np.inf


def test_a_large_set_is_read_in_blocks_only(tmp_path: Path, write_h5: WriteH5) -> None:
    path = write_h5(tmp_path / "x.h5", {"x": np.arange(1000.0)[:, None] + np.zeros(10)}, chunks=(7, 10))
    rows = open_rows([path], ("x",), memory_limit=1000, block=400)
    for start in (0, 20, 500, 990):
        np.testing.assert_array_equal(rows.read(slice(start, start + 10))["x"][:, 0], np.arange(start, start + 10))
        assert len(rows._block["x"]) == (14 if start < 980 else 6)  # 10 rows, rounded up to whole chunks; the rest
    rows.close()


@pytest.mark.parametrize("dtype", ["u1", "f4", ">f8"])
@pytest.mark.parametrize(
    "options",
    [{}, {"chunks": (3, 2)}, {"chunks": (3, 2), "compression": "gzip"}, {"userblock_size": 1024}, {"compact": True}],
    ids=str,
)
def test_any_rows_of_any_layout(tmp_path: Path, dtype: str, options: dict[str, Any]) -> None:
    """Scattered rows of a large set: out of order, repeated, from several files."""
    values = np.arange(80, dtype=dtype).reshape(40, 2)
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    layout = {key: options[key] for key in ("chunks", "compression") if key in options}
    if "compact" in options:
        layout["dcpl"] = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout["dcpl"].set_layout(h5py.h5d.COMPACT)
    for path, part in zip(paths, (values[:25], values[25:]), strict=True):
        with h5py.File(path, "w", userblock_size=options.get("userblock_size")) as file:
            file.create_dataset("x", data=part, **layout)
    rows = open_rows(paths, ("x",), memory_limit=0, block=100)
    for wanted in ([39, 0, 25, 24, 24, 7], [3], list(range(40)), [38, 39, 0, 1]):
        got = rows.read(np.array(wanted))["x"]
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, values[wanted])
    rows.close()


def test_rows_that_are_cut_off_are_told(tmp_path: Path, write_h5: WriteH5) -> None:
    path = write_h5(tmp_path / "x.h5", {"x": np.zeros((1000, 50))})
    rows = open_rows([path], ("x",), memory_limit=0)
    rows.read(np.array([999]))
    os.truncate(path, 200_000)
    rows._files.parts[0].stamp = stamp_of(path)  # as if it had been so from the start
    with pytest.raises(DataError, match=r"x.h5: dataset 'x': rows 3 to 999 cannot be read"):
        rows.read(np.array([999, 3]))
    rows.close()


def test_blocks_come_round_and_round(tmp_path: Path, write_h5: WriteH5) -> None:
    """A stream over a large set reads each block once in a round, and the next one before it is asked for."""
    path = write_h5(tmp_path / "x.h5", {"x": np.arange(10.0)})
    rows = open_rows([path], ("x",), memory_limit=0, block=12)
    read: list[int] = []
    copied = rows._files.copied
    rows._files.copied = lambda start, stop: read.append(start) or copied(start, stop)  # type: ignore[assignment,func-returns-value]
    stream = Stream(rows, 1)
    assert stream.at_hand
    assert [stream.batch(index)["x"].item() for index in range(25)] == [index % 10 for index in range(25)]
    assert stream.batch(3)["x"].item() == 3  # a jump
    stream.close()
    assert read[:9] == [0, 3, 6, 9, 0, 3, 6, 9, 0]


def test_who_lets_go_of_rows_lets_go_of_their_file(tmp_path: Path, write_h5: WriteH5) -> None:
    path = write_h5(tmp_path / "x.h5", {"x": np.arange(1000.0)})
    rows = open_rows([path], ("x",), memory_limit=0, block=400)
    for start in (0, 300, 400):
        rows.read(slice(start, start + 10))
    rows._blocks._take(0)  # whatever is under way is done
    del rows
    write_h5(path, {"x": np.arange(3.0)})  # refused while the file is open
    assert open_rows([path], ("x",)).read(slice(0, 3))["x"].ravel().tolist() == [0, 1, 2]


def test_nets_that_read_the_same_files_share_them(folder: Path) -> None:
    first, second = (open_rows([folder / "a.h5"], ("data",)) for _ in range(2))
    assert np.shares_memory(first.read(slice(0, 2))["data"], second.read(slice(0, 2))["data"])


def test_a_transform_is_applied_to_the_first_top(folder: Path, layer: MakeLayer) -> None:
    text = TEXT + "transform_param { scale: 0.5 mean_value: 2 crop_size: 2 }"
    with Feed([layer(text)], TEST, [folder]) as feed:
        assert feed.shapes == {"data": (4, 1, 2, 2), "label": (4,)}
        batch = feed.batch(0)
    np.testing.assert_array_equal(batch["data"], (IMAGES[:4, :, 0:2, 1:3] - 2) * 0.5)
    np.testing.assert_array_equal(batch["label"], LABELS[:4])


def test_files_are_closed(folder: Path) -> None:
    rows = open_rows([folder / "a.h5", folder / "b.h5"], ("data",), memory_limit=0)
    rows.read(np.arange(10))
    files = [part.arrays["data"]._file._file for part in rows._files._open]
    assert len(files) == 2
    rows.close()
    assert not any(files)  # a closed file is false


def rewrite(path: Path, arrays: dict[str, Any]) -> None:
    path.unlink()
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def external_link(path: Path) -> None:
    rewrite(path, {"label": LABELS})
    with h5py.File(path, "r+") as file:
        file["data"] = h5py.ExternalLink("a.h5", "data")


def external_storage(path: Path) -> None:
    rewrite(path, {"label": LABELS})
    with h5py.File(path, "r+") as file:
        file.create_dataset("data", (5, 1, 3, 4), "f4", external=[("raw.bin", 0, 240)])


def virtual(path: Path) -> None:
    rewrite(path, {"label": LABELS})
    with h5py.File(path, "r+") as file:
        layout = h5py.VirtualLayout((5, 1, 3, 4), "f4")
        layout[:] = h5py.VirtualSource("a.h5", "data", (5, 1, 3, 4))
        file.create_virtual_dataset("data", layout)


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (lambda path: path.unlink(), r"list.txt: file 2 of 2, 'b.h5', does not exist"),
    "no_hdf5": (lambda path: path.write_bytes(b"hello" * 100) and None, r"b.h5: is not an HDF5 file"),
    "cut_off": (lambda path: os.truncate(path, 1000), r"b.h5: is (damaged|not an HDF5 file)"),
    "name": (lambda path: rewrite(path, {"dta": IMAGES}), r"b.h5: has no dataset 'data'; did you mean 'dta'\?"),
    "no_names": (lambda path: rewrite(path, {"zzz": IMAGES}), r"no dataset 'data'; the file holds 'zzz'"),
    "length": (
        lambda path: rewrite(path, {"data": IMAGES, "label": LABELS[:4]}),
        r"b.h5: dataset 'label' has 4 rows, but 'data' has 5",
    ),
    "inner_shape": (
        lambda path: rewrite(path, {"data": IMAGES[..., :2], "label": LABELS}),
        r"b.h5: a row of dataset 'data' has shape \[1, 3, 2\], but \[1, 3, 4\] in .*a.h5",
    ),
    "no_rows": (lambda path: rewrite(path, {"data": IMAGES[:0], "label": LABELS[:0]}), r"'data' has no rows"),
    "scalar": (lambda path: rewrite(path, {"data": 1.0, "label": LABELS}), r"'data' has shape \(\); axis 0"),
    "complex": (lambda path: rewrite(path, {"data": IMAGES + 1j, "label": LABELS}), r"'data' is of type complex64"),
    "text": (lambda path: rewrite(path, {"data": np.array([b"a"] * 5), "label": LABELS}), r"'data' is of type \|S1"),
    "group": (lambda path: rewrite(path, {"data/x": IMAGES, "label": LABELS}), r"'data' is a group, not a dataset"),
    "link": (external_link, r"'data' is a link to another place, which is not followed"),
    "storage": (external_storage, r"dataset 'data' keeps its values in other files, which is refused"),
    "virtual": (virtual, r"dataset 'data' keeps its values in other files, which is refused"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_before_the_first_batch(name: str, folder: Path, layer: MakeLayer) -> None:
    damage, message = BROKEN[name]
    damage(folder / "b.h5")
    with pytest.raises(DataError, match=message) as caught:
        shapes(layer(TEXT), TRAIN, [folder])
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"^layer 'd' \(HDF5Data\): .*" + message):
        Feed([layer(TEXT)], TRAIN, [folder])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" \n ", r"list.txt: lists no file"),
        (b"\x89HDF\r\n\x1a\n...", r"list.txt: is an HDF5 file; source must be a text file that lists HDF5 files"),
    ],
)
def test_broken_lists(folder: Path, layer: MakeLayer, content: bytes, message: str) -> None:
    (folder / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        shapes(layer(TEXT), TRAIN, [folder])


def test_settings_that_are_missing(folder: Path, layer: MakeLayer) -> None:
    with pytest.raises(DataError, match="no such list file"):
        Feed([layer(TEXT.replace("list.txt", "lost.txt"))], TRAIN, [folder])
    with pytest.raises(DataError, match="batch_size is 0"):
        Feed([layer(TEXT.replace("batch_size: 4", ""))], TRAIN, [folder])
    with pytest.raises(DataError, match="hdf5_data_param needs a source"):
        open_source(layer('type: "HDF5Data" top: "data"'), TRAIN, [], 0)


@pytest.mark.parametrize("memory_limit", [0, 10**6])
def test_a_file_that_is_replaced_is_noticed(folder: Path, memory_limit: int) -> None:
    rows = open_rows([folder / "a.h5", folder / "b.h5"], ("data",), memory_limit=memory_limit)
    rewrite(folder / "b.h5", {"data": np.zeros((6, 1, 3, 4)), "label": np.arange(6)})
    with pytest.raises(DataError, match=r"b.h5: was replaced or changed while it was in use"):
        rows.read(slice(3, 8))
    rows.close()


def test_damage_within_a_file_is_told_with_dataset_and_rows(tmp_path: Path, write_h5: WriteH5) -> None:
    noise = np.random.default_rng(0).random((40, 50))
    path = write_h5(tmp_path / "x.h5", {"x": noise}, chunks=(10, 50), compression="gzip", fletcher32=True)
    with h5py.File(path) as file:
        info = file["x"].id.get_chunk_info(2)
    with open(path, "r+b") as raw:
        raw.seek(info.byte_offset + info.size // 2)
        raw.write(b"damage")
    rows = open_rows([path], ("x",), memory_limit=0, block=10 * 50 * 4)
    rows.read(slice(0, 10))
    with pytest.raises(DataError, match=r"x.h5: dataset 'x': rows 20 to 29 cannot be read"):
        rows.read(slice(25, 26))
    rows.close()
