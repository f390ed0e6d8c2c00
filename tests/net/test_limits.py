"""Blobs and settings beyond C's int: refused where the text is planned, before anything is allocated, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepcae.cli import main
from deepcae.errors import SpecError
from deepcae.net.graph import build_graph
from deepcae.net.net import Net
from deepcae.net.plan import make_plan
from deepcae.proto.read import read_net_text

WIDE = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 70000 } } }\n'
MAPS = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 dim: 30000 dim: 8 } } }\n'
MOST = 2**31 - 1


def problems(text: str, phase: str = "TRAIN") -> list[str]:
    try:
        make_plan(build_graph(read_net_text(text, "n.prototxt"), phase))
    except SpecError as error:
        return [str(problem) for problem in error.problems]
    return []


def layer(settings: str, bottom: str = 'bottom: "x"') -> str:
    return f'layer {{ name: "o" {bottom} top: "y" type: {settings} }}\n'


@pytest.mark.parametrize(
    ("head", "settings", "at", "words"),
    [
        (WIDE, '"InnerProduct" inner_product_param { num_output: 70000 }', "num_output", "blob 0 would be 70000x70000"),
        (
            WIDE,
            '"InnerProduct" inner_product_param { num_output: 70000 transpose: true }',
            "num_output",
            "would be 70000x70000",
        ),
        (
            WIDE,
            '"InnerProduct" inner_product_param { num_output: 4000000000 }',
            "num_output",
            "num_output is 4000000000",
        ),
        (
            MAPS,
            '"Convolution" convolution_param { num_output: 60000000 kernel_size: 3 }',
            "num_output",
            "60000000x4x3x3",
        ),
        (MAPS, '"Convolution" convolution_param { num_output: 10000 kernel_size: 1 }', "top: ", "top 0 would be"),
        (MAPS, '"Deconvolution" convolution_param { num_output: 9 kernel_size: 9 stride: 200 }', "top: ", "top 0"),
        (WIDE, '"Embed" embed_param { num_output: 60000 input_dim: 60000 }', "num_output", "60000x60000"),
        (WIDE, '"Tile" tile_param { tiles: 40000 }', "top: ", "1x2800000000"),
        (MAPS, '"Im2col" convolution_param { kernel_size: 4000000000 }', "kernel_size", "kernel_size is 4000000000"),
        (MAPS, '"Im2col" convolution_param { kernel_size: 300 pad: 900 }', "top: ", "top 0 would be"),
        (MAPS, '"SPP" spp_param { pyramid_height: 3000000000 }', "pyramid_height", "at most 2147483647"),
        (
            MAPS,
            '"Unpooling" unpooling_param { kernel_size: 2 unpool_size: 60000 }',
            "top: ",
            "1x4x60000x60000",
        ),
        ("", '"Input" input_param { shape { dim: 50000 dim: 50000 } }', "top: ", "50000x50000"),
        ("", '"DummyData" dummy_data_param { shape { dim: 9000000000000000000 } }', "top: ", "at most 2147483647"),
        ("", '"DummyData" dummy_data_param { num: 3000000000 channels: 1 height: 1 width: 1 }', "num: ", "num is"),
        ("", '"Parameter" parameter_param { shape { dim: 70000 dim: 70000 } }', "layer", "learned blob 0"),
        ("", '"HDF5Data" hdf5_data_param { source: "none.txt" batch_size: 4000000000 }', "batch_size", "batch_size is"),
        ("", '"Input" input_param { shape { ' + "dim: 1 " * 33 + "} }", "top: ", "33 axes; at most 32"),
    ],
)
def test_what_is_too_great(head: str, settings: str, at: str, words: str) -> None:
    text = layer(settings, 'bottom: "x"' if head else "")
    behind = layer('"ReLU"').replace('"y"', '"z"').replace('"x"', '"y"')  # which has nothing to complain of
    (line,) = problems(head + text + behind)
    row = head.count("\n") + 1
    assert line.startswith(f"n.prototxt:{row}:{text.index(at) + 1}: layer 'o' (")
    assert words in line
    assert len(line) <= 200


@pytest.mark.parametrize(
    "text",
    [
        WIDE + layer('"InnerProduct" inner_product_param { num_output: 30678 }'),  # 70000 · 30678 = 2^31 - 23648
        WIDE.replace("70000", str(MOST)),
        'input: "x" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 2147483647\n',
        MAPS + layer('"Tile" tile_param { tiles: 1000 }'),
    ],
)
def test_what_just_fits(text: str) -> None:
    assert problems(text) == []


def test_a_width_whose_input_is_not_known() -> None:
    data = 'layer { name: "d" type: "HDF5Data" top: "x" hdf5_data_param { source: "none.txt" batch_size: 5 } }\n'
    (line,) = problems(data + layer('"InnerProduct" inner_product_param { num_output: 1000000000 }'))
    assert "its top 0 would be 5x1000000000" in line


def test_the_commands_refuse_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = WIDE + layer('"InnerProduct" inner_product_param { num_output: 70000 }')
    Path("n.prototxt").write_text(text)
    Path("s.prototxt").write_text('net: "n.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1\n')
    for argv in (["check", "n.prototxt"], ["summary", "n.prototxt"], ["train", "--solver", "s.prototxt", "-o", "run"]):
        assert main(argv) == 2
        out, err = capsys.readouterr()
        (line,) = (out + err).splitlines()
        assert "n.prototxt:2:" in line
        assert "70000x70000" in line


def test_a_batch_that_is_fed() -> None:
    net = Net(read_net_text(WIDE.replace("70000", "1") + layer('"Tile" tile_param { tiles: 2000000000 }')), "TEST")
    with pytest.raises(SpecError, match="2x2000000000"):
        net(x=[[1.0], [1.0]])
