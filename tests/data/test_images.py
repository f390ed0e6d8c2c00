"""Every kind of picture file against the bytes that OpenCV makes of it; the formulas were proven with OpenCV itself."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepcae.data.images import decode
from deepcae.data.imageset import Settings, convert_imageset
from deepcae.data.mean import compute_image_mean
from deepcae.data.resize import resize
from deepcae.data.source import Feed
from deepcae.errors import DataError
from deepcae.proto.schema import TEST
from pictures import GRAY, GRAY_ALPHA, PALETTE, RGB, RGBA, png, tiff

MakeLayer = Callable[[str], Any]
RANDOM = np.random.default_rng(7)
SIZE = (9, 14)
GRAY8 = RANDOM.integers(0, 256, SIZE, np.uint8)
GRAY16 = RANDOM.integers(0, 2**16, SIZE, np.uint16)
COLOR8 = RANDOM.integers(0, 256, (*SIZE, 3), np.uint8)
COLOR16 = RANDOM.integers(0, 2**16, (*SIZE, 3), np.uint16)
CLEAR8 = RANDOM.integers(0, 256, (*SIZE, 4), np.uint8)
CLEAR16 = RANDOM.integers(0, 2**16, (*SIZE, 4), np.uint16)
CHOICES = (True, False, None)


def saved(pixels: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, kind, **options)
    return stream.getvalue()


def read(content: bytes, color: bool | None) -> np.ndarray:
    """(C, H, W) of B, G, R as (H, W) or (H, W, C) of R, G, B."""
    pixels = decode(content, color, "it")
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    if len(pixels) == 1:
        return pixels[0]
    rgb = pixels[2::-1].transpose(1, 2, 0)
    return np.dstack([rgb, pixels[3]]) if len(pixels) == 4 else rgb


def weighted(colors: np.ndarray, red: int, green: int, blue: int, half: int, bits: int) -> np.ndarray:
    r, g, b = np.moveaxis(colors[..., :3].astype(np.int64), -1, 0)
    return (red * r + green * g + blue * b + half) >> bits


def gray_of_png(colors: np.ndarray) -> np.ndarray:
    return weighted(colors, 9797, 19234, 3737, 0, 15)


def gray_of_others(colors: np.ndarray) -> np.ndarray:
    return weighted(colors, 4899, 9617, 1868, 8192, 14)


def pgm(kind: bytes, pixels: np.ndarray) -> bytes:
    return kind + b" %d %d 65535\n" % SIZE[::-1] + pixels.astype(">u2").tobytes()


# 16 bits

DEEP_GRAYS = {
    "png": png(GRAY16, GRAY),
    "png with transparency": png(GRAY16, GRAY, [(b"tRNS", b"\1\2")]),
    "png with a gamma": png(GRAY16, GRAY, [(b"gAMA", struct.pack(">I", 45455))]),
    "tiff": tiff(GRAY16),
    "tiff, big-endian": tiff(GRAY16, ">"),
    "tiff, packed": saved(GRAY16, "TIFF", compression="tiff_lzw"),
    "pgm": pgm(b"P5", GRAY16),
}


@pytest.mark.parametrize("content", DEEP_GRAYS.values(), ids=DEEP_GRAYS)
@pytest.mark.parametrize("color", CHOICES)
def test_of_16_bits_of_gray_the_high_byte_counts(content: bytes, color: bool | None) -> None:
    high = (GRAY16 >> 8).astype(np.uint8)
    np.testing.assert_array_equal(read(content, color), np.dstack([high] * 3) if color else high)


def test_in_a_tiff_white_may_be_0() -> None:
    np.testing.assert_array_equal(read(tiff(GRAY8, white_is_0=True), False), 255 - GRAY8)
    np.testing.assert_array_equal(read(tiff(GRAY16, white_is_0=True), False), 255 - (GRAY16 >> 8))


@pytest.mark.parametrize("content", [png(COLOR16, RGB), pgm(b"P6", COLOR16)], ids=["png", "ppm"])
def test_of_16_bits_of_colour_the_high_bytes_count(content: bytes) -> None:
    for color in (True, None):
        np.testing.assert_array_equal(read(content, color), COLOR16 >> 8)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiffs_16_bits_of_colour_are_rounded(order: str) -> None:
    """By libtiff, through which OpenCV reads them: a 257th of the value."""
    rounded = (COLOR16.astype(int) + 128) // 257
    np.testing.assert_array_equal(read(tiff(COLOR16, order), True), rounded)
    np.testing.assert_array_equal(read(tiff(COLOR16, order), False), gray_of_others(rounded))


@pytest.mark.parametrize(("pixels", "kind"), [(COLOR16, RGB), (CLEAR16, RGBA)])
def test_gray_of_16_bit_colour_is_the_sum_of_all_16(pixels: np.ndarray, kind: int) -> None:
    expected = weighted(pixels, 9797, 19234, 3737, 2**14, 15) >> 8
    np.testing.assert_array_equal(read(png(pixels, kind), False), expected)


# Gray of colours


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM"])
def test_gray_by_opencvs_sum(kind: str) -> None:
    np.testing.assert_array_equal(read(saved(COLOR8, kind), False), gray_of_others(COLOR8))


def test_gray_by_the_sums_of_libpng_and_of_webps_reader() -> None:
    np.testing.assert_array_equal(read(png(COLOR8, RGB), False), gray_of_png(COLOR8))
    np.testing.assert_array_equal(read(png(CLEAR8, RGBA), False), gray_of_png(CLEAR8))
    webp = saved(COLOR8, "WEBP", lossless=True)
    np.testing.assert_array_equal(read(webp, False), weighted(COLOR8, 9798, 19235, 3735, 2**14, 15))
    apart = np.array([[[228, 205, 35], [232, 240, 11], [167, 46, 233], [41, 48, 176]]], np.uint8)  # where they differ
    assert read(saved(apart, "WEBP", lossless=True), False).tolist() == [[193, 212, 103, 60]]
    assert read(saved(apart, "BMP"), False).tolist() == [[192, 211, 104, 61]]


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True, "quality": 95}])
def test_gray_of_a_jpeg_is_its_own_luma(options: dict[str, Any]) -> None:
    content = saved(COLOR8, "JPEG", **options)
    with Image.open(io.BytesIO(content)) as image:
        image.draft("YCbCr", image.size)
        luma = np.asarray(image)[..., 0]
    np.testing.assert_array_equal(read(content, False), luma)


FEW = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30], [200, 100, 50], [77, 77, 77]]], np.uint8)
FEW_DEEP = FEW.astype(np.uint16) * 256 + np.arange(18, dtype=np.uint16).reshape(1, 6, 3) * 14
OF_LIGHT = [147, 200, 95, 21, 137, 77]


@pytest.mark.parametrize(
    ("pixels", "chunks", "expected"),
    [
        (FEW, [], [76, 149, 29, 18, 124, 77]),
        (FEW, [(b"sRGB", b"\0")], OF_LIGHT),
        (FEW, [(b"gAMA", struct.pack(">I", 45455))], OF_LIGHT),
        (FEW, [(b"gAMA", struct.pack(">I", 30000))], [177, 217, 133, 0, 146, 77]),
        (FEW, [(b"gAMA", struct.pack(">I", 100000))], [76, 149, 29, 18, 124, 77]),
        (FEW_DEEP, [], [76, 149, 29, 18, 124, 77]),
        (FEW_DEEP, [(b"sRGB", b"\0")], [147, 200, 95, 19, 137, 77]),
        (FEW_DEEP, [(b"gAMA", struct.pack(">I", 30000))], [177, 217, 133, 0, 147, 77]),
    ],
)
def test_gray_of_a_png_that_says_its_gamma(
    pixels: np.ndarray, chunks: list[tuple[bytes, bytes]], expected: list[int]
) -> None:
    """What OpenCV 4.14 reads; colours stay what they are."""
    content = png(pixels, RGB, chunks)
    assert read(content, False).tolist() == [expected]
    np.testing.assert_array_equal(read(content, True), FEW_DEEP >> 8 if pixels is FEW_DEEP else FEW)


# Channels

COLORS = RANDOM.integers(0, 256, (256, 3), np.uint8)
PALETTE_CHUNK = (b"PLTE", COLORS.tobytes())


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        (png(GRAY8, GRAY), GRAY8),
        (png(GRAY8, GRAY, [(b"tRNS", b"\0\5")]), GRAY8),
        (png(CLEAR8[..., :2], GRAY_ALPHA), np.dstack([CLEAR8[..., 0]] * 3 + [CLEAR8[..., 1]])),
        (png(COLOR8, RGB), COLOR8),
        (png(CLEAR8, RGBA), CLEAR8),
        (png(CLEAR16, RGBA), CLEAR16 >> 8),
        (png(GRAY8, PALETTE, [PALETTE_CHUNK]), COLORS[GRAY8]),
        (
            png(GRAY8, PALETTE, [PALETTE_CHUNK, (b"tRNS", bytes(range(100)))]),
            np.dstack([COLORS[GRAY8], np.where(GRAY8 < 100, GRAY8, 255)]),
        ),
        (saved(Image.fromarray(GRAY8 > 99), "PNG"), np.where(GRAY8 > 99, 255, 0)),
        (saved(Image.fromarray(GRAY8 > 99), "TIFF", compression="group4"), np.where(GRAY8 > 99, 255, 0)),
        (tiff(CLEAR8[..., :2], alpha=2), CLEAR8[..., 0]),
        (saved(CLEAR8, "BMP"), CLEAR8[..., :3]),
        (saved(CLEAR8, "WEBP", lossless=True, exact=True), CLEAR8),
    ],
    ids=[
        "gray", "a clear gray", "gray and alpha", "rgb", "rgba", "rgba of 16 bits", "palette", "clear palette",
        "1 bit", "1 bit in a tiff", "gray and alpha in a tiff", "bmp", "webp",
    ],
)  # fmt: skip
def test_the_channels_of_each_kind(content: bytes, stored: np.ndarray) -> None:
    """As stored where nothing is forced; transparency is left out, not mixed in, where colour is."""
    np.testing.assert_array_equal(read(content, None), stored)
    np.testing.assert_array_equal(read(content, True), np.dstack([stored] * 3) if stored.ndim == 2 else stored[..., :3])
    assert read(content, False).shape == SIZE


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits"])
def test_a_tiffs_colours_are_multiplied_by_their_alpha(compression: str | None) -> None:
    """By libtiff, unless they stand so in the file."""
    over_black = (CLEAR8[..., :3].astype(int) * CLEAR8[..., 3:] + 127) // 255
    content = saved(CLEAR8, "TIFF", compression=compression)
    np.testing.assert_array_equal(read(content, True), over_black)
    np.testing.assert_array_equal(read(content, None), np.dstack([over_black, CLEAR8[..., 3]]))
    np.testing.assert_array_equal(read(tiff(CLEAR8, alpha=1), True), CLEAR8[..., :3])


def test_printers_inks() -> None:
    inks = Image.frombytes("CMYK", SIZE[::-1], CLEAR8.tobytes())
    cyan_magenta_yellow, black = CLEAR8[..., :3].astype(int), CLEAR8[..., 3:].astype(int)
    of_tiff = (255 - black) * (255 - cyan_magenta_yellow) // 255
    np.testing.assert_array_equal(read(saved(inks, "TIFF"), True), of_tiff)
    jpeg = saved(inks, "JPEG", quality=100)
    assert abs(read(jpeg, True).astype(int) - of_tiff).mean() < 4


# Orientation

TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, -1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, 1),
}


def exif(turn: int) -> bytes:
    tags = Image.Exif()
    tags[274] = turn
    return tags.tobytes()


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 90}), ("WEBP", {"lossless": True})])
def test_a_picture_is_turned_as_the_camera_was_held(turn: int, kind: str, options: dict[str, Any]) -> None:
    plain, turned = saved(COLOR8, kind, **options), saved(COLOR8, kind, exif=exif(turn), **options)
    for color in (True, False):
        np.testing.assert_array_equal(read(turned, color), TURNS[turn](read(plain, color)))
    np.testing.assert_array_equal(read(turned, None), read(plain, None))  # as IMREAD_UNCHANGED


@pytest.mark.parametrize("turn", TURNS)
def test_a_tiff_is_turned_by_its_own_tag(turn: int) -> None:
    for pixels in (GRAY8, COLOR8):
        content = saved(pixels, "TIFF", tiffinfo={274: turn})
        np.testing.assert_array_equal(read(content, None), TURNS[turn](pixels))
    deep = saved(GRAY16, "TIFF", tiffinfo={274: turn})
    np.testing.assert_array_equal(read(deep, False), TURNS[turn](GRAY16 >> 8))


@pytest.mark.parametrize("content", [b"Exif\0\0nonsense", exif(9), b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_an_orientation_that_says_nothing_turns_nothing(content: bytes) -> None:
    plain, odd = saved(COLOR8, "JPEG"), saved(COLOR8, "JPEG", exif=content)
    np.testing.assert_array_equal(read(odd, True), read(plain, True))


# Refusals

FLOATS = "its pixels are floating-point numbers; save it with 8 or 16 bits, or its values as HDF5"
MORE = r"holds more than one picture \(pages or frames\), and only the first would be read; save each one"
OTHER8 = 255 - GRAY8


def several(kind: str, **options: Any) -> bytes:
    return saved(GRAY8, kind, save_all=True, append_images=[Image.fromarray(OTHER8)], **options)


REFUSED = {
    "pages": (tiff([GRAY8, OTHER8]), MORE),
    "pages of another kind": (tiff([GRAY8, COLOR8]), MORE),
    "a numbered page": (tiff([GRAY8, OTHER8], subfile=2), MORE),
    "an animated GIF": (several("GIF"), MORE),
    "an animated PNG": (several("PNG"), MORE),
    "an animated WebP": (several("WEBP", lossless=True), MORE),
    "floats": (tiff(GRAY16.astype(np.float32) / 65535), FLOATS),
    "floats, big-endian": (tiff(GRAY16.astype(np.float32), ">"), FLOATS),
    "doubles": (tiff(GRAY16 / 65535), FLOATS),
    "half floats": (tiff((GRAY16 / 65535).astype(np.float16)), FLOATS),
    "floats in colour": (tiff(COLOR16.astype(np.float32)), FLOATS),
    "a PFM": (b"Pf\n2 1\n-1.0\n" + np.array([0.5, 2.0], "<f4").tobytes(), FLOATS),
    "12 bits": (tiff(GRAY16, bits=12), "its pixels have 12 bits, not 1, 2, 4, 8, 16; save it with 8 or 16 bits"),
    "32 bits": (tiff(GRAY16.astype(np.uint32)), "its pixels have 32 bits"),
    "64 bits": (tiff(GRAY16.astype(np.int64)), "its pixels have 64 bits"),
    "negative numbers": (tiff(np.full(SIZE, -5, np.int16)), r"is no readable image \(its pixels are no numbers "),
    "planes of 16 bits": (tiff(COLOR16, planes=True), "has planes of 16 bits for each colour; save it with"),
    "an empty file": (b"", r"is no readable image \(it is empty\)"),
    "a text": (
        b"a.png 1\n",
        r"is no readable image \(it is damaged, or none of BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP\)",
    ),
    "half a PNG": (png(COLOR16, RGB)[:400], "is no readable image"),
    "half a JPEG": (saved(COLOR8, "JPEG")[:-200], "is no readable image"),
    "half a TIFF": (tiff(GRAY16)[:100], "is no readable image"),
    "a PNG of no width": (png(np.zeros((3, 0), np.uint8), GRAY), "is no readable image"),
    "a TIFF's head": (b"II*\0", "is no readable image"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_would_lose_pixels_is_refused_by_name(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "a picture.tif"
    file.write_bytes(content)
    for color in CHOICES:
        with pytest.raises(DataError, match=f"a picture.tif: {sentence}") as refused:
            decode(file, color, file.name)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 200
        with pytest.raises(DataError, match=f"a picture.tif: {sentence}"):
            decode(content, color, file.name)


def test_copies_of_the_same_picture_are_no_further_pages() -> None:
    small = GRAY8[::2, ::2]
    np.testing.assert_array_equal(read(tiff([GRAY8, small, small], subfile=1), False), GRAY8)
    camera = saved(COLOR8, "MPO", save_all=True, append_images=[Image.fromarray(COLOR8[::2, ::2])])
    assert read(camera, True).shape == COLOR8.shape
    assert read(camera, False).shape == SIZE
    np.testing.assert_array_equal(read(saved(GRAY8, "GIF"), False), GRAY8)


# Everybody who reads pictures

IMAGES = """name: "d" type: "ImageData" top: "data" top: "label"
    image_data_param { source: "list.txt" batch_size: 1 is_color: %s }"""
RECORDS = """name: "d" type: "Data" top: "data" data_param { source: "db" backend: LMDB batch_size: 1 }
    transform_param { %s }"""


def list_of(folder: Path, content: bytes, ending: str) -> str:
    (folder / f"a picture.{ending}").write_bytes(content)
    (folder / "list.txt").write_text(f"a picture.{ending} 1\n")
    return f"{folder}/"


def first(layer: Any, folder: Path) -> np.ndarray:
    with Feed([layer], TEST, [folder]) as feed:
        return feed.batch(0)["data"][0]


@pytest.mark.parametrize(("content", "ending"), [(png(GRAY16, GRAY), "png"), (tiff(GRAY16, ">"), "tif")])
def test_all_readers_agree_on_16_bits(tmp_path: Path, layer: MakeLayer, content: bytes, ending: str) -> None:
    pytest.importorskip("lmdb", reason="the lmdb package is optional")
    root = list_of(tmp_path, content, ending)
    high = (GRAY16 >> 8).astype(np.float32)[None]
    np.testing.assert_array_equal(first(layer(IMAGES % "false"), tmp_path), high)
    np.testing.assert_array_equal(first(layer(IMAGES % "true"), tmp_path), np.repeat(high, 3, 0))
    for name, settings in {"raw": Settings(gray=True), "encoded": Settings(encoded=True)}.items():
        convert_imageset(root, tmp_path / "list.txt", tmp_path / name, settings)
        records = layer((RECORDS % "").replace('"db"', f'"{name}"'))
        np.testing.assert_array_equal(first(records, tmp_path), high)
        np.testing.assert_array_equal(compute_image_mean(tmp_path / name), high)
    forced = layer((RECORDS % "force_color: true").replace('"db"', '"encoded"'))
    np.testing.assert_array_equal(first(forced, tmp_path), np.repeat(high, 3, 0))


def test_encoded_records_are_turned_only_where_colour_is_forced(tmp_path: Path, layer: MakeLayer) -> None:
    pytest.importorskip("lmdb", reason="the lmdb package is optional")
    root = list_of(tmp_path, saved(COLOR8, "PNG", exif=exif(6)), "png")
    convert_imageset(root, tmp_path / "list.txt", tmp_path / "db", Settings(encoded=True))
    upright = COLOR8[..., ::-1].transpose(2, 0, 1)
    turned = np.rot90(upright, -1, (1, 2))
    np.testing.assert_array_equal(first(layer(RECORDS % ""), tmp_path), upright)
    np.testing.assert_array_equal(first(layer(RECORDS % "force_color: true"), tmp_path), turned)
    np.testing.assert_array_equal(first(layer(IMAGES % "true"), tmp_path), turned)
    convert_imageset(root, tmp_path / "list.txt", tmp_path / "raw")
    raw = layer((RECORDS % "").replace('"db"', '"raw"'))
    np.testing.assert_array_equal(first(raw, tmp_path), turned)


@pytest.mark.parametrize("name", ["pages", "floats", "12 bits", "an animated GIF", "half a PNG"])
def test_all_readers_refuse_by_name(tmp_path: Path, layer: MakeLayer, name: str) -> None:
    pytest.importorskip("lmdb", reason="the lmdb package is optional")
    content, sentence = REFUSED[name]
    root = list_of(tmp_path, content, "png")
    with pytest.raises(DataError, match=f"a picture.png: {sentence}"):
        first(layer(IMAGES % "true"), tmp_path)
    for settings in (Settings(), Settings(encoded=True)):
        with pytest.raises(DataError, match=f"list.txt:1: .*a picture.png: {sentence}"):
            convert_imageset(root, tmp_path / "list.txt", tmp_path / "db", settings)
    assert not (tmp_path / "db").exists()


# Sizes

SMALL = np.array([[0, 50, 100, 255], [10, 200, 30, 40], [255, 0, 255, 0]], np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (2, 5, [[3, 62, 85, 118, 201], [194, 93, 124, 142, 10]]),
        (3, 2, [[25, 178], [105, 35], [128, 128]]),
        (1, 4, [[10, 200, 30, 40]]),
        (5, 3, [[8, 75, 229], [21, 91, 153], [42, 115, 38], [144, 122, 41], [212, 127, 42]]),
        (3, 4, SMALL.tolist()),
    ],
)
def test_resizing_is_opencvs(height: int, width: int, expected: list[list[int]]) -> None:
    assert resize(SMALL, height, width).tolist() == expected
    both = resize(np.stack([SMALL, 255 - SMALL]), height, width)
    assert both.dtype == np.uint8
    assert both[0].tolist() == expected


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (40, 41)])
def test_a_constant_picture_stays_constant_in_any_size(size: tuple[int, int]) -> None:
    for value in (0, 1, 128, 255):
        assert set(resize(np.full((5, 6), value, np.uint8), *size).ravel().tolist()) == {value}
