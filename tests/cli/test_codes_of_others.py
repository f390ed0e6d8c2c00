"""Codes are decoded with the weights that made them, or it is told: otherwise the images are others without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepcae.cli import main
from deepcae.codes.files import save

DECODE = ["decode", "run", "-o", "out.npz", "-q"]


@pytest.mark.parametrize("ending", ["h5", "npz", "mat", "parquet", "h5ad"])
def test_codes_of_another_snapshot_are_told(run: Path, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"codes.{ending}"
    assert main(["encode", "run", "-o", name, "--snapshot", "2", "-q"]) == 0
    capsys.readouterr()
    assert main([*DECODE, name, "--snapshot", "2"]) == 0
    assert capsys.readouterr().err == ""
    assert main([*DECODE, name]) == 0
    told = f"warning: {name}: its codes are of the weights of iteration 2 of run, and decoded with those of 6 of run\n"
    assert capsys.readouterr().err == told


def test_a_moved_run_decodes_its_codes_in_silence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "run", "-o", "codes.npz", "-q"]) == 0
    run.rename("moved")
    capsys.readouterr()
    assert main(["decode", "moved", "codes.npz", "-o", "out.npz", "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_a_map_is_no_code(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "run", "-o", "codes.npz", "-q"]) == 0
    codes = np.load("codes.npz")["codes"]
    save("map.npz", codes, None, {"method": "tsne"})
    capsys.readouterr()
    assert main([*DECODE, "map.npz"]) == 0
    assert "warning: map.npz: holds a map that tsne made of codes, and no codes" in capsys.readouterr().err
