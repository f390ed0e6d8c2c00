"""The view of layers: all blobs of an image, a map looked at closely, and the layer at fault on top."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepcae.net.weights import save_weights
from deepcae.solver.run import Run
from deepcae.trained.network import Trained

from .conftest import opened, served

SEEN = "canvas => canvas.toDataURL()"


def layers(page: Any) -> Any:
    page.evaluate("location.hash = 'layers'")
    page.wait_for_selector(".blob canvas")
    return page


def picture(page: Any, blob: str) -> str:
    return str(page.eval_on_selector(f'[data-blob="{blob}"] canvas', SEEN))


def test_every_blob_of_the_chosen_image(page: Any) -> None:
    layers(page)
    names = page.eval_on_selector_all(".blob", "all => all.map(each => each.dataset.blob)")
    assert names[:3] == ["data", "conv1", "conv1sig"]
    assert names[-1] == "deconv1neursig"
    told = page.locator('[data-blob="conv1sig"]')
    assert "Sigmoid · " in told.inner_text()
    assert "saturated" in told.inner_text()
    first = picture(page, "deconv1")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.pickrow input').value === '1'")
    page.wait_for_function(
        "before => document.querySelector('[data-blob=deconv1] canvas').toDataURL() !== before", arg=first
    )
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "before => document.querySelector('[data-blob=deconv1] canvas').toDataURL() === before", arg=first
    )


def test_a_map_is_looked_at_closely(page: Any) -> None:
    layers(page)
    box = page.locator('[data-blob="conv1sig"] .look').bounding_box()
    page.click('[data-blob="conv1sig"] .look', position={"x": 0.75 * box["width"], "y": 0.25 * box["height"]})
    unit = page.locator(".unit")
    assert unit.locator("h2").inner_text() == "conv1sig map 2 of 4"
    page.wait_for_selector(".unit .best button")
    assert unit.locator(".filter canvas").count() == 1
    assert unit.locator(".best button").count() == 12
    assert unit.locator(".best rect").count() == 24, "the part that it looks at is outlined"
    page.keyboard.press("ArrowDown")
    assert unit.locator("h2").inner_text() == "conv1sig map 3 of 4"
    page.wait_for_selector(".unit .best button")
    best = unit.locator(".best button").first
    row = best.get_attribute("aria-label").split(":")[0].removeprefix("Image ")
    best.click()
    page.wait_for_function("row => document.querySelector('.pickrow input').value === row", arg=row)
    page.keyboard.press("Escape")
    assert unit.count() == 0


def test_by_keys_alone(page: Any) -> None:
    layers(page)
    page.focus('[data-blob="ip1encode"] .look')
    page.keyboard.press("Enter")
    page.wait_for_selector(".unit .value")
    assert page.evaluate("document.activeElement.classList.contains('unit')")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.unit') !== null")
    page.click(".unit [aria-label=Close]")
    assert page.evaluate("document.activeElement.closest('[data-blob=ip1encode]') !== null"), "back where it came from"


def test_nothing_stands_out_in_a_network_that_learns(page: Any) -> None:
    layers(page)
    page.wait_for_selector(".first .well >> text=Nothing stands out")
    assert page.locator('.blob[data-faults="grave"]').count() == 0


@pytest.fixture
def broken(digits_run: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The page of the small run's network with the weights of deconv2 changed by `request.param`."""
    trained = Trained.of_run(Run(digits_run))
    weights, bias = (blob.data for blob in trained.net.params["deconv2"])
    if request.param == "saturated":
        bias.fill_(-80)
    else:
        weights.view(-1)[0] = float("nan")
    save_weights(trained.net, tmp_path / "broken.caffemodel")
    model = digits_run.parent / "model" / "net.prototxt"
    with served("--model", model, "--weights", tmp_path / "broken.caffemodel") as found:
        yield found


@pytest.mark.parametrize(
    ("broken", "layer", "badge"),
    [("saturated", "deconv2sig", "saturated 100 %"), ("lost", "deconv2", "not finite")],
    indirect=["broken"],
)
@pytest.mark.parametrize("width", [1440, 390])
def test_the_layer_at_fault_is_on_top(browser: Any, broken: str, layer: str, badge: str, width: int) -> None:
    with opened(browser, broken, viewport={"width": width, "height": 844}) as page:
        layers(page)
        page.wait_for_selector(".first.grave")
        first = page.locator(".culprit").first
        assert first.locator("strong").inner_text() == layer
        assert badge in first.inner_text()
        assert first.bounding_box()["y"] < 500, "without scrolling"
        first.click()
        page.wait_for_function("() => document.activeElement.classList.contains('blob')")
        panel = page.locator(f'[data-blob="{layer}"]')
        page.wait_for_function("name => document.activeElement.dataset.blob === name", arg=layer)
        assert badge in panel.locator(".badges").inner_text()
        page.wait_for_function(
            "name => { const box = document.querySelector(`[data-blob=${name}] .badges`).getBoundingClientRect();"
            " return box.top > 0 && box.bottom < innerHeight; }", arg=layer,
        )  # fmt: skip
