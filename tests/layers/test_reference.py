"""Every case that Caffe and its 2015 fork computed for us, as far as its layers exist here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deepcae.layers import CAFFE_TYPES, Layer
from layer_driver import Case, run
from reference import cases, write_extra_files

FILES = [*cases("layers"), *cases("unpooling/layers")]
ALL = [Case(path) for path in FILES]
RUNNABLE = [case for case in ALL if case.outline.known]
BY_NAME = {case.name: case for case in RUNNABLE}
REPEATABLE = [case for case in RUNNABLE if not case.outline.random]


def close(ours: torch.Tensor, theirs: np.ndarray, tolerance: float, what: str) -> None:
    assert ours.numel() == theirs.size, what
    mine = ours.detach().numpy().reshape(theirs.shape)
    scale = np.abs(theirs).max(initial=0.0)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance * scale + 1e-6, err_msg=what)


@pytest.mark.parametrize("case", REPEATABLE, ids=lambda case: case.name)
def test_agrees_with_caffe(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_extra_files(case.data, tmp_path)
    data, result = case.data, run(case)
    for index, (name, top) in enumerate(result.tops.items()):
        close(top, data[f"top_{index}"], 1e-4, f"top {name}")
    if "top_loss_weight" in data:
        assert result.loss == pytest.approx(float(data["loss"]), rel=1e-4, abs=1e-6)
    for index, param in enumerate(result.params):
        if f"param_after_{index}" in data:
            close(param, data[f"param_after_{index}"], 1e-4, f"param {index} afterwards")
    if not case.flag("has_backward", 1):
        assert any(not Layer.registry[kind].differentiable for kind in case.outline.types)
        return
    for index, (name, gradient) in enumerate(result.bottom_diffs.items()):
        if name in result.without_gradient:
            assert not gradient.any(), f"{name} takes no gradient"
        elif f"bottom_diff_{index}" in data:
            close(gradient, data[f"bottom_diff_{index}"], 1e-3, f"gradient of {name}")
    for index, gradient in enumerate(result.param_diffs):
        if case.net.layer[-1].type != "BatchNorm":  # its blobs are statistics
            close(gradient, data[f"param_diff_{index}"], 1e-3, f"gradient of param {index}")


def test_no_case_is_left_out_but_for_layers_yet_to_come() -> None:
    run_here = {case.name for case in REPEATABLE} | {"dropout_train"}
    for case in ALL:
        missing = case.outline.types - set(Layer.registry)
        assert bool(missing) != (case.name in run_here), case.name
        assert missing <= CAFFE_TYPES, case.name


@pytest.mark.skipif("dropout_train" not in BY_NAME, reason="the reference data have no dropout case")
def test_dropout_relates_its_arrays_as_caffe_does() -> None:
    case = BY_NAME["dropout_train"]
    result = run(case, torch.Generator().manual_seed(3))
    x, y = torch.from_numpy(case.data["bottom_0"]), result.tops["y"]
    mask = y / x
    kept = mask != 0
    torch.testing.assert_close(mask[kept], torch.full_like(mask[kept], 1 / 0.6))
    assert 0.5 < kept.float().mean() < 0.7  # kept with probability 0.6
    torch.testing.assert_close(result.bottom_diffs["x"], torch.from_numpy(case.data["top_diff_0"]) * mask)
    again = run(case, torch.Generator().manual_seed(3)).tops["y"]
    assert torch.equal(y, again)
