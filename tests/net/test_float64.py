"""fp32 agrees with PyTorch's float64 to 1e-5 on the paper's networks: blobs, losses, gradients, by all kernels of ours.

The gradients of PyTorch's own float32 operators do so to 2e-5 only.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from agreement import NETWORKS, solver_of, worst
from deepcae.kernels import choice
from deepcae.kernels.choice import using


@pytest.mark.parametrize("rule", get_args(choice.Preference))
@pytest.mark.parametrize(("name", "dims"), NETWORKS)
def test_fp32_agrees_with_float64(name: str, dims: int, rule: choice.Preference, tmp_path: Path) -> None:
    with using(rule):
        errors = worst(solver_of(name, dims, 1, tmp_path))
    limits = {"blobs": 2e-6, "losses": 5e-7, "gradients": 5e-5 if rule == "torch" else 1e-5}
    assert all(errors[what] < limit for what, limit in limits.items()), errors


def test_bf16_does_not(tmp_path: Path) -> None:
    errors = worst(solver_of("cae1", 2, 1, tmp_path, precision="bf16"))
    assert 1e-4 < errors["blobs"] < 0.1
    assert 1e-3 < errors["gradients"] < 0.5
    assert errors["losses"] < 0.01
