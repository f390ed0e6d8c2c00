"""The page's frame: tabs, light and dark, and what it says where the server is gone."""

from __future__ import annotations

from typing import Any


def current(page: Any) -> str:
    return str(page.locator("#tabs a[aria-current]").inner_text())


def test_tabs_by_click_key_and_address(page: Any) -> None:
    assert current(page) == "Codes"
    page.click("#tabs a >> text=Layers")
    page.wait_for_selector("main.layers")
    assert page.url.endswith("#layers")
    page.keyboard.press("1")
    page.wait_for_selector("main.codes")
    page.evaluate("location.hash = 'layers'")
    page.wait_for_selector("main.layers")
    page.reload()
    page.wait_for_selector("main.layers")
    assert current(page) == "Layers"


def test_dark_and_light(page: Any) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    page.wait_for_selector("#tabs a[aria-current]")
    assert page.evaluate(ground) == dark, "the choice is kept"
    page.click("#theme")
    assert page.evaluate(ground) == light
