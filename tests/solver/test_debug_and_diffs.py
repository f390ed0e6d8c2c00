"""`debug_info` as records and Caffe's lines; `snapshot_diff`; what is told of weights to start from."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from deepcae.errors import SnapshotError
from deepcae.net.blobs import array_of
from deepcae.net.weights import save_weights
from deepcae.proto.binary import read_weights
from deepcae.proto.read import read_solver_text
from deepcae.solver.log import plain_lines
from deepcae.solver.records import Debugged, Loaded
from deepcae.solver.solver import Solver

NET = """
layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 3 } data_filler { value: 2 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "y" param { name: "w" } inner_product_param { num_output: 3
  bias_term: false weight_filler { value: 0.5 } } }
layer { name: "b" type: "InnerProduct" bottom: "y" top: "z" param { name: "w" } inner_product_param { num_output: 3
  bias_term: false } }
layer { name: "p" type: "Power" bottom: "z" top: "z" power_param { scale: 0.5 } }
layer { name: "l" type: "EuclideanLoss" bottom: "z" bottom: "x" top: "l" }
"""
SOLVER = 'base_lr: 0.1 momentum: 0.5 lr_policy: "fixed" max_iter: 4 display: 2 snapshot_after_train: false '


def solver_of(more: str = "", net: str = NET, **options: object) -> Solver:
    return Solver(read_solver_text(f"net_param {{ {net} }} {SOLVER} {more}"), seed=0, **options)  # type: ignore[arg-type]


def test_debug_info_tells_the_means_of_displayed_iterations() -> None:
    solver = solver_of("debug_info: true")
    records = solver.step(3)
    found = [record for record in records if isinstance(record, Debugged)]
    assert [record.iteration for record in found] == [0, 2]
    means = {(m.stage, m.layer, m.what): (m.value, m.diff) for m in found[0].means}
    x, w = np.full((2, 3), 2.0), np.full((3, 3), 0.5)
    y = x @ w.T
    z = 0.5 * y @ w.T
    dz = (z - x) / 2
    dy = 0.5 * dz @ w
    dw = 0.5 * dz.T @ y + dy.T @ x
    wanted = {
        ("Forward", "a", "top blob y data"): np.abs(y),
        ("Forward", "b", "top blob z data"): np.abs(2 * z),  # before the layer in place
        ("Forward", "p", "top blob z data"): np.abs(z),
        ("Forward", "b", "param blob 0 data"): w,
        ("Forward", "l", "top blob l data"): ((z - x) ** 2).sum() / 4,
        ("Backward", "l", "bottom blob z diff"): np.abs(dz),
        ("Backward", "p", "bottom blob z diff"): np.abs(0.5 * dz),
        ("Backward", "b", "bottom blob y diff"): np.abs(dy),
        ("Backward", "a", "param blob 0 diff"): np.abs(dw),
    }
    for key, values in wanted.items():
        assert means[key][0] == pytest.approx(np.mean(values), rel=1e-5), key
    assert means["Update", "a", "param 0 data"] == pytest.approx((0.5, 0.1 * np.abs(dw).mean()))
    weights1, gradients1, weights2, gradients2 = found[0].norms
    assert (weights1, weights2) == pytest.approx((4.5, 1.5))
    assert (gradients1, gradients2) == pytest.approx((np.abs(dw).sum(), np.sqrt((dw**2).sum())), rel=1e-5)
    lines = [line for _, line in plain_lines(found[0])]
    assert "    [Forward] Layer a, top blob y data: 3" in lines
    assert lines[-1].startswith("    [Update] Layer a, param 0 data: 0.5; diff: ")
    assert lines[-2].startswith("    [Backward] All net params (data, diff): L1 norm = (4.5, ")
    assert [line.split("]")[0] for line in lines] == sorted(
        (line.split("]")[0] for line in lines), key=["    [Forward", "    [Backward", "    [Update"].index
    )


def test_debug_info_changes_nothing() -> None:
    told, silent = solver_of("debug_info: true"), solver_of()
    told.step(4)
    assert not any(isinstance(record, Debugged) for record in silent.step(4))
    assert torch.equal(told.net.tensors[0], silent.net.tensors[0])


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_snapshot_diff_writes_the_last_update(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for form in ("BINARYPROTO", "HDF5"):
        settings = f'type: "{kind}" snapshot_prefix: "s" snapshot_diff: true snapshot_format: {form}'
        solver = solver_of(settings)
        solver.step(2)
        before = solver.net.tensors[0].detach().clone()
        solver.step(1)
        update = (before - solver.net.tensors[0].detach()).numpy()
        model = solver.snapshot()
        if form == "HDF5":
            with h5py.File(model) as file:
                np.testing.assert_allclose(file["diff/a/0"], update, atol=1e-6)
                np.testing.assert_allclose(file["diff/b/0"], update, atol=1e-6)  # of sharers too
                assert list(file["data/b"]) == []
                assert list(file["diff"]) == list(file["data"])
        else:
            for layer in read_weights(model).layer:
                for blob in layer.blobs:
                    np.testing.assert_allclose(np.reshape(blob.diff, (3, 3)), update, atol=1e-6)
                    np.testing.assert_array_equal(array_of(blob), solver.net.tensors[0].detach().numpy())
        assert np.abs(update).max() > 1e-4


def test_what_was_loaded_is_told_and_strict_refuses_a_mismatch(tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    save_weights(solver_of().net, path)
    (record,) = [r for r in solver_of(weights=path, strict=True).solve() if isinstance(r, Loaded)]
    assert record.complete
    assert record.message == f"{path}: 2 layer(s) loaded"
    other = NET.replace('"a"', '"c"')
    (record,) = [r for r in solver_of(net=other, weights=path).solve() if isinstance(r, Loaded)]
    assert not record.complete
    assert record.message == f"{path}: 1 layer(s) loaded; not in this net: a; kept at initial values: c"
    with pytest.raises(SnapshotError, match=r"does not match the net: .* not in this net: a; kept at .*: c"):
        solver_of(net=other, weights=path, strict=True)


def test_the_metrics_hold_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_weights(solver_of().net, "w.caffemodel")
    list(solver_of("debug_info: true", out="run", weights="w.caffemodel").solve())
    entries = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    kinds = [entry["kind"] for entry in entries]
    assert kinds.index("loaded") < kinds.index("train") < kinds.index("debugged")
    told = entries[kinds.index("debugged")]
    assert told["means"][0] == {
        "stage": "Forward", "layer": "d", "what": "top blob x data", "value": 2.0, "diff": None,
    }  # fmt: skip
    assert len(told["norms"]) == 4
