"""Caffe's recorded passes and trainings, made again as a script makes them: through Net's and the solvers' arrays."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepcae.pycaffe as caffe
from reference import cases, outline, read_case, reference_dir, write_extra_files
from solver.caffe_runs import write_files

LAYERS, SOLVERS = (
    [path for path in cases(family) if outline(path).known and not outline(path).random]
    for family in ("layers", "solvers")
)


@pytest.fixture(autouse=True)
def _quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    caffe.init_log(2)
    yield
    caffe.init_log(0)


def _close(got: np.ndarray, wanted: np.ndarray, rtol: float, what: str) -> None:
    scale = float(np.nanmax(np.abs(wanted), initial=0.0, where=np.isfinite(wanted)))
    np.testing.assert_allclose(got, wanted.reshape(got.shape), rtol=rtol, atol=rtol * scale + 1e-6, err_msg=what)


def _names(case: Any, kind: str) -> list[str]:
    return [str(name) for name in case.get(f"{kind}_names", ())]


def _param(net: Any, name: str) -> Any:
    layer, index = name.rsplit("/", 1)
    return net.params[layer][int(index)]


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.stem)
def test_passes_as_a_script_makes_them(path: Path, tmp_path: Path) -> None:
    case = read_case(path)
    write_extra_files(case, tmp_path)
    (tmp_path / "net.prototxt").write_text(str(case["prototxt"]))
    net = caffe.Net("net.prototxt", getattr(caffe, str(case["phase"])))
    for j, name in enumerate(_names(case, "param")):
        _param(net, name).data.flat = case[f"param_{j}"]
    inputs = {name: case[f"bottom_{i}"] for i, name in enumerate(_names(case, "bottom"))}
    assert list(inputs) == net.inputs
    for _ in range(int(case.get("n_forward", 1))):
        outputs = net.forward(**inputs)
    tops = _names(case, "top")
    assert sorted(tops) == net.outputs == sorted(outputs)
    for i, name in enumerate(tops):
        _close(outputs[name], case[f"top_{i}"], 1e-4, name)
        assert net.blob_loss_weights[name] == case["top_loss_weight"][i]
    if int(case.get("has_backward", 1)):
        diffs = {name: case[f"top_diff_{i}"] for i, name in enumerate(tops)}
        _check_backward(net, case, diffs)


def _check_backward(net: Any, case: Any, top_diffs: dict[str, np.ndarray]) -> None:
    for name, diff in top_diffs.items():
        net.blobs[name].diff[...] = diff.reshape(net.blobs[name].shape)
    for _ in range(int(case.get("n_backward", 1))):
        diffs = net.backward()
    for i, name in enumerate(_names(case, "bottom")):
        if f"bottom_diff_{i}" in case:
            _close(diffs[name], case[f"bottom_diff_{i}"], 1e-3, f"diff of {name}")
    for j, name in enumerate(_names(case, "param")):
        _close(_param(net, name).diff, case[f"param_diff_{j}"], 1e-3, f"diff of {name}")
    for k, name in enumerate(_names(case, "blob")):
        _close(net.blobs[name].data, case[f"blob_{k}"], 1e-4, name)
        if f"blob_diff_{k}" in case:
            _close(net.blobs[name].diff, case[f"blob_diff_{k}"], 1e-3, f"diff of {name}")


@pytest.mark.parametrize("path", SOLVERS, ids=lambda path: path.stem)
def test_trainings_as_a_script_makes_them(path: Path, tmp_path: Path) -> None:
    case = read_case(path)
    write_files(case, tmp_path)
    solver = caffe.get_solver("solver.prototxt")
    names = _names(case, "param")
    for j, name in enumerate(names):
        _param(solver.net, name).data[...] = case[f"param_{j}_at_0"]
    gradients: list[list[np.ndarray]] = []
    before: list[list[np.ndarray]] = []  # the update, after the passes: BatchNorm's sums move in the forward pass

    def look() -> None:
        gradients.append([_param(solver.net, name).diff.copy() for name in names])
        before.append([_param(solver.net, name).data.copy() for name in names])

    solver.add_callback(lambda: None, look)
    saved = [int(k) for k in case["param_iters"]]
    for iteration in range(int(case["resume_at"]) or int(case["iters"])):
        if str(case["data_source"]) == "input":
            for name in solver.net.inputs:
                solver.net.blobs[name].data[...] = case[f"input_{name}"][iteration]
        np.testing.assert_allclose(solver.lr, case["lr"][iteration], rtol=1e-5)
        solver.step(1)
        for i, name in enumerate(_names(case, "output")):
            _close(solver.net.blobs[name].data, case[f"output_{i}"][iteration], 1e-3, name)
        for j, name in enumerate(names):
            param = _param(solver.net, name)
            _close(before[-1][j] - param.data, param.diff, 1e-4, f"what was subtracted from {name}")
            if iteration + 1 in saved:
                _close(param.data, case[f"param_{j}_at_{iteration + 1}"], 1e-3, f"{name} after {iteration + 1}")
    assert solver.iter == (int(case["resume_at"]) or int(case["iters"]))
    for j, name in enumerate(names):
        _close(gradients[0][j], case[f"grad_first_{j}"], 1e-3, f"first gradient of {name}")


@pytest.mark.parametrize("name", ["sgd_multistep_test", "sgd_classifier_test"])
def test_a_whole_training_prints_caffes_log(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = reference_dir("solvers") / f"{name}.npz"
    if not path.exists():
        pytest.skip("this case lies beside the full checkout only")
    case = read_case(path)
    write_files(case, tmp_path)
    caffe.init_log(0)
    solver = caffe.get_solver("solver.prototxt")
    for j, param in enumerate(_names(case, "param")):
        _param(solver.net, param).data[...] = case[f"param_{j}_at_0"]
    solver.solve()
    lines = [line.split("] ", 1)[1] for line in capfd.readouterr().err.splitlines()]
    tests = [line for line in lines if "Testing net" in line]
    wanted = json.loads(str(case["tests_json"]))  # of the steps alone; solve() makes one more test at the end
    assert tests[: len(wanted)] == [f"Iteration {test['iter']}, Testing net (#{test['net']})" for test in wanted]
    losses = [float(line.rsplit("= ", 1)[1]) for line in lines if re.match(r"Iteration .* loss = ", line)]
    np.testing.assert_allclose(losses[: len(case["displayed_loss"])], case["displayed_loss"], rtol=1e-4)
    told = [float(line.split(" = ")[1].split()[0]) for line in lines if "Test net output" in line]
    values = [value for test in wanted for _, value, _ in test["outputs"]]
    np.testing.assert_allclose(told[: len(values)], values, rtol=1e-4, atol=1e-6)
