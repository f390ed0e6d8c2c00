"""The view that decodes: a plane to drag in, sliders, a sheet, a walk, and the image whose code is nearest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

DECODED = """() => { const pen = document.querySelector('.live canvas').getContext('2d');
  const { data } = pen.getImageData(0, 0, 28, 28);
  return Array.from({ length: 784 }, (_, at) => data[4 * at]); }"""
ASKED = """async (code) => { const { post } = await import('/static/js/api.js');
  return Array.from((await post('/api/decode', Float32Array.from(code))).arrays.restored.values); }"""

CODE = """async (row) => { const { get } = await import('/static/js/api.js');
  return Array.from((await get(`/api/code?row=${row}`)).arrays.code.values); }"""


@pytest.fixture
def decoder(page: Any) -> Any:
    page.evaluate("location.hash = 'decode'")
    page.wait_for_selector(".live canvas")
    page.wait_for_selector(".walk .strip")
    page.wait_for_selector(".distance")
    return page


def code(page: Any) -> list[float]:
    return [float(each) for each in page.eval_on_selector_all(".along input", "all => all.map(each => each.value)")]


def of_row(page: Any, row: int) -> list[float]:
    found = page.evaluate(CODE, row)
    return [float(each) for each in found]


def shows(page: Any, wanted: list[float]) -> None:
    """Waits until the decoded image is that of a code; sliders go in steps, so that it is it nearly."""
    image = np.clip(np.array(page.evaluate(ASKED, wanted)), 0, 1) * 255
    page.wait_for_function(
        f"image => ({DECODED})().every((value, at) => Math.abs(value - image[at]) < 4)", arg=image.tolist()
    )


def test_it_starts_from_the_chosen_image(decoder: Any) -> None:
    shows(decoder, of_row(decoder, 0))
    decoder.fill(".tools .pickrow input", "9")
    decoder.keyboard.press("Enter")
    wanted = of_row(decoder, 9)
    shows(decoder, wanted)
    decoder.wait_for_selector(".distance >> text=among the images")
    decoder.wait_for_selector(".two .link >> text=9")
    assert code(decoder) == pytest.approx(wanted, abs=0.02 * (1 + max(map(abs, wanted))))


def test_dragging_decodes(decoder: Any) -> None:
    before = code(decoder)
    box = decoder.locator(".field-of-codes").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    decoder.mouse.move(x, y)
    decoder.mouse.down()
    decoder.mouse.move(x + 120, y - 90, steps=12)
    decoder.mouse.up()
    assert code(decoder) != before
    shows(decoder, code(decoder))
    assert decoder.evaluate("performance.getEntriesByName('decode').length") > 2, "while it was dragged, too"


def test_moving_by_keys(decoder: Any) -> None:
    before = code(decoder)
    decoder.focus(".field-of-codes")
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowUp"):
        decoder.keyboard.press(key)
    after = code(decoder)
    assert after[0] > before[0]
    assert after[1] > before[1]
    shows(decoder, after)


def test_sliders_of_numbers_and_of_directions(decoder: Any) -> None:
    decoder.focus(".along input >> nth=1")
    decoder.keyboard.press("Home")
    shows(decoder, code(decoder))
    wanted = code(decoder)
    decoder.click("text=principal directions")
    decoder.wait_for_selector(".along >> text=direction 1")
    assert decoder.locator(".field-of-codes .x").inner_text().startswith("direction 1")
    decoder.focus(".along input >> nth=0")
    decoder.keyboard.press("ArrowRight")
    decoder.keyboard.press("ArrowLeft")
    shows(decoder, wanted)
    assert "% of the differences" in decoder.locator(".along").first.inner_text()


def test_a_code_far_from_every_image_is_said_to_be(decoder: Any) -> None:
    decoder.focus(".field-of-codes")
    decoder.keyboard.press("-")
    decoder.keyboard.press("-")
    decoder.keyboard.press("-")
    box = decoder.locator(".field-of-codes").bounding_box()
    decoder.mouse.click(box["x"] + 3, box["y"] + box["height"] - 3)
    decoder.wait_for_selector(".distance[data-kind=far] >> text=far from every image")


def test_a_sheet_of_the_plane(decoder: Any) -> None:
    sheet = decoder.locator(".field-of-codes .decoded")
    assert not sheet.is_visible()
    decoder.click("button:text-is('Images')")
    decoder.wait_for_function("() => document.querySelector('.decoded').width === 16 * 28")
    assert sheet.is_visible()
    decoder.select_option(".tools select", "8")
    decoder.wait_for_function("() => document.querySelector('.decoded').width === 8 * 28")
    before = decoder.eval_on_selector(".decoded", "canvas => canvas.toDataURL()")
    decoder.focus(".field-of-codes")
    decoder.keyboard.press("+")
    decoder.wait_for_function("before => document.querySelector('.decoded').toDataURL() !== before", arg=before)


def test_a_walk_between_two_images(decoder: Any) -> None:
    decoder.fill(".walk .pickrow >> nth=1 >> input", "5")
    decoder.keyboard.press("Enter")
    decoder.wait_for_function("() => document.querySelectorAll('.walk .pickrow input')[1].value === '5'")
    along = decoder.locator(".walk input[type=range]")
    decoder.wait_for_timeout(300)
    along.focus()
    decoder.keyboard.press("End")
    shows(decoder, of_row(decoder, 5))
    decoder.keyboard.press("Home")
    shows(decoder, of_row(decoder, 0))
    decoder.click(".walk >> text=Play")
    decoder.wait_for_function("() => document.querySelector('.walk input[type=range]').value > 0.2")
    decoder.click(".walk >> text=Pause")
    stopped = along.input_value()
    decoder.wait_for_timeout(200)
    assert along.input_value() == stopped
