"""Pictures by Caffe's names: what they are, which layers they show, and Caffe's own words for layers."""

from __future__ import annotations

import io
import sys
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest
from google.protobuf import text_format
from PIL import Image

from deepcae.errors import DataError
from deepcae.proto.schema import NetParameter
from deepcae.pycaffe import draw

NET = text_format.Parse(
    """
    name: "tiny"
    layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "none" batch_size: 64 } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 } param { lr_mult: 2 }
            convolution_param { num_output: 20 kernel_size: 5 stride: 2 } }
    layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
            pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
    layer { name: "relu" type: "ReLU" bottom: "pool" top: "pool" }
    layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" param { lr_mult: 0 } param { lr_mult: 0 }
            inner_product_param { num_output: 10 } }
    layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" include { phase: TRAIN } }
    """,
    NetParameter(),
)
DATA, CONV, POOL, RELU, IP = NET.layer[:5]


def dot(**more: object) -> str:
    return draw.draw_net(NET, "LR", "dot", **more).decode()  # type: ignore[arg-type]


@pytest.mark.parametrize("ext", ["png", "jpg"])
def test_pictures_of_pixels(ext: str) -> None:
    with Image.open(io.BytesIO(draw.draw_net(NET, "TB", ext))) as picture:
        assert picture.format == {"png": "PNG", "jpg": "JPEG"}[ext]
        assert picture.height > picture.width  # it flows downwards
    with Image.open(io.BytesIO(draw.draw_net(NET, "LR", ext))) as picture:
        assert picture.width > picture.height


def test_pictures_know_two_directions_and_dot_four() -> None:
    down, right = (draw.draw_net(NET, rankdir, "svg") for rankdir in ("TB", "LR"))
    assert draw.draw_net(NET, "BT", "svg") == down != right == draw.draw_net(NET, "RL", "svg")
    assert len({draw.draw_net(NET, rankdir, "gv") for rankdir in draw.RANKDIRS}) == 4


def test_a_picture_of_lines_bears_every_name() -> None:
    words = " ".join(Xml.fromstring(draw.draw_net(NET, "BT", "svg").decode()).itertext())
    assert {"conv", "pool", "relu", "ip", "accuracy", "loss", "label"} <= set(words.split())


@pytest.mark.parametrize(("phase", "inside", "outside"), [(0, "loss", "accuracy"), (1, "accuracy", "loss")])
def test_a_phase_shows_its_own_layers(phase: int, inside: str, outside: str) -> None:
    text = dot(phase=phase)
    assert f'"{inside}_' in text
    assert f'"{outside}_' not in text
    assert '"loss_' in dot()
    assert '"accuracy_' in dot()


def test_rates_are_shown_where_they_are_wanted() -> None:
    assert "lr mult" not in dot()
    text = dot(display_lrm=True)
    assert text.count("lr mult") == 1  # ip stands still
    assert "lr mult: 1.0, 2.0" in text


def test_older_syntax_is_drawn_and_left_as_it_is() -> None:
    old = text_format.Parse(
        """input: "data" input_dim: 1 input_dim: 1 input_dim: 8 input_dim: 8
        layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 3
                 convolution_param { num_output: 2 kernel_size: 3 } }""",
        NetParameter(),
    )
    before = old.SerializeToString()
    text = draw.draw_net(old, "LR", "dot", display_lrm=True).decode()
    assert '"c_Convolution"' in text
    assert "lr mult: 3.0, 1.0" in text
    assert old.SerializeToString() == before


@pytest.mark.parametrize("ending", ["png", "svg", "dot", "raw", "pdf"])
def test_the_ending_says_what_is_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"net.{ending}"
    draw.draw_net_to_file(NET, str(path), rankdir="RL", phase=1)
    heads = {"png": b"\x89PNG", "svg": b"<", "dot": b"digraph", "raw": b"digraph", "pdf": b"%PDF"}
    assert path.read_bytes().startswith(heads[ending])
    if ending == "dot":
        assert "rankdir=RL" in path.read_text()


def test_unknown_kinds_and_directions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pictures are png, jpg, svg, pdf or dot; 'bmp' is given"):
        draw.draw_net_to_file(NET, tmp_path / "net.bmp")
    with pytest.raises(DataError, match="rankdir is TB, BT, LR or RL; 'UP' is given"):
        draw.draw_net(NET, "UP")
    assert not list(tmp_path.iterdir())


def test_pydot_is_asked_for_where_its_graph_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match=r"needs the pydot package \(pip install pydot\); draw_net .* work without"):
        draw.get_pydot_graph(NET, "LR")


@pytest.mark.parametrize("labelled", [True, False])
def test_pydot_is_given_the_same_drawing(monkeypatch: pytest.MonkeyPatch, labelled: bool) -> None:
    class Pydot:
        @staticmethod
        def graph_from_dot_data(text: str) -> list[str]:
            return [text]

    monkeypatch.setitem(sys.modules, "pydot", Pydot)  # type: ignore[arg-type]
    text = draw.get_pydot_graph(NET, "LR", label_edges=labelled)
    assert text.startswith("digraph")
    assert ('[label="20"]' in text) is labelled


def test_caffes_words_for_layers() -> None:
    assert draw.get_layer_label(CONV, "LR") == r'"conv\n(Convolution)\nkernel size: 5\nstride: 2\npad: 0"'
    assert draw.get_layer_label(POOL, "TB") == '"pool (Pooling AVE) kernel size: 3 stride: 2 pad: 0"'
    assert draw.get_layer_label(RELU, "BT") == '"relu (ReLU)"'
    assert draw.get_layer_label(CONV, "TB", display_lrm=True).endswith(' lr mult: 1.0, 2.0"')
    assert draw.get_layer_label(IP, "TB", display_lrm=True) == '"ip (InnerProduct)"'
    assert [draw.get_edge_label(layer) for layer in (DATA, CONV, IP, POOL)] == ["Batch 64", "20", "10", '""']
    assert draw.get_pooling_types_dict() == {0: "MAX", 1: "AVE", 2: "STOCHASTIC"}
    assert draw.get_layer_lr_mult(CONV) == (1.0, 2.0)
    with pytest.raises(ValueError, match="Pooling layers do not have a learning rate multiplier"):
        draw.get_layer_lr_mult(POOL)
    colors = {
        kind: draw.choose_color_by_layertype(kind) for kind in ("Convolution", "Deconvolution", "Pooling", "ReLU")
    }
    assert colors["Convolution"] == colors["Deconvolution"]
    assert len(set(colors.values())) == 3
