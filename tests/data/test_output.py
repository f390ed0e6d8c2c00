"""The files that HDF5Output layers write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deepcae.data.output import Outputs
from deepcae.errors import DataError
from reference import reference_dir


@pytest.fixture
def sink(layer: Any) -> Any:
    return layer('name: "o" type: "HDF5Output" bottom: "x" bottom: "t" hdf5_output_param { file_name: "out/o.h5" }')


def test_one_batch_is_caffes_file(sink: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = np.load(reference_dir("files", "data_layers", "hdf5_output.npz"))
    monkeypatch.chdir(tmp_path)
    with Outputs([sink]) as outputs:
        outputs.write({"x": case["bottom_0"], "t": case["bottom_1"]})
        assert not Path("out/o.h5").exists()  # whole or not at all
    with (
        h5py.File("out/o.h5") as ours,
        h5py.File(reference_dir("files", "data_layers", "output.h5")) as caffes,
    ):
        assert set(ours) == set(caffes)
        for name in ours:
            assert ours[name].dtype == caffes[name].dtype
            np.testing.assert_array_equal(ours[name], caffes[name])
    assert [path.name for path in Path("out").iterdir()] == ["o.h5"]


def test_batches_follow_one_another(sink: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = np.arange(24, dtype=np.float32).reshape(6, 2, 2)
    outputs = Outputs([sink])
    assert outputs.blobs == ("x", "t")
    for part in (rows[:4], rows[4:4], rows[4:]):
        outputs.write({"x": part, "t": part[:, 0, 0]})
    with pytest.raises(DataError, match=r"rows of 'data' were \(2, 2, 1\), these are \(3, 1, 1\)"):
        outputs.write({"x": np.zeros((1, 3)), "t": np.zeros(1)})
    outputs.close()
    with h5py.File("out/o.h5") as file:
        np.testing.assert_array_equal(file["data"][..., 0], rows)
        np.testing.assert_array_equal(file["label"][:, 0, 0, 0], rows[:, 0, 0])


def test_what_was_written_is_there_when_nobody_closes_it(
    sink: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outputs = Outputs([sink])
    outputs.write({"x": np.zeros((2, 3)), "t": np.zeros(2)})
    del outputs
    with h5py.File("out/o.h5") as file:
        assert file["data"].shape == (2, 3, 1, 1)


def test_a_file_that_cannot_be_written_is_named(sink: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out").write_text("a file, no folder")
    with pytest.raises(DataError, match=r"out/o\.h5: cannot be written"):
        Outputs([sink]).write({"x": np.zeros((2, 3)), "t": np.zeros(2)})


def test_only_a_file_of_the_same_layer_is_replaced(
    sink: Any, layer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in (1, 2):
        with Outputs([sink]) as outputs:
            outputs.require_replaceable()
            outputs.write({"x": np.full((2, 3), value), "t": np.zeros(2)})
    with h5py.File("out/o.h5") as file:
        assert file["data"][0, 0] == 2
    other = layer('name: "p" type: "HDF5Output" bottom: "x" bottom: "t" hdf5_output_param { file_name: "out/o.h5" }')
    with pytest.raises(DataError, match=r"out/o\.h5: is there already, not from HDF5Output layer 'p'"):
        Outputs([other]).require_replaceable()


@pytest.mark.parametrize("kind", ["text", "h5", "odd mark", "empty"])
def test_a_file_of_somebody_stays(sink: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    target = Path("out/o.h5")
    target.parent.mkdir()
    if kind in ("text", "empty"):
        target.write_text("thesis" if kind == "text" else "")
    else:
        with h5py.File(target, "w") as file:
            file["data"], file["label"] = np.zeros((2, 1, 1, 1), "f"), np.zeros((2, 1, 1, 1), "f")
            if kind == "odd mark":
                file.attrs["HDF5Output"] = [1, 2]
    before = target.read_bytes()
    rows = {"x": np.zeros((2, 3)), "t": np.zeros(2)}
    for attempt in (Outputs([sink]).require_replaceable, lambda: Outputs([sink]).write(rows)):
        with pytest.raises(DataError, match=r"out/o\.h5: is there already"):
            attempt()
    target.unlink()
    outputs = Outputs([sink])
    outputs.write(rows)
    target.write_bytes(before)  # it comes while the rows are collected
    with pytest.raises(DataError, match=r"out/o\.h5: cannot be written: is there already"):
        outputs.close()
    assert [path.read_bytes() for path in Path("out").iterdir()] == [before]
