"""Layers against slow loops in numpy, over random shapes and settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from deepcae.errors import DataError, DeepcaeError, LayerError
from deepcae.layers import Context, Layer, make_layer
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import TRAIN
from reference import write_extra_files

small = st.integers(1, 3)
quick = settings(max_examples=60)


def build(text: str, num_bottoms: int = 1) -> Layer:
    bottoms = " ".join(f'bottom: "x{n}"' for n in range(num_bottoms))
    return make_layer(read_net_text(f'layer {{ name: "l" {bottoms} top: "y" type: {text} }}').message.layer[0], TRAIN)


def run(layer: Layer, *bottoms: np.ndarray, known: int = 0) -> np.ndarray:
    """The first top, once the layer has kept to its shape rule."""
    tops = layer.forward([torch.from_numpy(bottom) for bottom in bottoms], [], Context())
    assert [tuple(top.shape) for top in tops] == layer.shapes([bottom.shape for bottom in bottoms])
    return tops[0].numpy()


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@quick
@given(st.tuples(small, st.integers(1, 6), small, small), st.sampled_from([1, 3, 5, 7]), st.booleans())
def test_lrn(shape: tuple[int, ...], size: int, within: bool) -> None:
    region = "WITHIN_CHANNEL" if within else "ACROSS_CHANNELS"
    text = f"local_size: {size} alpha: 1.5 beta: 0.6 k: 2 norm_region: {region}"
    x = normal(*shape)
    wanted = oracle.normalise_locally(x, size, 1.5, 0.6, 2, within)
    np.testing.assert_allclose(run(build(f'"LRN" lrn_param {{ {text} }}'), x), wanted, rtol=1e-6)  # settings are floats


@quick
@given(st.lists(st.tuples(st.integers(1, 6), small, small, st.integers(0, 2), small), max_size=3), small)
def test_im2col(axes: list[tuple[int, ...]], channels: int) -> None:
    numbers = [list(column) for column in zip(*axes, strict=True)] or [[]] * 5
    sizes, *geometry = numbers
    names = ("kernel_size", "stride", "pad", "dilation")
    given_settings = " ".join(f"{name}: {values}" for name, values in zip(names, geometry, strict=True))
    layer = build(f'"Im2col" convolution_param {{ {given_settings if axes else "kernel_size: 1"} }}')
    x = normal(2, channels, *sizes)
    try:
        layer.shapes([x.shape])
    except LayerError:
        return
    np.testing.assert_array_equal(run(layer, x), oracle.columns(x, *geometry))


@quick
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.booleans())
def test_spp(height: int, width: int, levels: int, average: bool) -> None:
    layer = build(f'"SPP" spp_param {{ pyramid_height: {levels} pool: {"AVE" if average else "MAX"} }}')
    x = normal(2, 3, height, width)
    parts = []
    for bins in (2**level for level in range(levels)):
        kernel = [-(-size // bins) for size in (height, width)]
        pad = [(k * bins - size + 1) // 2 for k, size in zip(kernel, (height, width), strict=True)]
        if any(p >= k for p, k in zip(pad, kernel, strict=True)):
            with pytest.raises(LayerError, match="too small"):
                layer.shapes([x.shape])
            return
        out = [
            oracle.pooled_size(size, k, k, p, any(pad)) for size, k, p in zip((height, width), kernel, pad, strict=True)
        ]
        pooled = (oracle.average_pool if average else lambda *all_: oracle.max_pool(*all_)[0])(
            x, kernel, kernel, pad, out
        )
        parts.append(pooled.reshape(2, -1))
    y = run(layer, x)
    assert y.ndim == (4 if levels == 1 else 2)
    np.testing.assert_allclose(y.reshape(2, -1), np.concatenate(parts, 1))


@quick
@given(st.lists(small, min_size=1, max_size=5), st.integers(0, 99), st.booleans(), st.booleans(), st.data())
def test_argmax(shape: list[int], seed: int, along: bool, values: bool, data: st.DataObject) -> None:
    x = np.random.default_rng(seed).integers(0, 3, shape) * 1.0  # few values, so that ties happen
    axis = data.draw(st.integers(-len(shape), len(shape) - 1)) if along else None
    rows = x.reshape(shape[0], -1) if axis is None else np.moveaxis(x, axis, -1)
    top_k = data.draw(st.integers(1, rows.shape[-1]))
    text = f"top_k: {top_k} out_max_val: {str(values).lower()}" + (f" axis: {axis}" if along else "")
    y = run(build(f'"ArgMax" argmax_param {{ {text} }}'), x)
    found = np.array([oracle.greatest(row, top_k) for row in rows.reshape(-1, rows.shape[-1])])  # (rows, top_k, 2)
    if axis is None:
        wanted = np.concatenate([found[..., 1], found[..., 0]], 1) if values else found[..., 1]
        np.testing.assert_array_equal(y.reshape(shape[0], -1), wanted)
        assert y.ndim == max(3, len(shape))
    else:
        best = found[..., 0 if values else 1].reshape(*rows.shape[:-1], top_k)
        np.testing.assert_array_equal(y, np.moveaxis(best, -1, axis))


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [("SUM", -2.0), ("ASUM", 6.0), ("SUMSQ", 14.0), ("MEAN", -2 / 3)],
)
def test_reduction(operation: str, wanted: float) -> None:
    x = np.array([[1.0, -3.0, 0.0 + 0], [2.0, -3.0, -1.0]])[1:]
    text = f'"Reduction" reduction_param {{ operation: {operation} coeff: 0.5 axis: %d }}'
    assert run(build(text % 0), x) == pytest.approx(wanted / 2)
    assert run(build(text % 1), x).tolist() == [pytest.approx(wanted / 2)]


def test_rows_are_chosen_by_truncated_indices() -> None:
    x = np.arange(6.0).reshape(3, 2)
    assert run(build('"BatchReindex"', 2), x, np.array([2.9, 0.0, 2.0, -0.5])).tolist() == [
        [4, 5],
        [0, 1],
        [4, 5],
        [0, 1],
    ]
    layer = build('"Embed" embed_param { input_dim: 3 num_output: 2 }')
    weights = [torch.from_numpy(x), torch.tensor([10.0, 20.0])]
    (y,) = layer.forward([torch.tensor([[1.5], [2.0]])], weights, Context())
    assert y.tolist() == [[[12, 23]], [[14, 25]]]


@pytest.mark.parametrize(
    ("text", "bottoms"),
    [('"BatchReindex"', [np.ones((3, 2))]), ('"Embed" embed_param { input_dim: 3 num_output: 2 }', [])],
)
@pytest.mark.parametrize("wrong", [3.0, -1.0])
def test_an_index_outside_the_rows_is_refused(text: str, bottoms: list[np.ndarray], wrong: float) -> None:
    layer = build(text, len(bottoms) + 1)
    given_bottoms = [torch.from_numpy(bottom) for bottom in (*bottoms, np.array([0.0, wrong]))]
    with pytest.raises(DataError, match=f"index {int(wrong)} is outside the 3 .* 0 to 2"):
        layer.forward(given_bottoms, [torch.zeros(3, 2), torch.zeros(2)], Context())


def test_infogain_reads_its_matrix_once_and_checks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bottoms = [torch.zeros(1, 2), torch.zeros(1)]

    def layer() -> Layer:
        return build('"InfogainLoss" infogain_loss_param { source: "H.binaryproto" }', 2)

    with pytest.raises(DeepcaeError, match=r"H\.binaryproto: there is no such file"):
        layer().forward(bottoms, [], Context())
    write_extra_files({"aux_names": ["H.binaryproto"], "aux_0": np.eye(3)}, tmp_path)
    with pytest.raises(LayerError, match=r"2 classes has 2x2 numbers; H.binaryproto is \[1, 1, 3, 3\]"):
        layer().forward(bottoms, [], Context())
    write_extra_files({"aux_names": ["H.binaryproto"], "aux_0": np.eye(2) * 3}, tmp_path)
    kept = layer()
    first = kept.forward(bottoms, [], Context())[0]
    assert first.item() == pytest.approx(3 * np.log(2))
    Path("H.binaryproto").unlink()
    assert kept.forward(bottoms, [], Context())[0] == first
