"""The view that is drawn on: pen, keys, picture files, and what the network makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PAD = ".sheet-of-paper canvas"
INK = """canvas => { const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, at) => data[4 * at]); }"""

SHOWN = """() => { const canvas = document.querySelector('[data-blob=data] canvas'); const zoom = canvas.width / 28;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: 784 }, (_, at) => data[4 * zoom * (Math.floor(at / 28) * canvas.width + (at % 28))]); }"""
ERROR = """async (drawn) => { const { post } = await import('/static/js/api.js');
  const { restoredOf } = await import('/static/js/draw.js');
  const image = Float32Array.from(drawn, (value) => value / 255);
  const restored = restoredOf(await post('/api/layers', image), [1, 28, 28]);
  return image.reduce((sum, value, at) => sum + (value - restored[at]) ** 2, 0) / 2; }"""


@pytest.fixture
def sheet(page: Any) -> Any:
    page.evaluate("location.hash = 'draw'")
    page.wait_for_selector(PAD)
    return page


def ink(page: Any) -> np.ndarray:
    return np.array(page.eval_on_selector(PAD, INK), np.uint8).reshape(28, 28)


def stroke(page: Any, *places: tuple[float, float]) -> None:
    box = page.locator(PAD).bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def test_all_layers_follow_the_pen(sheet: Any) -> None:
    assert not ink(sheet).any()
    stroke(sheet, (0.25, 0.25), (0.75, 0.25), (0.4, 0.85))
    drawn = ink(sheet)
    assert drawn[7, 14] == 255
    assert not drawn[20, 22]
    sheet.wait_for_selector(".answer canvas")
    sheet.wait_for_selector('[data-blob="deconv1neursig"] canvas')
    sheet.wait_for_function(
        f"wanted => ({SHOWN})().every((value, at) => value === wanted[at])", arg=drawn.reshape(-1).tolist()
    )
    told = sheet.evaluate(ERROR, drawn.reshape(-1).tolist())
    assert float(sheet.locator(".answer strong").inner_text()) == pytest.approx(told, rel=0.02)


def test_what_was_drawn_is_taken_back_and_erased(sheet: Any) -> None:
    stroke(sheet, (0.2, 0.5), (0.8, 0.5))
    first = ink(sheet)
    stroke(sheet, (0.5, 0.2), (0.5, 0.8))
    both = ink(sheet)
    sheet.click("text=Undo")
    np.testing.assert_array_equal(ink(sheet), first)
    sheet.click("text=Redo")
    np.testing.assert_array_equal(ink(sheet), both)
    sheet.click("text=Eraser")
    stroke(sheet, (0.5, 0.2), (0.5, 0.8))
    assert ink(sheet)[10, 14] == 0
    assert ink(sheet)[14, 8] == 255
    sheet.click("text=Invert")
    assert ink(sheet)[10, 14] == 255
    sheet.click("text=Clear")
    assert not ink(sheet).any()


def test_drawing_by_keys(sheet: Any) -> None:
    sheet.focus(".sheet-of-paper")
    for key in ("Space", "ArrowRight", "ArrowRight", "ArrowRight", "Space", "ArrowRight"):
        sheet.keyboard.press(key)
    drawn = ink(sheet)
    assert drawn[14, 14:17].min() > 100
    assert not drawn[14, 20:].any()
    sheet.keyboard.press("Control+z")
    assert not ink(sheet).any()


def test_beginning_with_an_image(sheet: Any) -> None:
    sheet.fill(".easel .pickrow input", "7")
    sheet.keyboard.press("Enter")
    sheet.wait_for_selector(".answer canvas")
    image = sheet.evaluate("""async () => { const { get } = await import('/static/js/api.js');
      return Array.from((await get('/api/image?row=7')).arrays.image.values); }""")
    assert np.abs(ink(sheet) / 255.0 - np.reshape(image, (28, 28))).max() < 1 / 254


def test_a_picture_of_dark_ink_on_white_paper(sheet: Any, tmp_path: Path) -> None:
    paper = np.full((300, 200, 3), 255, np.uint8)
    paper[60:240, 80:120] = 0
    Image.fromarray(paper).save(tmp_path / "one.png")
    sheet.set_input_files(".easel input[type=file]", tmp_path / "one.png")
    sheet.wait_for_selector("#told >> text=inverted")
    drawn = ink(sheet)
    assert drawn[14, 14] == 255, "bright, as the images are"
    assert not drawn[:, :9].any()
    sheet.click("text=fill")
    sheet.wait_for_function(f"() => ({INK})(document.querySelector('{PAD}'))[3 * 28 + 14] > 250")
    assert (drawn[3, 14], ink(sheet)[3, 14]) == (0, 255), "it is larger"


def test_files_that_are_no_pictures_or_too_large_are_told(sheet: Any, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture at all, but forty bytes of words")
    sheet.set_input_files(".easel input[type=file]", tmp_path / "a.png")
    sheet.wait_for_selector("#told >> text=a.png: no PNG, JPEG, GIF, WebP or BMP")
    Image.new("L", (3, 3)).save(tmp_path / "b.png")
    bomb = bytearray((tmp_path / "b.png").read_bytes())
    bomb[16:24] = (60000).to_bytes(4, "big") * 2
    (tmp_path / "b.png").write_bytes(bomb)
    sheet.set_input_files(".easel input[type=file]", tmp_path / "b.png")
    sheet.wait_for_selector("#told >> text=60000 × 60000 pixels; at most 64 million")
    assert not ink(sheet).any()


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "bmp"])
def test_the_size_of_a_file_is_read_before_it_is_decoded(page: Any, tmp_path: Path, kind: str) -> None:
    for name, options in {"plain": {}, "other": {"lossless": True} if kind == "webp" else {}}.items():
        Image.new("RGB", (123, 45), "red").save(tmp_path / name, kind, **options)
        found = page.evaluate(
            "async (bytes) => (await import('/static/js/draw/picturefile.js')).sides(Uint8Array.from(bytes))",
            list((tmp_path / name).read_bytes()),
        )
        assert found == [123, 45]
