"""TIFF stacks as tifffile and pillow write them, read back equal; and what is damaged, told."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from deepcae.data.contents import contents_of, open_rows
from deepcae.data.named import Named
from deepcae.data.tiffstack import TiffArrays
from deepcae.errors import DataError
from deepcae.prepare.options import Options
from deepcae.prepare.sources import laid_out

STACK = np.arange(12 * 16 * 10, dtype=np.uint16).reshape(12, 16, 10)
HYPER = STACK.reshape(2, 3, 2, 16, 10)


def read(path: Path) -> np.ndarray:
    rows = open_rows(path)
    return rows.read(slice(0, rows.total))["data"]


def rows_of(array: np.ndarray, axes: str) -> np.ndarray:
    """The images of an array, by numpy: what counts rows first, then channels, height, width."""
    order = [axes.index(name) for name in axes if name not in "CSYX"] + [axes.index(n) for n in "CSYX" if n in axes]
    moved = array.transpose(order)
    channels = int(np.prod([array.shape[axes.index(name)] for name in "CS" if name in axes]))
    return moved.reshape(-1, channels, array.shape[axes.index("Y")], array.shape[axes.index("X")])


WRITTEN: dict[str, tuple[np.ndarray, str, dict[str, Any]]] = {
    "plain pages": (STACK, "QYX", {"metadata": None, "photometric": "minisblack"}),
    "tifffile's own": (STACK, "QYX", {}),
    "bigtiff": (STACK, "QYX", {"bigtiff": True}),
    "big-endian": (STACK, "QYX", {"byteorder": ">"}),
    "packed": (STACK, "QYX", {"compression": "zlib", "metadata": None, "photometric": "minisblack"}),
    "packed with a predictor, big-endian": (
        STACK, "QYX", {"compression": "zlib", "predictor": True, "byteorder": ">", "metadata": None,
                       "photometric": "minisblack"},
    ),
    "tiles": (np.tile(STACK, (1, 2, 4)), "QYX", {"tile": (16, 16), "photometric": "minisblack"}),
    "floats": (STACK.astype(np.float32) / 3, "QYX", {}),
    "signed": (STACK.astype(np.int16) - 900, "QYX", {"photometric": "minisblack"}),
    "ImageJ": (STACK, "TYX", {"imagej": True, "metadata": {"axes": "TYX"}}),
    "ImageJ's hyperstack": (HYPER, "TZCYX", {"imagej": True, "metadata": {"axes": "TZCYX"}}),
    "ImageJ's, packed": (HYPER, "TZCYX", {"imagej": True, "metadata": {"axes": "TZCYX"}, "compression": "zlib"}),
    "OME": (HYPER, "TZCYX", {"ome": True, "metadata": {"axes": "TZCYX"}}),
    "OME, channels outside": (HYPER, "TCZYX", {"ome": True, "metadata": {"axes": "TCZYX"}}),
    "OME, channels first of all": (HYPER, "CTZYX", {"ome": True, "metadata": {"axes": "CTZYX"}, "compression": "zlib"}),
    "colours": (np.tile(STACK[..., None], 3).astype(np.uint8), "QYXS", {"photometric": "rgb", "metadata": None}),
    "one page": (STACK[0], "YX", {}),
    "planes of colours": (
        np.tile(STACK[:, None], (1, 3, 1, 1)).astype(np.uint8), "QSYX",
        {"photometric": "rgb", "planarconfig": "separate"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITTEN)
def test_it_is_read_as_it_was_written(kind: str, tmp_path: Path) -> None:
    array, axes, how = WRITTEN[kind]
    tifffile.imwrite(tmp_path / "a.tif", array, **how)
    expected = rows_of(array, axes)
    stack = TiffArrays(tmp_path / "a.tif")["data"]
    assert (stack.shape, stack.dtype) == (expected.shape, array.dtype)
    np.testing.assert_array_equal(stack.read(0, len(expected)), expected)
    if len(expected) > 4:
        np.testing.assert_array_equal(stack.read(3, 5), expected[3:5])
        np.testing.assert_array_equal(stack.pick(np.array([4, 0, 4])), expected[[4, 0, 4]])
    stack.close()


def test_what_was_made_of_the_axes_is_told(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", HYPER, imagej=True, metadata={"axes": "TZCYX"})
    told = TiffArrays(tmp_path / "a.tif")["data"].told
    assert told is not None
    assert told.steps == (("t", 2), ("z", 3))
    assert told.is_series
    assert told.notes == ("axes TZCYX: 2 times x 3 depths are 6 images, 2 channels; --axes reads them otherwise",)


@pytest.mark.parametrize(
    ("array", "how", "note"),
    [
        (STACK, {"metadata": {"axes": "TYX"}, "imagej": True}, None),
        (
            STACK,
            {},
            "what its 12 pages are is not said, each is an image here; if they are channels: --axes cyx",
        ),
        (STACK[0], {}, None),
    ],
)
def test_pages_of_which_the_file_says_nothing_are_told(
    array: np.ndarray, how: dict[str, Any], note: str | None, tmp_path: Path
) -> None:
    """They may be channels, planes or times."""
    tifffile.imwrite(tmp_path / "a.tif", array, **how)
    found = TiffArrays(tmp_path / "a.tif")
    told = found["data"].told
    assert told is not None
    assert [each.split(": ", 1)[1] for each in told.notes] == ([] if note is None else [note])
    if note is not None:
        laid, _ = laid_out(found.plain("data"), Options(axes="cyx"))
        assert laid.shape == (1, *STACK.shape)


def test_a_hyperstack_with_the_tags_of_one_page_alone_is_whole(tmp_path: Path) -> None:
    """As ImageJ writes more than 4 GB."""
    tifffile.imwrite(tmp_path / "a.tif", HYPER, imagej=True, metadata={"axes": "TZCYX"})
    content = bytearray((tmp_path / "a.tif").read_bytes())
    assert content[:4] == b"II*\0"
    first = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, first)[0]
    struct.pack_into("<I", content, first + 2 + 12 * count, 0)  # no next page
    (tmp_path / "a.tif").write_bytes(content)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 1
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), rows_of(HYPER, "TZCYX"))


@pytest.mark.parametrize("packing", ["tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate"])
def test_what_tifffile_does_not_unpack_pillow_does(packing: str, tmp_path: Path) -> None:
    pages = [Image.fromarray(page.astype(np.uint8)) for page in STACK]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression=packing)
    found = read(tmp_path / "a.tif")
    expected = []
    with Image.open(tmp_path / "a.tif") as image:
        for number in range(len(STACK)):
            image.seek(number)
            expected.append(np.asarray(image).copy())
    np.testing.assert_array_equal(found[:, 0], np.stack(expected))


def test_what_nobody_unpacks_names_the_package_that_does(tmp_path: Path) -> None:
    from deepcae.data.pages import read_by_pillow

    pages = [Image.fromarray(page) for page in STACK]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[:, 0], STACK)  # 16 bits of grey pillow gives
    with pytest.raises(DataError, match=r"a\.tif: is packed by LZW, which needs the imagecodecs package: pip install"):
        read_by_pillow(tmp_path / "a.tif", 0, (16, 10), np.dtype(np.int32), "LZW")


@pytest.mark.parametrize("kind", ["plain pages", "packed", "ImageJ's hyperstack", "OME", "tifffile's own", "tiles"])
@pytest.mark.parametrize("part", [0.3, 0.5, 0.9, 0.99])
def test_a_truncated_stack_is_told_and_not_read_in_part(kind: str, part: float, tmp_path: Path) -> None:
    array, _, how = WRITTEN[kind]
    tifffile.imwrite(tmp_path / "a.tif", array, **how)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: int(len(content) * part)])
    found = told_or_read(tmp_path / "a.tif")
    if isinstance(found, str):
        assert re.search(r"a\.tif: .*(truncated|damaged|not whole)", found)
    else:  # what is lost are tags that nobody needs
        assert part >= 0.9
        np.testing.assert_array_equal(found, rows_of(array, WRITTEN[kind][1]))


def told_or_read(path: Path) -> np.ndarray | str:
    try:
        return read(path)
    except DataError as error:
        return str(error)


def test_transparency_is_left_out_and_0_that_is_white_is_turned(tmp_path: Path) -> None:
    colours = np.tile(STACK[..., None], 4).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), np.moveaxis(colours[..., :3], -1, 1))
    tifffile.imwrite(tmp_path / "b.tif", STACK, photometric="miniswhite", metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "b.tif")[:, 0], 65535 - STACK)


def test_of_several_series_each_has_a_name(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(STACK, photometric="minisblack")
        file.write(STACK[:3, :8], photometric="minisblack")
    contents = contents_of(tmp_path / "a.tif")
    assert contents.names == ["data", "series0", "series1"]
    np.testing.assert_array_equal(contents.rows(["series1"]).read(slice(0, 3))["series1"][:, 0], STACK[:3, :8])
    told = TiffArrays(tmp_path / "a.tif")["data"].told
    assert told is not None
    assert any("holds 2 series" in note for note in told.notes)


@pytest.mark.parametrize("content", [b"", b"II*\0", b"II*\0\x08\0\0\0", b"MM\0*" + bytes(100), b"II+\0" + bytes(100)])
def test_what_only_begins_like_a_tiff_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tif"):
        read(tmp_path / "a.tif")


def test_named_axes_are_checked_and_moved() -> None:
    array = np.arange(2 * 3 * 4 * 5).reshape(3, 4, 5, 2)
    named = Named("x", "yxnc", array.shape, array.dtype, array.__getitem__)
    np.testing.assert_array_equal(named.read(1, 4), array.transpose(2, 3, 0, 1)[1:4])
    for axes, message in (
        ("yxn", "has 4 axes"),
        ("yxnn", "has 4 axes"),
        ("abcd", "hold no image"),
        ("yx1n", "one letter"),
    ):
        with pytest.raises(DataError, match=message):
            Named("x", axes, array.shape, array.dtype, array.__getitem__)


@pytest.mark.parametrize("packed", [None, "zlib"])
def test_pages_written_one_by_one_are_a_stack(tmp_path: Path, packed: str | None) -> None:
    frames = np.random.default_rng(0).integers(0, 60_000, (7, 12, 9)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "t.tif") as file:
        for frame in frames:
            file.write(frame, compression=packed)
    found = TiffArrays(tmp_path / "t.tif")
    assert list(found) == ["data"]
    stack = found["data"]
    np.testing.assert_array_equal(stack.read(0, 7)[:, 0], frames)
    np.testing.assert_array_equal(stack.pick(np.array([5, 1]))[:, 0], frames[[5, 1]])
    stack.close()


def test_pages_of_other_sizes_stay_series(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "t.tif") as file:
        for height in (8, 5):
            file.write(np.zeros((height, 9), np.uint8))
    assert list(TiffArrays(tmp_path / "t.tif")) == ["data", "series0", "series1"]
