"""The network as the page describes and shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from deepcae.explore.network import describe, warnings_of
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import NetParameter
from deepcae.solver.run import Run
from deepcae.trained.network import Trained

TEXT = """name: "small"
# a comment
input: "data"
input_shape { dim: 2 dim: 3 }
layer { name: "one" type: "InnerProduct" bottom: "data" top: "one"
  inner_product_param { num_output: 4 } }
layer {
  name: "<b>\\"sig\\"</b>"
  type: "Sigmoid"
  bottom: "one" top: "one"
}
layer { name: "again" type: "Power" bottom: "one" top: "two" }
layer { name: "loss" type: "EuclideanLoss" bottom: "two" bottom: "one" top: "loss" }
"""


def described(source: Any) -> dict[str, Any]:
    return describe(Trained(Net(source, "TEST"), "small", []))


def test_each_layer_has_its_lines_shapes_and_parameters(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(TEXT)
    found = described(path)
    assert found["text"] == TEXT
    lines = {each["name"]: (each["line"], each["last"]) for each in found["layers"] if each["type"] != "Input"}
    assert lines == {"one": (5, 6), '<b>"sig"</b>': (7, 11), "again": (12, 12), "loss": (13, 13)}
    one = next(each for each in found["layers"] if each["name"] == "one")
    assert (one["reads"], one["shapes"], one["parameters"]) == ([[2, 3]], [[2, 4]], 16)
    loss = next(each for each in found["layers"] if each["name"] == "loss")
    assert loss["bottoms"] == ["two", "one"], "no splits"


def test_a_name_is_no_element_of_the_drawing(tmp_path: Path) -> None:
    found = described(read_net_text(TEXT, str(tmp_path / "gone.prototxt")))
    groups = [each.attrib for each in Xml.fromstring(found["svg"]).iter() if each.tag.endswith("}g")]
    assert {"data-layer": '<b>"sig"</b>'} in groups
    assert not any(each.tag.endswith("}b") for each in Xml.fromstring(found["svg"]).iter())


def test_a_message_that_was_no_text_is_written_as_one() -> None:
    found = described(NetParameter.FromString(read_net_text(TEXT).message.SerializeToString()))
    lines = found["text"].splitlines()
    for each in found["layers"]:
        if each["type"] != "Input":
            shown = "\n".join(lines[each["line"] - 1 : each["last"]])
            assert f'type: "{each["type"]}"' in shown
            assert shown.count("layer {") == 1


def test_warnings_are_those_of_layers_and_of_the_end() -> None:
    records: list[dict[str, Any]] = [
        {"kind": "warned", "iteration": 3, "message": "files", "warning": "files"},
        {"kind": "warned", "iteration": 5, "message": "it is", "warning": "saturated", "layer": "conv1", "blob": "c"},
        {"kind": "failed", "iteration": 9, "message": "nan"},
    ]
    assert [(each["kind"], each["layer"]) for each in warnings_of(records)] == [("saturated", "conv1"), ("failed", "")]


def test_graph_text_and_table_choose_one_layer(page: Any, digits_run: Path) -> None:
    layers = describe(Trained.of_run(Run(digits_run)))["layers"]
    page.evaluate("location.hash = 'network'")
    page.wait_for_selector(".graphic g[data-layer]")
    page.click(".graphic g[data-layer=conv1]")
    page.wait_for_selector(".graphic g.chosen[data-layer=conv1]")
    assert page.locator("mark").inner_text().startswith("layer")
    assert 'name: "conv1"' in page.locator("mark").inner_text()
    assert page.locator(".summary tr.chosen").inner_text().startswith("conv1")
    page.keyboard.press("ArrowDown")
    names = [each["name"] for each in layers]
    following = names[names.index("conv1") + 1]
    page.wait_for_selector(f".graphic g.chosen[data-layer={following}]")
    page.click(f".summary button >> text={names[-1]}")
    page.wait_for_selector(f".graphic g.chosen[data-layer={names[-1]}]")
    page.click(".graphic g[data-blob=conv1]")
    page.wait_for_selector(".graphic g.chosen[data-layer=conv1]")
    page.reload()
    page.wait_for_selector(".graphic g.chosen[data-layer=conv1]")
    page.keyboard.press("Escape")
    page.wait_for_selector(".graphic g.chosen", state="detached")
    page.click(".graphic g[data-layer=conv1]")
    page.click("text=Its maps")
    page.wait_for_selector("main.layers .panels")


@pytest.mark.parametrize("view", ["training", "network"])
def test_on_a_small_screen_nothing_is_wider_than_it(page: Any, view: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate(f"location.hash = '{view}'")
    page.wait_for_selector(f"main.{view} .panel")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
