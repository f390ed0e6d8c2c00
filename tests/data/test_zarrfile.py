"""Zarr stores as zarr writes them, versions 2 and 3, and OME-Zarr, read back equal; metadata that are not trusted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from deepcae.data.contents import contents_of, open_rows
from deepcae.errors import DataError
from deepcae.prepare import inspect, prepare

IMAGES = np.arange(20 * 8 * 6, dtype=np.uint16).reshape(20, 8, 6)
STORES: dict[str, dict[str, Any]] = {
    "3": {},
    "3 in shards": {"shards": (8, 8, 6)},
    "3 unpacked": {"compressors": None},
    "3 of blosc": {"compressors": zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle")},
    "2": {"zarr_format": 2},
    "2 big-endian": {"zarr_format": 2, "dtype": ">u2"},
}


def store(path: Path, values: np.ndarray = IMAGES, chunks: tuple[int, ...] | None = None, **how: Any) -> Path:
    chunks = chunks or (4, *values.shape[1:])
    array = zarr.create_array(str(path), shape=values.shape, chunks=chunks, **{"dtype": values.dtype, **how})
    array[:] = values
    return path


@pytest.mark.parametrize("kind", STORES)
def test_it_is_read_as_it_was_written(kind: str, tmp_path: Path) -> None:
    rows = open_rows(store(tmp_path / "a.zarr", **STORES[kind]))
    np.testing.assert_array_equal(rows.read(slice(0, 20))["data"], IMAGES)
    np.testing.assert_array_equal(rows.read(np.array([19, 0, 7]))["data"], IMAGES[[19, 0, 7]])
    assert rows.dtypes["data"].kind == "u"


def test_arrays_of_a_group_have_names(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    for name in ("x/images", "label"):
        values = IMAGES if "/" in name else np.arange(20)
        group.create_array(name, shape=values.shape, dtype=values.dtype)[:] = values
    contents = contents_of(tmp_path / "a.zarr")
    assert sorted(contents.names) == ["label", "x/images"]
    np.testing.assert_array_equal(contents.rows(["x/images"]).read(slice(0, 2))["x/images"], IMAGES[:2])
    assert inspect(tmp_path / "a.zarr").count == 20  # the only one that can be images


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr_is_read_at_its_largest_level_with_its_axes(version: int, tmp_path: Path) -> None:
    hyper = np.arange(3 * 2 * 4 * 6 * 5, dtype=np.uint16).reshape(3, 2, 4, 6, 5)
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=version)  # type: ignore[arg-type]
    for level in (0, 1):
        values = hyper[..., :: 2**level, :: 2**level]
        group.create_array(str(level), shape=values.shape, dtype=values.dtype, chunks=(1, 1, 1, *values.shape[3:]))[
            :
        ] = values
    scales = [{"axes": [{"name": name} for name in "tczyx"], "datasets": [{"path": "0"}, {"path": "1"}]}]
    group.attrs.update({"ome": {"multiscales": scales}} if version == 3 else {"multiscales": scales})
    rows = open_rows(tmp_path / "a.zarr")
    expected = hyper.transpose(0, 2, 1, 3, 4).reshape(12, 2, 6, 5)
    np.testing.assert_array_equal(rows.read(slice(0, 12))["data"], expected)
    np.testing.assert_array_equal(rows.read(slice(5, 7))["data"], expected[5:7])
    made = prepare(tmp_path / "a.zarr", tmp_path / "out")
    assert made.understood.split["kind"] == "blocks"
    assert any("3 times x 4 depths are 12 images, 2 channels" in note for note in made.understood.notes)


def test_named_dimensions_are_axes(tmp_path: Path) -> None:
    store(tmp_path / "a.zarr", dimension_names=("y", "time", "x"))
    np.testing.assert_array_equal(open_rows(tmp_path / "a.zarr").read(slice(0, 8))["data"][:, 0], IMAGES.swapaxes(0, 1))


def test_chunks_that_were_never_written_are_told(tmp_path: Path) -> None:
    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=IMAGES.shape, chunks=(4, 8, 6), dtype=IMAGES.dtype)
    array[:12] = IMAGES[:12]
    assert "2 of 5 chunks were never written, and read as 0" in " ".join(inspect(tmp_path / "a.zarr").notes)


@pytest.mark.parametrize("version", [2, 3])
def test_a_damaged_chunk_is_told(version: int, tmp_path: Path) -> None:
    store(tmp_path / "a.zarr", zarr_format=version)
    chunk = next(path for path in sorted((tmp_path / "a.zarr").rglob("*")) if path.is_file() and "z" not in path.name)
    chunk.write_bytes(b"damage" + chunk.read_bytes()[6:])
    with pytest.raises(DataError, match=r"a\.zarr.*cannot be read"):
        open_rows(tmp_path / "a.zarr").read(slice(0, 20))


def changed(path: Path, **fields: Any) -> None:
    for name in (".zarray", "zarr.json"):
        if (path / name).exists():
            meta = json.loads((path / name).read_text())
            (path / name).write_text(json.dumps({**meta, **fields}))


DISTRUSTED: list[tuple[int, dict[str, Any], str]] = [
    (2, {"filters": [{"id": "pickle"}]}, "is packed by 'pickle'"),
    (2, {"compressor": {"id": "mine"}}, "is packed by 'mine'"),
    (3, {"codecs": [{"name": "numcodecs.pickle"}]}, "is packed by 'numcodecs.pickle'"),
    (2, {"dtype": "|O"}, "holds no numbers"),
    (2, {"dtype": "<U5"}, "holds no numbers"),
    (2, {"shape": [20, 8]}, "metadata are damaged"),
    (2, {"shape": [20, 8, "x"]}, "metadata are damaged"),
    (2, {"chunks": [0, 8, 6]}, "metadata are damaged"),
    (3, {"chunk_grid": 3}, "metadata are damaged"),
    (3, {"data_type": "string"}, "metadata are damaged|holds no numbers"),
    (2, {"shape": [20, 2**30, 2**20]}, "would not fit into memory"),
    (2, {"chunks": [2**40, 8, 6]}, "would not fit into memory"),
    (3, {"fill_value": "x"}, "is damaged"),
]


@pytest.mark.parametrize(("version", "fields", "message"), DISTRUSTED, ids=str)
def test_metadata_are_not_trusted(version: int, fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    changed(store(tmp_path / "a.zarr", zarr_format=version), **fields)
    with pytest.raises(DataError, match=message):
        open_rows(tmp_path / "a.zarr")


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, '{"zarr_format": 3, "node_type": "group"}'])
def test_a_store_without_arrays_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.zarr.*(is damaged|holds no arrays)"):
        open_rows(tmp_path / "a.zarr")


def test_links_out_of_the_store_are_not_followed(tmp_path: Path) -> None:
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    store(tmp_path / "b.zarr")
    (tmp_path / "a.zarr" / "in").symlink_to(tmp_path / "b.zarr")
    with pytest.raises(DataError, match="holds no arrays"):
        open_rows(tmp_path / "a.zarr")
    shutil.rmtree(tmp_path / "b.zarr")
