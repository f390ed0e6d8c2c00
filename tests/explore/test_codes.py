"""The Codes view in a real browser: what it draws, what a pointer and keys do, and what it says of it."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browsing import until

COUNT = 400  # images of the run
FOUND = "document.querySelector('#told').textContent"


@pytest.fixture
def codes(page: Any) -> Any:
    """The page with its points drawn."""
    page.wait_for_selector(".legend button")
    until(page, "deepcae.draws.length > 0")
    return page


def plot(page: Any) -> tuple[float, float, float, float]:
    box = page.locator(".plot").bounding_box()
    return box["x"], box["y"], box["width"], box["height"]


def pixels(page: Any) -> np.ndarray:
    """What the canvas of points shows: (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(page.locator(".plot canvas.points").screenshot())).convert("RGB")).astype(
        int
    )


def a_mark(page: Any, number: int = 0) -> tuple[float, float]:
    """Where a point lies, in the coordinates of the page, well within the plot."""
    x, y, *_ = plot(page)
    shown = pixels(page)
    coloured = np.argwhere(np.ptp(shown, axis=2)[60:-60, 60:-80] > 90)
    row, column = coloured[(number * 7919) % len(coloured)]
    return x + 60 + float(column), y + 60 + float(row)


def drag(page: Any, *places: tuple[float, float], steps: int = 3) -> None:
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()


def circle(page: Any, share: float = 0.4) -> list[tuple[float, float]]:
    x, y, width, height = plot(page)
    turns = [2 * math.pi * at / 24 for at in range(25)]
    return [(x + width * (0.5 + share * math.cos(at)), y + height * (0.5 + share * math.sin(at))) for at in turns]


def selected(page: Any) -> int:
    heading = page.locator(".side h2", has_text="selected")
    return int(heading.inner_text().split()[0].replace(",", "")) if heading.count() else 0


def test_every_class_is_drawn_in_its_colour(codes: Any) -> None:
    assert codes.locator(".legend button").all_inner_texts() == [str(digit) for digit in range(10)]
    shown = pixels(codes)
    for colour in ((98, 113, 240), (244, 124, 85), (38, 188, 162)):
        assert (np.abs(shown - colour).max(axis=2) < 45).sum() > 100


def test_pointing_shows_image_restored_and_difference(codes: Any) -> None:
    codes.mouse.move(*a_mark(codes))
    codes.wait_for_selector(".card:not([hidden])")
    assert codes.locator(".card figcaption").all_inner_texts() == ["image", "restored", "difference"]
    assert {"class", "error"} <= set(codes.locator(".card dt").all_inner_texts())
    assert codes.evaluate("document.querySelector('.card canvas').width") == 28
    assert codes.evaluate("deepcae.hovers.length") == 1
    x, y, width, _ = plot(codes)
    codes.mouse.move(x + width / 2, y - 20)
    codes.wait_for_selector(".card", state="hidden")


def test_the_mark_is_caught_from_fourteen_pixels_and_no_more(codes: Any) -> None:
    made = codes.evaluate(
        """async () => {
          const { nearest } = await import('/static/js/pick.js');
          const points = { xs: [0, 40], ys: [0, 0], count: 2, order: [0, 1], may: null, arrange() {} };
          const plane = { kx: 1, ky: 1, tx: 0, ty: 0 };
          return [[-13.9, 0], [-14.1, 0], [21, 0], [26.1, 0]].map((at) => nearest(points, plane, ...at, 14));
        }"""
    )
    assert made == [0, -1, -1, 1]


def test_a_click_chooses_and_arrow_keys_go_on(codes: Any) -> None:
    codes.mouse.click(*a_mark(codes))
    chosen = codes.locator(".side section[aria-label='The chosen image'] h2")
    first = chosen.inner_text()
    assert first.startswith("Image ")
    until(codes, f"{FOUND}.startsWith('{first}')")
    assert codes.locator(".side .trio figure").count() == 3
    codes.wait_for_selector(".side .sheet canvas")
    until(codes, "[...document.querySelectorAll('.caption')].some((told) => told.textContent.includes('12 images'))")
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
        codes.keyboard.press(key)
    until(codes, f"document.querySelector('.side h2').textContent !== '{first}'")
    codes.keyboard.press("Escape")
    until(codes, "document.querySelector('.side h2').textContent === 'On the map'")


def test_a_neighbour_is_chosen_in_its_strip(codes: Any) -> None:
    codes.mouse.click(*a_mark(codes, 3))
    first = codes.locator(".side h2 >> nth=0").inner_text()
    codes.wait_for_selector(".side .caption >> text=12 images")
    codes.locator(".side .sheet").first.click(position={"x": 70, "y": 20})
    until(codes, f"document.querySelector('.side h2').textContent !== '{first}'")


def test_the_lasso_selects_what_lies_within(codes: Any) -> None:
    codes.keyboard.press("l")
    drag(codes, *circle(codes))
    codes.wait_for_selector(".side h2 >> text=selected")
    all_of_them = selected(codes)
    assert 0 < all_of_them <= COUNT
    until(codes, "document.querySelectorAll('.side .trio canvas').length === 3")
    drag(codes, *circle(codes, 0.15))
    until(codes, f"!document.querySelector('.side h2').textContent.startsWith('{all_of_them} ')")
    assert 0 < selected(codes) < all_of_them
    codes.click(".side button >> text=Clear")
    codes.wait_for_selector(".side h2 >> text=On the map")


def test_a_box_selects_and_shift_adds(codes: Any) -> None:
    x, y, width, height = plot(codes)
    codes.keyboard.press("b")
    drag(codes, (x + 2, y + 2), (x + width * 0.5, y + height - 2))
    codes.wait_for_selector(".side h2 >> text=selected")
    left = selected(codes)
    codes.keyboard.down("Shift")
    drag(codes, (x + width * 0.5, y + 2), (x + width - 60, y + height - 2))
    codes.keyboard.up("Shift")
    codes.wait_for_selector(f".side h2 >> text={COUNT} images selected")
    assert 0 < left < COUNT
    shares = codes.locator(".shares dd span").all_inner_texts()
    assert len(shares) == 6
    assert shares == sorted(shares, key=int, reverse=True)


@pytest.mark.parametrize(("title", "begins"), [("CSV", b""), ("NPZ", b"PK"), ("Sheet", b"\x89PNG")])
def test_a_selection_is_taken_away_as_a_file(codes: Any, title: str, begins: bytes) -> None:
    codes.fill(".search input", "3")
    codes.wait_for_selector(".side h2 >> text=selected")
    with codes.expect_download() as waiting:
        codes.click(f".side .segmented button >> text={title}")
    content = waiting.value.path().read_bytes()
    assert content.startswith(begins)
    if title == "CSV":
        assert len(content.decode().strip().splitlines()) == selected(codes) + 1


def test_search_by_class_by_number_and_in_vain(codes: Any) -> None:
    codes.fill(".search input", "3")
    until(codes, f"{FOUND}.includes('found for “3”')")
    assert codes.locator(".shares dt").all_inner_texts()[0] == "3"
    codes.fill(".search input", "257")
    codes.wait_for_selector(".side h2 >> text=Image 257")
    codes.fill(".search input", "<b>nothing</b>")
    until(codes, f"{FOUND} === 'Nothing is found for “<b>nothing</b>”.'")
    codes.fill(".search input", "3")
    codes.wait_for_selector(".side h2 >> text=selected")
    codes.locator(".plot").focus()
    codes.keyboard.press("Escape")
    until(codes, "document.querySelector('.search input').value === ''")
    assert selected(codes) == 0


def test_a_class_stands_alone(codes: Any) -> None:
    before = pixels(codes)
    codes.click(".legend button >> text=0")
    codes.wait_for_selector(".legend.isolated")
    codes.mouse.move(5, 5)
    codes.wait_for_timeout(200)
    after = pixels(codes)
    coloured = [(np.ptp(shown[60:-60, 60:-80], axis=2) > 90).sum() for shown in (before, after)]
    assert 0 < coloured[1] < coloured[0] / 2
    codes.click(".legend button >> text=1", modifiers=["Shift"])
    assert codes.locator(".legend button[aria-pressed=true]").all_inner_texts() == ["0", "1"]
    codes.keyboard.press("Escape")
    assert codes.locator(".legend button[aria-pressed=true]").count() == 0


def test_numbers_have_a_scale(codes: Any) -> None:
    codes.select_option(".bar select >> nth=1", "error")
    codes.wait_for_selector(".scale")
    low, high = (float(text) for text in codes.locator(".scale > span:not(.soft)").all_inner_texts())
    assert low < high
    assert codes.locator(".legend").count() == 0


def test_wheel_drag_and_keys_move_the_map(codes: Any) -> None:
    x, y, width, height = plot(codes)
    first = pixels(codes)
    codes.mouse.move(x + width / 2, y + height / 2)
    codes.mouse.wheel(0, -400)
    codes.wait_for_timeout(200)
    near = pixels(codes)
    assert (near != first).any()
    codes.keyboard.press("0")
    codes.mouse.move(5, 5)
    codes.wait_for_timeout(200)
    assert (pixels(codes) == first).all(), "the whole map again"
    drag(codes, (x + 200, y + 200), (x + 300, y + 250))
    codes.mouse.move(5, 5)
    codes.wait_for_timeout(200)
    moved = pixels(codes)
    there, here = moved[150:650, 200:800], first[100:600, 100:700]
    assert np.abs(there - here).mean() < np.abs(first[150:650, 200:800] - here).mean() / 5, "by 100 and 50 pixels"


def test_what_is_in_sight_stays_while_one_looks_elsewhere(codes: Any) -> None:
    for _ in range(3):
        codes.keyboard.press("+")
    codes.click(".legend button >> text=0")
    codes.click(".legend button >> text=0")
    codes.mouse.move(5, 5)
    codes.wait_for_timeout(200)
    before = pixels(codes)
    codes.keyboard.press("2")
    codes.wait_for_selector("main.layers")
    codes.keyboard.press("1")
    codes.wait_for_selector(".legend button")
    codes.wait_for_timeout(300)
    assert (pixels(codes) == before).all()


def test_images_in_place_of_points(codes: Any) -> None:
    with codes.expect_request("**/api/images") as asked:
        codes.click(".bar button >> text=Images")
    rows = asked.value.post_data_json["rows"]
    assert len(rows) == len(set(rows))
    assert 20 < len(rows) <= COUNT
    until(
        codes,
        """(() => {
          const canvas = document.querySelector('canvas.over');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let black = 0;
          for (let at = 0; at < data.length; at += 4) black += data[at] < 30 && data[at + 3] === 255;
          return black > 20000;
        })()""",
    )


def test_another_map_and_a_pair_of_numbers(codes: Any) -> None:
    first = pixels(codes)
    codes.select_option(".bar select >> nth=0", "tsne")
    until(codes, "!document.querySelector('.wait').children.length", seconds=120)
    codes.wait_for_timeout(900)
    assert (pixels(codes) != first).any()
    with codes.expect_response("**/api/points?map=code*"):
        codes.select_option(".bar select >> nth=0", "code")
    codes.wait_for_timeout(900)
    assert np.abs(pixels(codes) - first).mean() < 1


def test_a_slow_map_says_so_until_it_is_there(codes: Any) -> None:
    asked = []

    def slow(route: Any) -> None:
        asked.append(route)
        if len(asked) < 3:
            route.fulfill(status=202, json={"state": "computing"})
        else:
            route.continue_(url=route.request.url.replace("tsne", "code"))

    codes.route("**/api/points?map=tsne", slow)
    codes.select_option(".bar select >> nth=0", "tsne")
    codes.wait_for_selector(".wait >> text=is being computed")
    until(codes, "!document.querySelector('.wait').children.length")
    assert len(asked) == 3


def test_what_goes_wrong_is_told(codes: Any) -> None:
    codes.route("**/api/search*", lambda route: route.fulfill(status=400, json={"error": "too long a word"}))
    codes.fill(".search input", "x")
    until(codes, f"{FOUND} === 'too long a word'")
    codes.unroute("**/api/search*")
    codes.route("**/api/**", lambda route: route.abort())
    codes.fill(".search input", "y")
    until(codes, f"{FOUND}.includes('does not answer')")
    assert codes.locator("#told").get_attribute("data-kind") == "problem"


def test_a_small_screen_has_the_panels_below(codes: Any) -> None:
    codes.set_viewport_size({"width": 390, "height": 844})
    codes.wait_for_timeout(200)
    _, y, _, height = plot(codes)
    side = codes.locator(".side").bounding_box()
    assert side["y"] >= y + height
    assert codes.evaluate("document.documentElement.scrollWidth") <= 390
    codes.mouse.click(*a_mark(codes))
    codes.wait_for_selector(".side h2 >> text=Image")


def test_two_fingers_zoom(codes: Any) -> None:
    made = codes.evaluate(
        """async () => {
          const { Plane, gestures } = await import('/static/js/plane.js');
          const host = document.body.appendChild(document.createElement('div'));
          host.setPointerCapture = () => {};
          const plane = new Plane();
          plane.resize(400, 400);
          plane.fit([0, 0, 1, 1]);
          const nothing = () => {};
          const does = { moved: nothing, over: nothing, out: nothing, click: nothing, drawn: nothing };
          const end = gestures(host, plane, { ...does, tool: () => 'move' });
          const { left, top } = host.getBoundingClientRect();
          const send = (type, pointerId, x) => host.dispatchEvent(
            new PointerEvent(type, { pointerId, clientX: left + x, clientY: top + 100, bubbles: true }));
          send('pointerdown', 1, 100);
          send('pointerdown', 2, 200);
          const held = plane.from(100, 100);
          send('pointermove', 2, 300);
          const after = plane.at(...held);
          end();
          return [plane.zoomed, after];
        }"""
    )
    assert made[0] == pytest.approx(2)
    assert made[1] == [pytest.approx(100), pytest.approx(100)]
