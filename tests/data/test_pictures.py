"""Picture files as they are: each kind is written by pillow or tifffile, and read back equal, or refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from deepcae.data.contents import open_rows
from deepcae.data.folder import list_pictures, natural
from deepcae.data.picture import look_at, read_picture
from deepcae.errors import DataError

H, W = 20, 30
GREY = np.arange(H * W, dtype=np.int64).reshape(H, W) % 251
COLOURS = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1).astype(np.uint8)
DEEP = (GREY * 257 + 3).astype(np.uint16)
FLOATS = (GREY / 7 - 10).astype(np.float32)
DEEP_COLOURS = COLOURS.astype(np.uint16) * 200
ALPHA = np.where(GREY % 2 == 0, 255, 64).astype(np.uint8)
WHITE = np.rint((COLOURS * ALPHA[..., None].astype(float) + 255 * (255 - ALPHA[..., None].astype(float))) / 255)

Save = Callable[[Path], Any]


def pil(array: np.ndarray, mode: str | None = None, ending: str = ".png", **how: Any) -> tuple[str, Save]:
    image = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    return ending, lambda path: image.save(path, **how)


def tiff(array: np.ndarray, **how: Any) -> tuple[str, Save]:
    return ".tif", lambda path: tifffile.imwrite(path, array, metadata=None, **how)


def palette(grey: bool) -> tuple[str, Save]:
    image = Image.fromarray(GREY.astype(np.uint8)).convert("P")
    table = np.arange(256, dtype=np.uint8)[:, None] // 2
    image.putpalette((table.repeat(3, 1) if grey else np.concatenate([table, 255 - table, table], 1)).tobytes())
    return ".png", image.save


EIGHT = GREY.astype(np.uint8)
KINDS: dict[str, tuple[tuple[str, Save], np.ndarray]] = {
    "png of 1 bit": (pil(EIGHT, "1", dither=None), np.asarray(Image.fromarray(EIGHT).convert("1"), np.uint8) * 255),
    "grey png": (pil(EIGHT), EIGHT),
    "colour png": (pil(COLOURS), COLOURS),
    "png of 16 bits": (pil(DEEP), DEEP),
    "grey with transparency": (pil(np.stack([EIGHT, ALPHA], -1)), WHITE[..., :1].astype(np.uint8)),
    "colours with transparency": (pil(np.concatenate([COLOURS, ALPHA[..., None]], -1)), WHITE.astype(np.uint8)),
    "palette of colours": (palette(False), np.stack([EIGHT // 2, 255 - EIGHT // 2, EIGHT // 2], -1)),
    "palette of greys": (palette(True), EIGHT // 2),
    "bmp": (pil(COLOURS, ending=".bmp"), COLOURS),
    "pgm": (pil(EIGHT, ending=".pgm"), EIGHT),
    "pgm of 16 bits": (pil(DEEP, ending=".pgm"), DEEP),
    "gif": (pil(EIGHT, ending=".gif"), EIGHT),
    "webp": (pil(COLOURS, ending=".webp", lossless=True), COLOURS),
    "tiff of 8 bits": (tiff(EIGHT), EIGHT),
    "tiff of 16 bits": (tiff(DEEP), DEEP),
    "tiff of 16 bits, big-endian": (tiff(DEEP, byteorder=">"), DEEP),
    "tiff of 16 bits in colours": (tiff(DEEP_COLOURS, photometric="rgb"), DEEP_COLOURS),
    "tiff of floats": (tiff(FLOATS), FLOATS),
    "tiff in which 0 is white": (tiff(EIGHT, photometric="miniswhite"), 255 - EIGHT),
    "tiff of inks": (
        tiff(np.concatenate([255 - COLOURS, np.zeros((H, W, 1), np.uint8)], -1), photometric="separated"),
        COLOURS,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_as_it_is(kind: str, tmp_path: Path) -> None:
    (ending, save), expected = KINDS[kind]
    path = tmp_path / f"a{ending}"
    save(path)
    found, look = read_picture(path), look_at(path)
    assert (look.shape, look.dtype) == (found.shape, found.dtype)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(np.moveaxis(found, 0, -1), np.atleast_3d(expected))


@pytest.mark.parametrize("turn", range(1, 9))
def test_it_is_upright_however_the_camera_was_held(turn: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = turn
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=exif)
    upright = {1: COLOURS, 2: COLOURS[:, ::-1], 3: COLOURS[::-1, ::-1], 4: COLOURS[::-1], 5: COLOURS.swapaxes(0, 1),
               6: np.rot90(COLOURS, -1), 7: COLOURS[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(COLOURS)}[turn]  # fmt: skip
    found = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(np.moveaxis(found, 0, -1), upright)
    assert look_at(tmp_path / "a.png").shape == found.shape
    assert look_at(tmp_path / "a.png").is_turned == (turn > 1)


def test_a_jpeg_of_inks_has_three_channels_near_its_colours(tmp_path: Path) -> None:
    plain = np.full((H, W, 3), (200, 100, 50), np.uint8)
    Image.fromarray(plain).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert look_at(tmp_path / "a.jpg").is_inks
    assert np.abs(np.moveaxis(read_picture(tmp_path / "a.jpg"), 0, -1).astype(int) - plain).max() < 12


REFUSED: dict[str, tuple[tuple[str, Save], str]] = {
    "grey of 16 bits with transparency": (("png", lambda path: path.write_bytes(la16())), "16 bits of grey and transp"),
    "tiff of 32 bits": (tiff(GREY.astype(np.uint32)), "its pixels have 32 bits"),
    "two pages": (tiff(np.stack([EIGHT, EIGHT]), photometric="minisblack"), "holds more than one picture"),
    "an animation": (
        pil(EIGHT, ending=".gif", save_all=True, append_images=[Image.fromarray(EIGHT[::-1])]),
        "more than one picture",
    ),
    "a text": ((".png", lambda path: path.write_text("no picture")), "is no readable image"),
    "an empty file": ((".png", lambda path: path.write_bytes(b"")), "it is empty"),
    "a folder": ((".png", lambda path: path.mkdir()), "this is a folder"),
}


def la16() -> bytes:
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 2, 2, 16, 4, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(8)) * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    (ending, save), message = REFUSED[kind]
    path = tmp_path / f"a.{ending.lstrip('.')}"
    save(path)
    with pytest.raises(DataError, match=rf"a\.{ending.lstrip('.')}: .*{message}"):
        read_picture(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp", "webp", "gif"])
def test_a_truncated_file_is_refused_by_name(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    Image.effect_noise((60, 50), 80).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DataError, match=rf"a\.{ending}: is no readable image"):
        read_picture(path)


def folder_of(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(root / name)
    return root


def test_a_folder_is_rows_sorted_as_people_count(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "img10.png", "img2.png", "IMG1.png")
    rows = open_rows(folder)
    assert rows.shapes == {"data": (1, 8, 8)}
    assert rows.read(slice(0, 3))["data"][:, 0, 0, 0].tolist() == [2, 1, 0]
    assert rows.read(np.array([2, 0]))["data"][:, 0, 0, 0].tolist() == [0, 2]


def test_subfolders_are_classes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "dog/1.png", "cat/a/1.png", "cat/2.png", "ant/3.png")
    pictures = list_pictures(folder)
    assert pictures.classes == ("ant", "cat", "dog")
    assert open_rows(folder).read(slice(0, 4))["label"].tolist() == [0, 1, 1, 2]
    assert pictures.names == ("ant/3.png", "cat/2.png", "cat/a/1.png", "dog/1.png")


def test_a_hundred_classes_keep_their_order(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *(f"class{number}/x.png" for number in range(100)))
    pictures = list_pictures(folder)
    assert pictures.classes == tuple(f"class{number}" for number in range(100))
    assert pictures.labels is not None
    assert pictures.labels.tolist() == list(range(100))


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (("a/1.png", "a/2.png"), ""),
        (("1.png", "a/2.png", "b/3.png"), "subfolders are no classes, because 1 pictures lie beside them"),
    ],
)
def test_other_folders_have_no_classes(names: tuple[str, ...], note: str, tmp_path: Path) -> None:
    pictures = list_pictures(folder_of(tmp_path, *names))
    assert pictures.classes == ()
    assert pictures.labels is None
    assert list(pictures.notes) == [note] * bool(note)


def test_what_is_no_picture_is_left_out_and_told(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.png", ".hidden.png", ".cache/b.png", "__MACOSX/c.png", "d.png")
    for name in ("notes.txt", "x.csv", "Thumbs.db", ".DS_Store"):
        (folder / name).write_text("text")
    pictures = list_pictures(folder)
    assert pictures.names == ("a.png", "d.png")
    assert pictures.notes == ("left out, as they are no pictures: notes.txt, x.csv",)


def test_a_file_without_an_ending_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.png")
    (folder / "scan").write_bytes((folder / "a.png").read_bytes())
    (folder / "README").write_text("text")
    assert list_pictures(folder).names == ("a.png", "scan")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a/1.png", "b/2.png")
    os.symlink(folder, folder / "a" / "again")
    os.symlink(folder / "a", folder / "b" / "other")
    assert len(list_pictures(folder).names) == 2


@pytest.mark.parametrize("make", [lambda path: None, lambda path: (path / "x.txt").write_text("x")])
def test_a_folder_without_pictures_is_told(make: Callable[[Path], Any], tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match="holds no pictures"):
        open_rows(tmp_path)


def test_another_size_or_type_is_told_by_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.png", "b.png")
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(folder / "b.png")
    with pytest.raises(DataError, match=r"b\.png: is 1x9x8 of uint8, but a\.png is 1x8x8 of uint8"):
        open_rows(folder).read(slice(0, 2))


def test_one_picture_and_a_list_of_pictures_are_rows(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.png", "b.png")
    assert open_rows(folder / "b.png").read(slice(0, 1))["data"].tolist() == np.ones((1, 1, 8, 8)).tolist()
    (tmp_path / "list.txt").write_text("b.png\na.png\n")
    assert open_rows(tmp_path / "list.txt").read(slice(0, 2))["data"][:, 0, 0, 0].tolist() == [1, 0]


def test_names_sort_as_people_count() -> None:
    names = ["a10", "a2", "B1", "a", "10", "9", "a2b"]
    assert sorted(names, key=natural) == ["9", "10", "a", "a2", "a2b", "a10", "B1"]


@pytest.mark.parametrize(
    ("names", "held", "classes"),
    [
        (("train/1.png", "train/2.png", "test/1.png"), [1, 0, 0], ()),
        (("Train/cat/1.png", "Train/dog/2.png", "val/cat/1.png", "val/dog/3.png"), [0, 0, 1, 1], ("cat", "dog")),
        (("train/1.png", "validation/2.png", "test/3.png"), [1, 0, 1], ()),
        (("train/1.png", "test/1.png", "cat/1.png"), None, ("cat", "test", "train")),
        (("test/1.png", "val/1.png"), None, ("test", "val")),
        (("train/1.png", "test/1.png", "0.png"), None, ()),
    ],
)
def test_folders_of_a_split_are_no_classes(
    names: tuple[str, ...], held: list[int] | None, classes: tuple[str, ...], tmp_path: Path
) -> None:
    pictures = list_pictures(folder_of(tmp_path, *names))
    assert pictures.classes == classes
    assert (None if pictures.is_test is None else pictures.is_test.tolist()) == held
