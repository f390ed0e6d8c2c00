"""Pictures of networks: what they show, that they are well-formed, and that they repeat byte for byte."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from deepcae import draw
from deepcae.draw import colors
from deepcae.draw.scene import Shape, Words, text_width
from deepcae.draw.stages import make_architecture
from deepcae.errors import DataError, SpecError
from deepcae.layers import CAFFE_TYPES, Layer
from deepcae.net.graph import build_graph
from deepcae.net.plan import make_plan
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import NetParameter
from deepcae.viz import style

MODELS = Path(__file__).parents[2] / "models"
POOLED = """name: "pooled"
layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 2 dim: 1 dim: 12 dim: 12 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 3 kernel_size: 5 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" top: "switch"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "code" type: "InnerProduct" bottom: "pool" top: "code" inner_product_param { num_output: 2 } }
layer { name: "wide" type: "InnerProduct" bottom: "code" top: "wide" inner_product_param { num_output: 48 } }
layer { name: "shape" type: "Reshape" bottom: "wide" top: "map"
  reshape_param { shape { dim: 0 dim: 3 dim: 4 dim: 4 } } }
layer { name: "unpool" type: "Unpooling" bottom: "map" bottom: "switch" top: "unpool"
  unpooling_param { unpool: MAX kernel_size: 2 stride: 2 unpool_size: 8 } }
layer { name: "deconv" type: "Deconvolution" bottom: "unpool" top: "deconv"
  convolution_param { num_output: 1 kernel_size: 5 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "deconv" bottom: "data" top: "loss" }
"""


def texts(svg: str) -> list[str]:
    """All words of an .svg file, in order."""
    return [element.text or "" for element in Xml.fromstring(svg).iter() if element.tag.endswith("text")]


def architecture(text: str) -> Any:
    return make_architecture(make_plan(build_graph(read_net_text(text), "TRAIN")))


# The graph


def test_the_graph_shows_layers_with_settings_and_blobs_with_sizes() -> None:
    words = texts(draw.svg(read_net_text(POOLED)))
    for shown in ("pooled", "TRAIN phase · 11 layers", "3 maps, 5×5", "MAX, 2×2, stride 2", "3×8×8", "2 outputs"):
        assert shown in words, shown


def test_each_layer_and_blob_is_a_group_with_its_name() -> None:
    groups = [
        element.attrib for element in Xml.fromstring(draw.svg(read_net_text(POOLED))) if element.tag.endswith("}g")
    ]
    found = {kind: [group[kind] for group in groups if kind in group] for kind in ("data-layer", "data-blob")}
    names = re.findall(r'layer { name: "(\w+)"', POOLED)
    assert sorted(found["data-layer"]) == sorted(names)
    assert set(found["data-blob"]) == {
        "data",
        "conv",
        "pool",
        "switch",
        "code",
        "wide",
        "map",
        "unpool",
        "deconv",
        "loss",
    }


def test_in_place_layers_are_joined_to_their_blob_both_ways() -> None:
    found = draw.diagram(read_net_text(POOLED))
    edges = {(edge.source, edge.target) for edge in found.edges}
    assert {("conv_blob", "bn_BatchNorm"), ("bn_BatchNorm", "conv_blob")} <= edges
    assert found.vertices["relu_ReLU"].in_place == "conv_blob"
    assert not found.vertices["conv_Convolution"].in_place


def test_phases_filter_layers_and_all_takes_every_one() -> None:
    text = """
    layer { name: "d" type: "Data" top: "x" include { phase: TRAIN } data_param { source: "gone" batch_size: 7 } }
    layer { name: "d" type: "Data" top: "x" include { phase: TEST } data_param { source: "gone" batch_size: 9 } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3 } }"""
    assert list(draw.diagram(read_net_text(text), "TRAIN").vertices) == [
        "d_Data",
        "x_blob",
        "ip_InnerProduct",
        "y_blob",
    ]
    assert "batch 9" in texts(draw.svg(read_net_text(text), "TEST"))
    both = draw.diagram(read_net_text(text), None)
    assert [key for key, vertex in both.vertices.items() if vertex.type == "Data"] == ["d_Data", "d_Data_2"]
    assert draw.svg(read_net_text(text), None) == draw.svg(read_net_text(text), "all")


def test_splits_are_folded_unless_asked_for() -> None:
    source = MODELS / "cae1" / "net.prototxt"
    assert not [v for v in draw.diagram(source).vertices.values() if v.type == "Split"]
    shown = draw.diagram(source, splits=True)
    assert next(v.lines[0] for v in shown.vertices.values() if v.type == "Split") == "data_data_0_split"
    assert "data_data_0_split_1_blob" in shown.vertices


def test_shared_weights_tie_the_two_towers() -> None:
    ties = draw.diagram(MODELS / "siamese" / "net.prototxt").ties
    assert ("conv1_Convolution", "conv1_p_Convolution") in ties
    assert len(ties) == 5
    assert "the same weights" in texts(draw.svg(MODELS / "siamese" / "net.prototxt"))


def test_a_broken_text_is_drawn_as_far_as_it_goes() -> None:
    text = """layer { name: "a" type: "Convolution" bottom: "nobody" top: "x" convolution_param { num_output: 2 } }
    layer { name: "b" type: "Novelty" bottom: "x" top: "y" } layer { name: "b" type: "Novelty" bottom: "y" top: "x" }"""
    words = texts(draw.svg(read_net_text(text)))
    assert {"nobody", "Novelty", "x", "y"} <= set(words)
    with pytest.raises(SpecError, match="holds no layers"):
        draw.svg(read_net_text('name: "empty"'))


def test_boxes_lie_apart_inside_the_page_and_hold_their_words() -> None:
    for rankdir in draw.RANKDIRS:
        scene = draw.scene(read_net_text(POOLED), rankdir=rankdir)
        boxes = [item for item in scene.items if isinstance(item, Shape)]
        extents = [(min(x), min(y), max(x), max(y)) for x, y in (zip(*b.points, strict=True) for b in boxes)]
        for i, (left, top, right, bottom) in enumerate(extents):
            assert left >= 0
            assert top >= 0
            assert right <= scene.width
            assert bottom <= scene.height
            for l2, t2, r2, b2 in extents[i + 1 :]:
                assert right <= l2 + 1e-6 or r2 <= left + 1e-6 or bottom <= t2 + 1e-6 or b2 <= top + 1e-6
        for words in (item for item in scene.items if isinstance(item, Words) and item.anchor == "middle"):
            half = text_width(words.text, words.size, words.bold) / 2
            x, y = words.at
            assert any(b[0] <= x - half and x + half <= b[2] and b[1] < y < b[3] for b in extents), words.text


# The architecture


def test_an_auto_encoder_is_a_row_of_encoder_code_and_decoder() -> None:
    found = architecture((MODELS / "cae2" / "net.prototxt").read_text())
    assert [(s.name, s.shape, s.part) for s in found.rows[0].stages] == [
        ("data", (1, 28, 28), ""),
        ("conv1", (8, 20, 20), "encoder"),
        ("conv2", (4, 12, 12), "encoder"),
        ("ip1encode", (250,), "encoder"),
        ("ip2encode", (2,), "code"),
        ("ip1decode", (250,), "decoder"),
        ("deconv2", (4, 12, 12), "decoder"),
        ("deconv1", (4, 28, 28), "decoder"),
        ("deconv1neur", (1, 28, 28), "decoder"),
    ]
    assert len(found.rows) == 1
    assert found.rows[0].stages[1].operation == "conv 9×9"
    assert found.rows[0].stages[1].notes == ["sigmoid"]
    assert found.facts == "297,391 parameters · auto-encoder size 7,990 · losses: cross_entropy_loss, l2_error"


def test_the_code_stands_where_the_summary_says_and_switches_arch_over_it() -> None:
    found = architecture(POOLED)
    names = [stage.name for stage in found.rows[0].stages]
    assert names == ["data", "conv", "pool", "code", "wide", "unpool", "deconv"]
    assert found.rows[0].stages[1].notes == ["batchnorm", "relu"]
    assert found.links == [(0, 2, 5, True)]
    assert "switches" in texts(draw.svg(read_net_text(POOLED), style="architecture"))


def test_two_towers_are_two_rows_that_leave_each_other_where_they_part() -> None:
    found = make_architecture(
        make_plan(build_graph(read_net_text((MODELS / "siamese" / "net.prototxt").read_text()), 0))
    )
    first, second = found.rows
    assert [stage.name for stage in first.stages][:3] == ["pair_data", "data", "conv1"]
    assert [stage.name for stage in second.stages][:2] == ["data_p", "conv1_p"]
    assert (second.first, second.leaves) == (1, (0, 0))
    assert found.ties == [(0, 1, column) for column in (2, 4, 6, 7, 8)]
    assert "parameters" not in found.facts, "they are not known while the data are missing"


def test_a_deploy_net_and_one_without_learning_are_drawn_too() -> None:
    deploy = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }
    layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }"""
    assert [stage.name for stage in architecture(deploy).rows[0].stages] == ["data", "ip"]
    only = 'layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 } } }'
    assert "d" in texts(draw.svg(read_net_text(only), style="architecture"))


def test_skips_are_arcs() -> None:
    text = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
    layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 3 kernel_size: 1 } }
    layer { name: "b" type: "Convolution" bottom: "a" top: "b" convolution_param { num_output: 3 kernel_size: 1 } }
    layer { name: "sum" type: "Eltwise" bottom: "b" bottom: "a" top: "sum" }"""
    found = architecture(text)
    assert found.links == [(0, 1, 2, False)]
    assert found.rows[0].stages[2].notes == ["eltwise"]
    draw.svg(read_net_text(text), style="architecture")


def test_branches_that_no_row_shows_are_counted() -> None:
    text = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
    layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 3 kernel_size: 1 } }
    layer { name: "b" type: "Convolution" bottom: "data" top: "b" convolution_param { num_output: 3 kernel_size: 1 } }
    layer { name: "both" type: "Concat" bottom: "a" bottom: "b" top: "both" }"""
    assert architecture(text).facts == "24 parameters · not shown: 1 layer on side branches"


@pytest.mark.parametrize(
    ("phase", "more", "message"),
    [("ALL", {}, "that of one phase: TRAIN or TEST, not ALL"), ("TRAIN", {"splits": True}, "shows no splits")],
)
def test_what_an_architecture_cannot_be(phase: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw.svg(read_net_text(POOLED), phase, style="architecture", **more)


# Files


@pytest.mark.parametrize("name", ["a.svg", "a.png", "a.pdf", "a.dot"])
@pytest.mark.parametrize("style_name", draw.STYLES)
def test_equal_nets_give_equal_bytes(tmp_path: Path, name: str, style_name: str) -> None:
    if name.endswith(".dot") and style_name == "architecture":
        with pytest.raises(DataError, match="DOT is for the graph"):
            draw.save(read_net_text(POOLED), tmp_path / name, style=style_name)
        return
    first = draw.save(read_net_text(POOLED), tmp_path / name, style=style_name).read_bytes()
    assert draw.save(read_net_text(POOLED), tmp_path / name, style=style_name).read_bytes() == first
    magic = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph"}[name[2:]]
    assert first.startswith(magic)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_messages_paths_and_documents_are_drawn_alike(tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_text(POOLED)
    document = read_net_text(POOLED)
    assert draw.dot(document) == draw.dot(tmp_path / "n.prototxt") == draw.dot(document.message)
    assert isinstance(document.message, NetParameter)


def test_formats_and_words_that_are_not_known(tmp_path: Path) -> None:
    for arguments, message in (
        ({"format": "gif"}, "the format is svg, png, pdf or dot, not 'gif'"),
        ({"rankdir": "BT"}, "rankdir is TB or LR, not 'BT'"),
        ({"style": "grahp"}, "style is graph or architecture, not 'grahp'; did you mean 'graph'?"),
    ):
        with pytest.raises(DataError, match=re.escape(message)):
            draw.save(read_net_text(POOLED), tmp_path / "x.svg", **arguments)
    assert not list(tmp_path.iterdir())


STRING = r'"(?:[^"\\]|\\.)*"'
ATTRIBUTES = rf"\[\w+=(?:{STRING}|\w+)(?:, \w+=(?:{STRING}|\w+))*\]"
STATEMENT = re.compile(rf"  (?:(?:graph|node|edge)|{STRING}(?: -> {STRING})?)(?: {ATTRIBUTES})?;", re.DOTALL)


@settings(max_examples=40)
@given(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12))
@example('a "quoted" name', "c:\\\\blob\\\\")
@example("two\nlines", "<b>&\x01")
def test_any_name_can_be_drawn(layer: str, blob: str) -> None:
    """DOT keeps to its grammar, SVG can be parsed."""
    message = NetParameter(name=layer)
    try:
        message.layer.add(name=layer, type="Novelty", top=[blob])
    except ValueError:  # a surrogate: no text of a message
        return
    message.layer.add(name=layer, type="Novelty", bottom=[blob], top=[blob])
    lines = draw.dot(message).split("\n")
    assert re.fullmatch(rf"digraph {STRING} \{{", lines[0])
    assert lines[-2:] == ["}", ""]
    assert all(STATEMENT.fullmatch(line) for line in lines[1:-2])
    Xml.fromstring(draw.svg(message).encode())


def test_the_picture_in_the_documents_is_what_is_drawn_today() -> None:
    shown = (MODELS.parent / "docs" / "cae2.svg").read_text(encoding="utf-8")
    assert shown == draw.svg(MODELS / "cae2" / "net.prototxt", style="architecture")


# The look


def test_colours_are_the_reports() -> None:
    assert (style.INK, style.SOFT, style.GRID) == (colors.INK, colors.SOFT, colors.GRID)
    palette = set(style.CLASS_COLORS) | {style.SOFT}
    assert {color for kind, color in colors.LINES.items() if kind != "other"} <= palette


def test_every_layer_type_has_a_kind_that_fits_its_layer() -> None:
    for name in sorted(CAFFE_TYPES):
        kind = draw.words.kind_of(name)
        made = Layer.registry.get(name)
        if made is not None and made.is_source:
            assert kind == "source", name
        if made is not None and made.is_loss:
            assert kind == "loss", name
        if kind in ("neuron", "norm") and made is not None:
            assert made.bottoms[0] == 1, name


@settings(max_examples=40)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=3, max_size=30), st.booleans())
def test_words_are_as_wide_as_the_font_makes_them(text: str, bold: bool) -> None:
    """Never much narrower than they are drawn, or they would leave their box."""
    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    drawn = TextPath((0, 0), text.replace("$", "S"), size=8, prop=font).get_extents().width
    assert text_width(text.replace("$", "S"), 8, bold) >= 0.97 * drawn - 1


def test_drawing_needs_no_torch_and_svg_no_matplotlib() -> None:
    code = (
        "import sys\nfrom deepcae import draw\n"
        f"draw.svg({str(MODELS / 'cae1' / 'net.prototxt')!r}, style='architecture')\n"
        f"draw.svg({str(MODELS / 'cae1' / 'net.prototxt')!r})\n"
        "print([name for name in ('torch', 'matplotlib') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "[]"


LINEAR = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "straight" type: "InnerProduct" bottom: "data" top: "straight" inner_product_param { num_output: 3 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "bend" type: "InnerProduct" bottom: "conv" top: "bend" inner_product_param { num_output: 3 } }
layer { name: "code" type: "Eltwise" bottom: "straight" bottom: "bend" top: "code" }
layer { name: "back" type: "InnerProduct" bottom: "code" top: "back" inner_product_param { num_output: 64 } }
layer { name: "wide" type: "InnerProduct" bottom: "code" top: "wide" inner_product_param { num_output: 9 } }
layer { name: "out" type: "InnerProduct" bottom: "wide" top: "out" inner_product_param { num_output: 64 } }
layer { name: "restored" type: "Eltwise" bottom: "back" bottom: "out" top: "restored" }
layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }
layer { name: "loss" type: "EuclideanLoss" bottom: "restored" bottom: "flat" top: "loss" }"""


def test_a_linear_way_stands_beside_the_encoder_and_decoder() -> None:
    found = architecture(LINEAR)
    main, *sides = found.rows
    assert [stage.name for stage in main.stages] == ["data", "conv", "bend", "code", "wide", "out", "restored"]
    assert [stage.part for stage in main.stages] == ["", *["encoder"] * 2, "code", *["decoder"] * 3]
    assert [[stage.name for stage in row.stages] for row in sides] == [["straight"], ["back"]]
    assert [(row.leaves, row.joins) for row in sides] == [((0, 0), (0, 3)), ((0, 3), (0, 6))]
    assert [row.stages[0].part for row in sides] == ["encoder", "decoder"]
    assert all(row.leaves[1] < row.first < row.joins[1] for row in sides)
    assert "not shown" not in found.facts
    assert found.links == []
    at = {word.text: word.at for word in draw.architecture_scene(found).items if isinstance(word, Words)}
    assert at["straight"][1] == at["back"][1] > at["code"][1]  # both in one line, under the others


def test_ways_over_the_same_columns_stand_under_each_other() -> None:
    text = LINEAR.replace('bottom: "bend" top: "code"', 'bottom: "bend" bottom: "third" top: "code"').replace(
        'layer { name: "code"',
        'layer { name: "third" type: "InnerProduct" bottom: "data" top: "third" '
        'inner_product_param { num_output: 3 } }\nlayer { name: "code"',
    )
    found = architecture(text)
    assert sorted(stage.name for row in found.rows[1:] for stage in row.stages) == ["back", "straight", "third"]
    at = {word.text: word.at for word in draw.architecture_scene(found).items if isinstance(word, Words)}
    assert at["third"][1] > at["straight"][1]
