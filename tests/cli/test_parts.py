"""Which blob is image, code and restored image: the same for every order and text, and to be named in every command."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae import codes
from deepcae.cli import main
from deepcae.solver.run import Run
from deepcae.trained.examples import open_examples
from deepcae.trained.losses import reconstruction_losses
from deepcae.trained.network import Trained
from deepcae.trained.passes import layer_by_layer, restored


def done(*argv: object) -> None:
    assert main([*map(str, argv), "-q"]) == 0


@pytest.fixture
def swapped(model: Path) -> Path:
    """A run of the same net whose Euclidean loss has the image as first bottom."""
    text = (model / "net.prototxt").read_text()
    pair = 'bottom: "restored" bottom: "flat"'
    assert pair in text
    (model / "net.prototxt").write_text(text.replace(pair, 'bottom: "flat" bottom: "restored"'))
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", "swapped", "--quiet"]) == 0
    (model / "net.prototxt").write_text(text)
    return Path("swapped")


def test_a_run_whose_loss_has_the_image_first_looks_the_same(run: Path, swapped: Path) -> None:
    for name in (run, swapped):
        done("encode", name, "-o", f"{name}.npz")
        done("decode", name, f"{name}.npz", "-o", f"{name}.h5")
    mine, theirs = codes.load("run.npz"), codes.load("swapped.npz")
    np.testing.assert_array_equal(mine.codes, theirs.codes)
    assert theirs.codes.shape == (12, 2)
    with h5py.File("run.h5") as first, h5py.File("swapped.h5") as second:
        np.testing.assert_array_equal(first["data"][()], second["data"][()])
    seen = [Trained.of_run(Run(name)) for name in (run, swapped)]
    losses = [reconstruction_losses(trained, open_examples(trained, None)) for trained in seen]
    assert losses[0] == losses[1]
    assert losses[0]["l2"] > 0.1
    for ours, other in zip(
        *(restored(trained, open_examples(trained, None), np.arange(5)) for trained in seen), strict=True
    ):
        np.testing.assert_array_equal(ours, other)  # type: ignore[arg-type]
    paths = [[name for name, _ in layer_by_layer(trained, open_examples(trained, None), 0)] for trained in seen]
    assert paths[0] == paths[1] == ["data", "conv", "code", "up", "restored"]


def test_a_deployed_text_does_what_the_run_does(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (model / "net.prototxt").read_text()
    layers = [
        part for part in re.split(r"(?=^layer )", text, flags=re.MULTILINE) if "Data" not in part and "Loss" not in part
    ]
    Path("deploy.prototxt").write_text(
        'input: "data" input_shape { dim: 4 dim: 1 dim: 6 dim: 6 }\n' + "".join(layers[1:])
    )
    files = ("--model", "deploy.prototxt", "--weights", run / "tiny_iter_6.caffemodel")
    done("encode", *files, model / "test.h5", "-o", "deployed.npz")
    done("encode", run, "-o", "own.npz")
    np.testing.assert_array_equal(codes.load("deployed.npz").codes, codes.load("own.npz").codes)
    done("decode", *files, "own.npz", "-o", "deployed.h5")
    done("decode", run, "own.npz", "-o", "own.h5")
    with h5py.File("own.h5") as first, h5py.File("deployed.h5") as second:
        np.testing.assert_array_equal(first["data"][()], second["data"][()])
    for who in (files, (run,)):
        capsys.readouterr()
        assert (
            main(["layers", *map(str, who), *([str(model / "test.h5")] if who == files else []), "-o", "way.png"]) == 0
        )
        assert capsys.readouterr().out == "wrote way.png: 5 blobs of image 0 (class 0)\n"


TWINS = """name: "twins" {data}
layer {{ name: "a" type: "InnerProduct" bottom: "data" top: "a"
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "b" type: "InnerProduct" bottom: "data" top: "b"
  inner_product_param {{ num_output: 36 weight_filler {{ type: "xavier" }} }} }}
{tail}
"""
SILENT = 'layer { name: "out" type: "Silence" bottom: "a" bottom: "b" }'


def advised(capsys: pytest.CaptureFixture[str], *argv: object) -> list[str]:
    """The options that a command's complaint names."""
    capsys.readouterr()
    assert main([*map(str, argv)]) == 2
    found = re.findall(r"name it with (--[a-z-]+)", capsys.readouterr().err)
    assert found
    return found


def test_advice_names_options_that_the_command_has(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And whoever takes the advice gets what he asked for."""
    data = 'layer { name: "data" type: "HDF5Data" top: "data" hdf5_data_param { source: "test.txt" batch_size: 4 } }'
    loss = 'layer { name: "l" type: "Reduction" bottom: "data" top: "l" loss_weight: 1 }'
    (model / "twins.prototxt").write_text(TWINS.format(data=data, tail=loss + SILENT))
    (model / "twins_solver.prototxt").write_text(
        (model / "solver.prototxt").read_text().replace("net.prototxt", "twins.prototxt")
    )
    assert main(["train", "--solver", str(model / "twins_solver.prototxt"), "--out", "twins", "-q"]) == 0
    np.savez("codes.npz", data=np.ones((2, 3), np.float32))
    calls: list[tuple[tuple[object, ...], dict[str, str]]] = [
        (("encode", "twins", "-o", "c.npz"), {"--code-blob": "a"}),
        (("decode", "twins", "codes.npz", "-o", "i.npz"), {"--code-blob": "a", "--restored-blob": "data"}),
        (("plot", "twins", "-o", "p.png", "--what", "scatter"), {"--code-blob": "a"}),
        (("plot", "twins", "-o", "p.png", "--what", "reconstructions"), {"--restored-blob": "b"}),
        (("eval", "twins"), {"--code-blob": "a"}),
    ]
    for argv, names in calls:
        named: list[str] = []
        for option, blob in names.items():
            assert advised(capsys, *argv, *named) == [option]
            assert main([str(argv[0]), "--help"]) == 0
            assert option in capsys.readouterr().out
            named += [option, blob]
        if argv[0] not in ("eval", "decode"):
            done(*argv, *named)


@pytest.mark.parametrize("command", ["encode", "decode", "layers", "plot", "report", "eval"])
def test_a_wrong_name_is_told(run: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("codes.npz", data=np.ones((2, 2), np.float32))
    more = {"encode": ["-o", "c.npz"], "decode": ["codes.npz", "-o", "i.npz"], "layers": ["-o", "l.png"]}.get(
        command, []
    )
    option = "--image-blob" if command == "layers" else "--code-blob"
    what = ["--what", "scatter"] if command == "plot" else []
    assert main([command, str(run), *more, *what, option, "cod"]) == 2
    assert "no blob 'cod'; did you mean 'code'?" in capsys.readouterr().err


def test_eval_names_the_blobs_of_those_runs_that_have_them(run: Path, model: Path) -> None:
    from deepcae.cli.eval import _name
    from deepcae.errors import DataError
    from deepcae.trained.network import Named

    shutil.copytree(run, "other")
    for text in Path("other").glob("net*.prototxt"):
        text.write_text(text.read_text().replace('"code"', '"kernel"'))
    opened = [Trained.of_run(Run(name)) for name in (run, Path("other"))]
    _name(opened, Named(code="kernel"))
    assert [trained.code for trained in opened] == ["code", "kernel"]
    with pytest.raises(DataError, match="has no blob 'nothing'"):
        _name(opened, Named(code="nothing"))
