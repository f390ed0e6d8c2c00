"""`deepcae convert`: what is written, what is printed, and what ends it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from deepcae.cli import main
from deepcae.convert import neuron
from deepcae.convert.writer import WRITERS
from deepcae.net.net import Net

Capture = pytest.CaptureFixture[str]


def codes_of(path: str, x: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"data": x})


def newest(run: Path) -> str:
    return str(next(run.glob("*_iter_6.caffemodel")))


def test_a_run_becomes_onnx(run: Path, model: Path, capsys: Capture) -> None:
    assert main(["convert", str(run), "--to", "onnx"]) == 0
    out, err = capsys.readouterr()
    assert "wrote run.onnx: " in err
    assert "from data to code, restored, for any batch size" in err
    first, *lines = out.splitlines()
    assert first == f"largest differences between onnxruntime {onnxruntime.__version__} and the net:"
    assert [line.split("  ")[1].strip() for line in lines] == ["code", "restored"] * 3
    assert [" ".join(line.split()[1:4]).rstrip(",") for line in lines[::2]] == [
        "random, batch 1",
        "random, batch 4",
        "data, batch 4",
    ]
    assert all(float(line.split()[-2]) < 1e-5 for line in lines)
    x = np.random.default_rng(0).random((3, 1, 6, 6), dtype=np.float32)
    net = Net(model / "net.prototxt", weights=newest(run))
    code, restored = codes_of("run.onnx", x)
    np.testing.assert_allclose(code, net(data=x, want=["code"])["code"], rtol=1e-5, atol=1e-6)
    assert restored.shape == (3, 36)


def test_encoder_and_decoder_go_apart(run: Path, capsys: Capture) -> None:
    assert main(["convert", str(run), "--to", "onnx", "-o", "e.onnx", "--outputs", "code", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["file"] == "e.onnx"
    assert {each["output"] for each in answer["differences"]} == {"code"}
    words = ["convert", str(run), "--to", "onnx", "-o", "d.onnx", "--inputs", "code", "--outputs", "restored"]
    assert main([*words, "--quiet"]) == 0
    x = np.random.default_rng(0).random((2, 1, 6, 6), dtype=np.float32)
    (code,) = codes_of("e.onnx", x)
    decoder = onnxruntime.InferenceSession("d.onnx", providers=["CPUExecutionProvider"])
    assert decoder.run(None, {"code": code})[0].shape == (2, 36)


def test_weights_go_around_all_formats_and_keep_every_bit(run: Path, model: Path, capsys: Capture) -> None:
    text, first = str(model / "net.prototxt"), newest(run)
    chain = [
        ("safetensors", "a.safetensors"),
        ("torch", "b.pt"),
        ("caffemodel", "c.caffemodel.h5"),
        ("caffemodel", "d.caffemodel"),
    ]
    source = first
    for to, name in chain:
        assert main(["convert", text, source, "--to", to, "-o", name]) == 0
        assert f"wrote {name}: the weights of 3 layer(s)" in capsys.readouterr().err
        source = name
    begin, end = (Net(text, weights=path).tensors for path in (first, source))
    assert all(a.detach().numpy().tobytes() == b.detach().numpy().tobytes() for a, b in zip(begin, end, strict=True))
    assert set(torch.load("b.pt", weights_only=True)) == {
        f"{name}.{role}" for name in ("conv", "code", "up") for role in ("weight", "bias")
    }
    for name in ("a.safetensors", "b.pt"):
        assert main(["encode", "--model", text, "--weights", name, "-o", f"{name}.csv", str(model / "test.txt")]) == 0
    assert Path("a.safetensors.csv").read_text() == Path("b.pt.csv").read_text()


def test_the_file_is_named_as_the_weights_and_never_written_over(run: Path, model: Path, capsys: Capture) -> None:
    words = ["convert", str(model / "net.prototxt"), newest(run), "--to"]
    assert main([*words, "safetensors"]) == 0
    name = Path(newest(run)).stem
    assert Path(f"{name}.safetensors").is_file()
    capsys.readouterr()
    assert main([*words, "safetensors"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {name}.safetensors: is there already; give -o to name the new file"
    )
    assert main([*words, "safetensors", "-o", f"{name}.safetensors"]) == 0


def refused(words: list[str], capsys: Capture, code: int = 2) -> str:
    capsys.readouterr()
    assert main(["convert", *words]) == code
    return capsys.readouterr().err


def test_layers_that_cannot_go_are_listed_at_once(run: Path, model: Path, capsys: Capture) -> None:
    text = (model / "net.prototxt").read_text()
    text += 'layer { name: "l" type: "Input" top: "label" input_param { shape { dim: 4 } } }\n'
    text += 'layer { name: "right" type: "Accuracy" bottom: "code" bottom: "label" top: "right" }\n'
    text += 'layer { name: "again" type: "Accuracy" bottom: "up" bottom: "label" top: "again" }\n'
    path = model / "measured.prototxt"
    path.write_text(text)
    err = refused([str(path), newest(run), "--to", "onnx", "--outputs", "right,again"], capsys)
    errors = [line for line in err.splitlines() if line.startswith("error")]
    place = str(path)
    assert [line.removeprefix(f"error: {place}:").split(": cannot")[0] for line in errors] == [
        "18:23: layer 'right' (Accuracy)",
        "19:23: layer 'again' (Accuracy)",
    ]
    assert not list(Path().glob("*.onnx"))


def test_weights_that_the_file_lacks_are_not_made_up(run: Path, model: Path, capsys: Capture) -> None:
    text = (model / "net.prototxt").read_text().replace('name: "up"', 'name: "higher"')
    (model / "other.prototxt").write_text(text)
    err = refused([str(model / "other.prototxt"), newest(run), "--to", "torch"], capsys)
    assert "holds nothing for layer(s) higher, whose values would be random" in err
    text = text.replace('num_output: 36 weight_filler { type: "xavier" }', "num_output: 36")  # 0: nothing is random
    (model / "other.prototxt").write_text(text)
    assert main(["convert", str(model / "other.prototxt"), newest(run), "--to", "torch"]) == 0


def test_a_difference_that_is_too_large_writes_nothing(
    run: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WRITERS, "Sigmoid", lambda site: [neuron.softplus(site, site.bottoms[0])])
    err = refused([str(run), "--to", "onnx"], capsys, code=1)
    assert "error: run.onnx: not written, since onnxruntime gives something else than the net: '" in err
    assert not Path("run.onnx").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(package: str, run: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    import deepcae.convert

    for name in ("to_onnx", "compare", "runtime", "random_inputs"):
        monkeypatch.delitem(vars(deepcae.convert), name, raising=False)
    for name in [name for name in sys.modules if name.startswith("deepcae.convert.") or name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    err = refused([str(run), "--to", "onnx"], capsys)
    assert err == f"error: ONNX needs the package {package}, which is not here: pip install 'deepcae[onnx]'\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["RUN", "--to", "torch", "--outputs", "code"],
            "--outputs and --inputs cut a graph; --to torch writes weights",
        ),
        (["RUN", "--to", "onnx", "--outputs", "cod"], "has no blob 'cod'; did you mean 'code'?"),
        (["TEXT", "--to", "onnx"], "give the WEIGHTS of this network's text, or a run directory in place of both"),
        (["RUN", "--to", "onnx", "--shape", "data=1,1,6,6"], "--shape go with a network's text; a run knows its own"),
        (["TEXT", "--to", "gguf"], "'gguf' is not one of"),
        (["TEXT", "--to", "onnx", "--shape", "data=1,x"], "--shape 'data=1,x' is not of the form data=64,1,28,28"),
        (["TEXT", "nothing.caffemodel", "--to", "onnx"], "nothing.caffemodel: there is no such file"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    words: list[str], sentence: str, run: Path, model: Path, capsys: Capture
) -> None:
    places = {"RUN": str(run), "TEXT": str(model / "net.prototxt")}
    err = refused([places.get(word, word) for word in words], capsys)
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_data_need_not_be_there(run: Path, model: Path, capsys: Capture) -> None:
    (model / "test.h5").unlink()
    (model / "test.txt").unlink()
    text = (model / "net.prototxt").read_text().split('layer { name: "flat"')[0]  # no loss tells the input's size
    (model / "net.prototxt").write_text(text)
    words = [str(model / "net.prototxt"), newest(run), "--to", "onnx", "--outputs", "code"]
    for to in ("onnx", "torch"):
        assert refused([*words[:3], to], capsys).splitlines()[-1] == (
            "error: net 'tiny': the shape of 'data' is not known, since its data file is not there; give it "
            "(--shape data=N,C,H,W)"
        )
    assert main(["convert", *words, "--shape", "data=5,1,6,6"]) == 0
    assert main(["convert", *words, "--shape", "data=6x6", "-o", "one.onnx"]) == 0  # one image of one channel
    assert "data, batch" not in capsys.readouterr().out
