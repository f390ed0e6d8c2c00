"""What the commands make of arrays that lie, or are scaled, otherwise than what the net learned from."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae import codes
from deepcae.cli import main

NET = """name: "grey"
layer {{ name: "data" type: "HDF5Data" top: "data" hdf5_data_param {{ source: "x.txt" batch_size: 8 }}
  {transform} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 2 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "code" type: "InnerProduct" bottom: "conv" top: "code"
  inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "up" type: "InnerProduct" bottom: "code" top: "up"
  inner_product_param {{ num_output: 80 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "flat" type: "Flatten" bottom: "data" top: "flat" }}
layer {{ name: "l2" type: "EuclideanLoss" bottom: "up" bottom: "flat" top: "l2" }}
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.001 lr_policy: "fixed" max_iter: 4 snapshot: 4 random_seed: 1'
UNIT = np.random.default_rng(0).random((24, 1, 8, 10)).astype(np.float32)
DEEP = np.round(UNIT * 4000).astype(np.uint16)  # as a microscope writes them


def write(name: str, data: np.ndarray) -> None:
    with h5py.File(f"{name}.h5", "w") as file:
        file["data"] = data
    Path(f"{name}.txt").write_text(f"{name}.h5\n")
    np.save(f"{name}.npy", data)


def trained(data: np.ndarray, transform: str = "") -> None:
    write("x", data)
    Path("net.prototxt").write_text(NET.format(transform=transform))
    Path("solver.prototxt").write_text(SOLVER)
    assert main(["train", "--solver", "solver.prototxt", "--out", "run", "-q"]) == 0
    assert main(["encode", "run", "x.h5", "-o", "own.npz", "-q"]) == 0


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


REFUSED = {  # name: (data, words); all others are taken for what they are
    "swapped": (np.swapaxes(UNIT, 2, 3), "height and width are swapped"),
    "no channel, swapped": (np.swapaxes(UNIT, 2, 3)[:, 0], "height and width are swapped"),
    "colour": (np.repeat(UNIT, 3, axis=1), "has shape"),
}


@pytest.mark.parametrize("kind", ["swapped", "no channel, swapped", "colour"])
@pytest.mark.parametrize("ending", ["h5", "npy"])
def test_what_lies_otherwise_is_refused_by_all(kind: str, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    trained(UNIT)
    data, words = REFUSED[kind]
    write("other", data)
    for argv in (
        ["encode", "run", f"other.{ending}", "-o", "c.npz"],
        ["layers", "run", f"other.{ending}", "-o", "l.png"],
        ["eval", "run", "--data", f"other.{ending}", f"other.{ending}"],
        ["report", "run", "--data", f"other.{ending}"],
        ["plot", "run", "--data", f"other.{ending}", "-o", "p.png"],
    ):
        capsys.readouterr()
        assert main([*argv, "-q"]) == 2, argv
        err = capsys.readouterr().err
        assert words in err, argv
        assert err.count("\n") == 1
    assert not Path("c.npz").exists()


@pytest.mark.parametrize("ending", ["h5", "npy"])
@pytest.mark.parametrize("kind", ["no channel axis", "flat"])
def test_what_can_only_be_read_one_way_is_read(kind: str, ending: str) -> None:
    trained(UNIT)
    write("other", UNIT[:, 0] if kind == "no channel axis" else UNIT.reshape(24, -1))
    assert main(["encode", "run", f"other.{ending}", "-o", "c.npz", "-q"]) == 0
    np.testing.assert_array_equal(codes.load("c.npz").codes, codes.load("own.npz").codes)


TRANSFORM = "transform_param { mean_value: 100 scale: 0.0005 }"
SCALED = {  # what a net that learned from numbers of 12 bits, scaled by its text, is shown
    "the same": (DEEP, False),
    "without channel": (DEEP[:, 0], False),
    "whole numbers of 32 bits": (DEEP.astype(np.int32), False),
    "the same as floats": (DEEP.astype(np.float32), False),
    "scaled already": (((DEEP - 100.0) * 0.0005).astype(np.float32), False),
    "ten times as bright": (DEEP * np.uint16(10), True),
}


@pytest.mark.parametrize("kind", SCALED)
def test_numbers_of_16_bits_have_the_codes_of_those_learned_from(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the text's own scaling, in any file: they were 50 to 270 times off."""
    trained(DEEP, TRANSFORM)
    data, strange = SCALED[kind]
    np.save("other.npy", data)
    capsys.readouterr()
    assert main(["encode", "run", "other.npy", "-o", "c.npz", "-q"]) == 0
    assert ("warning: other.npy: values lie in" in capsys.readouterr().err) == strange
    if not strange:
        np.testing.assert_allclose(codes.load("c.npz").codes, codes.load("own.npz").codes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("data", "words"),
    [(DEEP, "times as large"), (np.round(UNIT * 65535).astype(np.uint16), "scale: 1.52590218966964e-05 missing?"),
     (np.where(UNIT > 0.9, np.nan, UNIT), "values are not finite"), (UNIT * 255, "missing?"),
     (UNIT - 4, "values lie in")],
)  # fmt: skip
def test_what_the_text_does_not_scale_is_told_of(
    data: np.ndarray, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(UNIT)
    np.save("other.npy", data)
    capsys.readouterr()
    assert main(["encode", "run", "other.npy", "-o", "c.npz", "-q"]) == 0
    assert words in capsys.readouterr().err


def test_bytes_are_grey_levels_for_a_net_that_scales_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    trained(UNIT)
    np.save("other.npy", np.round(UNIT * 255).astype(np.uint8))
    capsys.readouterr()
    assert main(["encode", "run", "other.npy", "-o", "c.npz", "-q"]) == 0
    assert capsys.readouterr().err == ""
    np.testing.assert_allclose(codes.load("c.npz").codes, codes.load("own.npz").codes, atol=0.02)
