"""Data that lie otherwise than a text is for, or than a run learned from, and values out of the range learned from."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.cli import main

RGB = np.random.default_rng(1).random((40, 3, 16, 24)).astype(np.float32)
WRONG = {
    "last": (np.moveaxis(RGB, 1, -1), "channels come last"),
    "swapped": (np.swapaxes(RGB, 2, 3), "height and width are swapped"),
    "flat": (RGB.reshape(40, -1), "rows are flat"),
    "small": (RGB[:, :, :8], ""),
}


def write(name: str, data: np.ndarray) -> str:
    with h5py.File(f"{name}.h5", "w") as file:
        file["data"] = data
    Path(f"{name}.txt").write_text(f"{name}.h5\n")
    return f"{name}.txt"


@pytest.fixture
def designed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A designed network and its data, in the working directory."""
    monkeypatch.chdir(tmp_path)
    lists = write("x", RGB)
    command = ["zoo", "design", "--input", "3x16x24", "--dims", "2", "--no-mirror", "--data", lists, lists]
    assert main([*command, "-o", "m"]) == 0
    capsys.readouterr()
    return Path("m")


@pytest.mark.parametrize("kind", WRONG)
def test_a_design_for_other_images_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data, words = WRONG[kind]
    lists = write(kind, data)
    assert main(["zoo", "design", "--input", "3x16x24", "--dims", "2", "--data", lists, lists, "-o", "m"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert words in err
    assert not Path("m").exists()


@pytest.mark.parametrize("kind", WRONG)
def test_every_command_compares_the_data_with_the_text(
    kind: str, designed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, words = WRONG[kind]
    write("x", data)
    for argv in (
        ["check", "m/net.prototxt"],
        ["check", "m/solver.prototxt"],
        ["summary", "m/net.prototxt"],
        ["train", "--solver", "m/solver.prototxt", "--out", "run"],
    ):
        assert main(argv) == 2
        out, err = capsys.readouterr()
        assert f"this text is for (N, 3, 16, 24): {words}" in out + err
        assert "input_param" in Path("m/net.prototxt").read_text()
    assert not list(Path().glob("run/*.caffemodel"))


def test_what_a_run_is_shown_is_compared_with_what_it_learned_from(
    designed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = "max_iter: 4 snapshot: 2 test_interval: 2"
    solver = ["train", "--solver", "m/solver.prototxt", "--out", "run", "--set", overrides, "--seed", "1", "-q"]
    assert main(solver) == 0
    assert "warning" not in capsys.readouterr().err
    for name, data in (("bright", RGB * 800), ("bytes", RGB * 255), ("negative", RGB - 5), ("nan", RGB * np.nan)):
        write(name, data)
    words = {
        "bright": "times as large",
        "bytes": "scale: 0.00392156862745098 missing?",
        "negative": "-5..",
        "nan": "not finite",
    }
    for name, part in words.items():
        assert main(["encode", "run", f"{name}.h5", "-o", "c.npz", "-q"]) == 0
        assert part in capsys.readouterr().err
    assert main(["layers", "run", "bytes.h5", "-o", "l.png", "-q"]) == 0
    assert capsys.readouterr().err.count("warning: bytes.h5: values lie in") == 1
    assert main(["encode", "run", "-o", "c.npz", "-q"]) == 0
    assert main(["decode", "run", "c.npz", "-o", "d.h5", "-q"]) == 0
    assert capsys.readouterr().err == ""
    Path("far.csv").write_text("code_1,code_2\n0,0\n5000,1\n")
    assert main(["decode", "run", "far.csv", "-o", "d.h5", "-q"]) == 0
    assert "warning: far.csv: codes lie in 0..5000, those of the last training images in" in capsys.readouterr().err
    write("swapped", WRONG["swapped"][0])
    assert main(["encode", "run", "swapped.h5", "-o", "e.npz"]) == 2
    assert WRONG["swapped"][1] in capsys.readouterr().err
    np.save("last.npy", WRONG["last"][0])
    write("last", WRONG["last"][0])
    for name in ("x.h5", "last.h5", "last.npy"):
        assert main(["encode", "run", name, "-o", f"{name}.npz", "-q"]) == 0
    codes = [np.load(f"{name}.npz")["codes"] for name in ("x.h5", "last.h5", "last.npy")]
    np.testing.assert_array_equal(codes[0], codes[1])
    np.testing.assert_array_equal(codes[0], codes[2])
    for argv in (["plot", "run", "--data", "last.h5", "--what", "errors"], ["layers", "run", "last.h5"]):
        assert main([*argv, "-o", f"{argv[0]}.png", "-q"]) == 0
    write("x", RGB * 255)
    assert main(["test", "run", "-q", "--iterations", "1"]) == 0
    assert "warning: its data: values lie in" in capsys.readouterr().err


def test_weights_without_their_run(designed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Compared by what lies beside them; where that is not there, it is told that nothing is compared."""
    overrides = "max_iter: 4 snapshot: 4 test_interval: 2"
    for out, form in (("run", ""), ("h5", " snapshot_format: HDF5")):
        argv = ["train", "--solver", "m/solver.prototxt", "--out", out, "--set", overrides + form, "--seed", "1", "-q"]
        assert main(argv) == 0
    write("bytes", RGB * 255)
    (first,) = Path("run").glob("*_iter_4.caffemodel")
    (second,) = Path("h5").glob("*_iter_4.caffemodel.h5")
    encode = ["encode", "--model", "m/net.prototxt", "-o", "c.npz"]
    for weights in (str(first), str(second), f"{first},{second}", "run"):
        capsys.readouterr()
        assert main([*encode, "--weights", weights, "bytes.h5", "-q"]) == 0
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("warning: bytes.h5: values lie in ")
        assert "scale: 0.00392156862745098 missing?" in line
    Path("alone.caffemodel").write_bytes(first.read_bytes())
    said = "; which the weights learned from is not known (no alone.resume.json lies beside them): scale images as"
    assert main([*encode, "--weights", "alone.caffemodel", "bytes.h5"]) == 0
    assert capsys.readouterr().err.count(said) == 1
    assert main([*encode, "--weights", "alone.caffemodel", "bytes.h5", "-q"]) == 0
    assert capsys.readouterr().err == ""
    write("x", RGB * 255)
    assert main(["test", "--model", "m/net.prototxt", "--weights", str(first), "-q", "--iterations", "1"]) == 0
    assert "warning: its data: values lie in" in capsys.readouterr().err


def test_images_to_test_with_that_were_not_scaled_are_told_while_it_trains(
    designed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("bytes", RGB * 255)
    text = Path("m/net.prototxt").read_text()
    Path("m/net.prototxt").write_text("../bytes.txt".join(text.rsplit("../x.txt", 1)))
    assert (
        main(["train", "--solver", "m/solver.prototxt", "--out", "run", "--set", "max_iter: 4 test_interval: 2", "-q"])
        == 0
    )
    err = capsys.readouterr().err
    assert err.count("test net #0, data 'data': values lie in") == 1
    assert "scale: 0.00392156862745098 missing?" in err


NET = """layer {{ name: "data" type: "HDF5Data" top: "data" hdf5_data_param {{ source: "h.txt" batch_size: 4 }} }}
layer {{ name: "look" type: "{kind}" bottom: "data" top: "look" {settings} }}
layer {{ name: "few" type: "InnerProduct" bottom: "look" top: "few" inner_product_param {{ num_output: 2 }} }}
"""
CONV = "convolution_param { num_output: 2 kernel_size: 3 }"


@pytest.mark.parametrize(
    ("shape", "kind", "settings", "words"),
    [
        ((9, 32, 32, 3), "Convolution", CONV, "if channels come last"),
        (
            (9, 32, 32, 1),
            "Convolution",
            CONV.replace("kernel_size: 3", "kernel_size: 3 pad: 1"),
            "if channels come last",
        ),
        ((9, 64, 48), "Convolution", CONV, "images need a channel axis"),
        ((9, 64, 100, 1), "Convolution", "convolution_param { num_output: 2 kernel_h: 3 kernel_w: 1 }", ""),
        ((9, 3, 32, 32), "Convolution", CONV, ""),
        ((9, 12, 5000), "Convolution", CONV, ""),
        ((9, 32, 32, 3), "InnerProduct", "inner_product_param { num_output: 2 }", ""),
        ((9, 3, 4, 4), "Convolution", CONV, ""),
        ((9, 32, 32, 3), "Pooling", "pooling_param { kernel_size: 2 stride: 2 }", "if channels come last"),
    ],
)
def test_a_text_that_states_no_shape_is_warned_of(
    shape: tuple[int, ...], kind: str, settings: str, words: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write("h", np.zeros(shape, np.float32))
    Path("net.prototxt").write_text(NET.format(kind=kind, settings=settings))
    assert main(["check", "net.prototxt"]) == 0
    out = capsys.readouterr().out
    assert words in out
    assert ("warning" in out) == bool(words)
    assert main(["summary", "net.prototxt"]) == 0
    assert ("warning" in capsys.readouterr().err) == bool(words)
    Path("solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1')
    assert main(["train", "--solver", "solver.prototxt", "--out", "run", "-q"]) == 0
    assert (words or "reads as") in (err := capsys.readouterr().err) or not words
    assert ("reads as" in err) == bool(words)
