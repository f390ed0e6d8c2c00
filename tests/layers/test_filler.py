"""The fillers' distributions, against statistics that Caffe's own draws have."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from google.protobuf import text_format

from deepcae.errors import LayerError
from deepcae.layers.filler import check_filler, fan, fill
from deepcae.proto.schema import FillerParameter
from reference import reference_dir

PATH = reference_dir("fillers.json")
CASES = json.loads(PATH.read_text())["cases"] if PATH.is_file() else []


def drawn(filler_text: str, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    filler = text_format.Parse(filler_text, FillerParameter())
    check_filler(filler, shape, "weight_filler")
    blob = torch.full(shape, 7.0)
    fill(blob, filler, torch.Generator().manual_seed(seed))
    return blob


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']} {case['filler']}")
def test_distributes_as_caffe_does(case: dict) -> None:
    shape = tuple(case["shape"])
    values = drawn(case["filler"], shape).numpy()
    if "values" in case:
        np.testing.assert_allclose(values.reshape(-1), case["values"], rtol=1e-6)
        return
    spread, error = case["std"], 6 * case["std"] / math.sqrt(case["n"])  # both sides have a sampling error
    assert values.mean() == pytest.approx(case["mean"], abs=error + 1e-9)
    assert values.std() == pytest.approx(spread, rel=0.02)
    assert (values != 0).mean() == pytest.approx(case["fraction_nonzero"], abs=0.01)
    for share, quantile in case["quantiles"].items():
        tail = 0.15 if float(share) in (0.001, 0.999) else 0.05
        width = spread / math.sqrt(case["fraction_nonzero"] or 1)  # of the values that are not zeroed
        assert np.quantile(values, float(share)) == pytest.approx(quantile, abs=tail * width + 1e-9), share
    if "positive_unitball" in case["filler"]:
        np.testing.assert_allclose(values.reshape(shape[0], -1).sum(1), 1, rtol=1e-5)
    per_row = (values.reshape(shape[0], -1) != 0).sum(1)
    assert per_row.mean() == pytest.approx(case["nonzero_per_axis0_index"]["mean"], rel=0.02)
    if "uniform" in case["filler"] or "xavier" in case["filler"]:  # bounds, unlike a normal's extremes, are sharp
        assert values.min() == pytest.approx(case["min"], abs=1e-3 * spread * 4)
        assert values.max() == pytest.approx(case["max"], abs=1e-3 * spread * 4)


@pytest.mark.parametrize("kind", ["uniform", "gaussian", "xavier", "msra", "positive_unitball"])
def test_the_seed_decides_everything(kind: str) -> None:
    text = f'type: "{kind}"'
    assert torch.equal(drawn(text, (3, 4)), drawn(text, (3, 4)))
    assert not torch.equal(drawn(text, (3, 4)), drawn(text, (3, 4), seed=1))


def test_the_values_are_the_same_in_every_precision_and_layout() -> None:
    plain = drawn('type: "gaussian"', (4, 5))
    other = torch.empty(5, 4, dtype=torch.float64).t()
    fill(other, FillerParameter(type="gaussian"), torch.Generator().manual_seed(0))
    assert torch.equal(plain.double(), other)


@pytest.mark.parametrize("kind", ["constant", "uniform", "gaussian", "xavier", "msra"])
def test_fills_a_single_number_and_a_row(kind: str) -> None:
    for shape in ((), (5,)):
        assert drawn(f'type: "{kind}"', shape).isfinite().all()


def test_fans_are_those_of_the_blobs_axes() -> None:
    shape = (6, 4, 3, 3)
    assert [fan(shape, norm) for norm in (0, 1, 2)] == [36, 54, 45]
    assert [fan((5,), norm) for norm in (0, 1, 2)] == [1, 5, 3]


@pytest.mark.parametrize(
    ("text", "shape", "field", "words"),
    [
        ('type: "gausian"', (3,), "type", ["'gausian'", "did you mean 'gaussian'"]),
        ('type: "xavier" sparse: 3', (3, 3), "sparse", ["gaussian filler only", "'xavier'"]),
        ('type: "gaussian" std: 0', (3,), "std", ["std > 0", "std is 0"]),
        ('type: "gaussian" sparse: 25', (10, 250), "sparse", ["sparse: 25", "at most 10", "dense gaussian"]),
        ('type: "gaussian" sparse: -3', (10, 250), "sparse", ["-1 (dense)", "-3"]),
        ('type: "uniform" min: 2', (3,), "min", ["min is 2", "max 1"]),
        ('type: "bilinear"', (1, 1, 2, 3), "type", ["square kernel", "[1, 1, 2, 3]"]),
    ],
)
def test_says_what_is_wrong_with_a_filler(text: str, shape: tuple[int, ...], field: str, words: list[str]) -> None:

    with pytest.raises(LayerError) as caught:
        check_filler(text_format.Parse(text, FillerParameter()), shape, "weight_filler")
    assert caught.value.at == f"weight_filler.{field}"
    assert all(word in str(caught.value) for word in words), str(caught.value)
