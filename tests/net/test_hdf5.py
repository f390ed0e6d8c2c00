"""Caffe's HDF5 files of weights and states: what is kept, what may be missing, and what each bad file is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from deepcae.errors import SnapshotError
from deepcae.net.blobs import array_of
from deepcae.net.hdf5 import model_bytes, read_model, read_state, state_bytes
from deepcae.net.net import Net
from deepcae.net.weights import load_weights, to_hdf5
from deepcae.proto.read import read_net_text

TEXT = """
name: "twins"
layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" } param { name: "ab" }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } bias_filler { type: "constant" value: 1 } } }
layer { name: "b" type: "InnerProduct" bottom: "x" top: "b" param { name: "w" } param { name: "bb" }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } bias_filler { type: "constant" value: 2 } } }
"""
VALUES = np.array([[0.1, -np.inf, 3e-45], [1e38, -0.0, 7]], np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.h5"


def _saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def all_of(path: Path) -> None:
    """Reads a model's blobs, each as it is asked for."""
    for blobs in read_model(path).values():
        for blob in blobs.values():
            assert blob.read().shape == blob.shape


def test_models_keep_every_bit_and_have_equal_bytes(path: Path) -> None:
    layers: list[tuple[str, dict[int, np.ndarray]]] = [
        ("z", {0: VALUES, 1: VALUES[0]}),
        ("\u00fc", {}),
        ("e", {0: VALUES[:0], 1: VALUES[0, 0]}),
    ]
    back = read_model(_saved(path, model_bytes(layers)))
    assert set(back) == {"z", "\u00fc", "e"}
    for name, blobs in layers:
        assert [(k, v.shape, v.read().tobytes()) for k, v in back[name].items()] == [
            (k, v.shape, v.tobytes()) for k, v in blobs.items()
        ]
    assert model_bytes(layers) == path.read_bytes()


def test_states_keep_every_bit_and_have_equal_bytes(path: Path) -> None:
    history = [VALUES.flat[:k] for k in range(1, 6)] * 3  # "10" stands before "2" in the file
    data = state_bytes(2**31 - 1, "run/\u00fc_iter_1.caffemodel.h5", 3, history)
    state = read_state(_saved(path, data))
    assert (state.iter, state.learned_net, state.current_step) == (2**31 - 1, "run/\u00fc_iter_1.caffemodel.h5", 3)
    assert [array_of(blob).tobytes() for blob in state.history] == [values.tobytes() for values in history]
    assert data == state_bytes(2**31 - 1, "run/\u00fc_iter_1.caffemodel.h5", 3, history)


def test_a_shared_blob_stands_with_its_owner_and_is_loaded_for_both(path: Path) -> None:
    net, other = (Net(read_net_text(TEXT), seed=seed) for seed in (1, 2))
    _saved(path, to_hdf5(net))
    assert {name: sorted(blobs) for name, blobs in read_model(path).items()} == {
        "d": [],
        "x_d_0_split": [],
        "a": [0, 1],
        "b": [1],
    }
    load_weights(other, path, strict=True)
    assert all(torch.equal(one.tensor, two.tensor) for one, two in zip(net.learnable, other.learnable, strict=True))


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        ("a/0", r"layer 'a' has 1 blob\(s\) there and 2 here"),
        ("b/1", r"layer 'b' has blobs \[\] there; it needs 1"),
    ],
)
def test_no_other_blob_may_be_missing(gone: str, sentence: str, path: Path) -> None:
    net = Net(read_net_text(TEXT), seed=1)
    _saved(path, to_hdf5(net))
    with h5py.File(path, "r+") as file:
        del file["data"][gone]
    with pytest.raises(SnapshotError, match=rf"file\.h5: {sentence}$"):
        load_weights(net, path)


def test_names_that_hdf5_cannot_hold_are_refused() -> None:
    for name in ("", ".", "a/b", "a\0"):
        with pytest.raises(SnapshotError, match=r"the layer name '.*' is none in HDF5"):
            model_bytes([(name, {})])
    with pytest.raises(SnapshotError, match=r"^2 layers are named 'loss', which HDF5 cannot hold$"):
        model_bytes([("loss", {}), ("loss", {})])


def _without_data(file: Any) -> None:
    del file["data"]
    file["other"] = 1


def _set(name: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        if name in file:
            del file[name]
        file[name] = value

    return change


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    file.create_virtual_dataset("data/a/2", layout)


MODELS: dict[str, tuple[Callable[[Any], None], str]] = {
    "no data": (_without_data, r"this is another HDF5 file, not a \.caffemodel\.h5: it holds no group /data"),
    "data file": (_set("data", VALUES), "/data is no group"),
    "external": (_set("data/a/1", h5py.ExternalLink("o.h5", "/x")), "/data/a/1 is a link, not a dataset"),
    "soft": (_set("data/a", h5py.SoftLink("/data/b")), "/data/a is a link, not a group"),
    "whole": (_set("data", h5py.ExternalLink("o.h5", "/x")), "/data is a link, not a group"),
    "virtual": (_virtual, "/data/a/2: its values lie in another file"),
    "outside": (
        lambda file: file["data/a"].create_dataset("2", (3,), "f4", external=[("o.bin", 0, 12)]),
        "/data/a/2: its values lie in another file",
    ),
    "text": (_set("data/a/2", "hello"), "/data/a/2 holds no numbers"),
    "huge": (
        lambda file: file["data/a"].create_dataset("2", (2**40,), "f4"),
        r"/data/a/2 has shape \[1099511627776\], but no values of it are stored",
    ),
    "name": (_set("data/a/weights", VALUES), "/data/a holds 'weights', but blobs are numbered from 0"),
}


@pytest.mark.parametrize("case", MODELS)
def test_bad_models_are_refused(case: str, path: Path) -> None:
    change, sentence = MODELS[case]
    _saved(path, model_bytes([("a", {0: VALUES, 1: VALUES}), ("b", {})]))
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(SnapshotError, match=rf"^\S*file\.h5:? ?{sentence}$") as caught:
        load_weights(Net(read_net_text(TEXT)), path)
    assert "\n" not in str(caught.value)


STATES: dict[str, tuple[Callable[[Any], None], str]] = {
    "iter": (_set("iter", [1, 2]), "/iter is not one whole number"),
    "step": (_set("current_step", 0.5), "/current_step is not one whole number"),
    "net": (_set("learned_net", 3), "/learned_net is no text"),
    "gap": (_set("history/3", VALUES), "/history holds 3 blobs, but not those from 0 on"),
    "link": (_set("history/2", h5py.ExternalLink("o.h5", "/x")), "/history/2 is a link, not a dataset"),
}


@pytest.mark.parametrize("case", STATES)
def test_bad_states_are_refused(case: str, path: Path) -> None:
    change, sentence = STATES[case]
    _saved(path, state_bytes(4, "m", 0, [VALUES, VALUES]))
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(SnapshotError, match=rf"^\S*file\.h5:? ?{sentence}$"):
        read_state(path)


def test_one_kind_given_as_the_other_is_told(path: Path) -> None:
    _saved(path, state_bytes(4, "m", 0, [VALUES]))
    with pytest.raises(
        SnapshotError, match=r"this is a \.solverstate\.h5; it belongs to --snapshot, not a \.caffemodel"
    ):
        read_model(path)
    _saved(path, model_bytes([("a", {0: VALUES})]))
    with pytest.raises(
        SnapshotError, match=r"this is a \.caffemodel\.h5; it belongs to --weights, not a \.solverstate"
    ):
        read_state(path)


@pytest.mark.parametrize("read", [all_of, read_state])
def test_damaged_files_are_told_in_one_line(read: Callable[[Path], Any], path: Path) -> None:
    whole = model_bytes([("a", {0: VALUES})]) if read is all_of else state_bytes(4, "m", 0, [VALUES])
    for size in range(0, len(whole), 97):
        _saved(path, whole[:size])
        with pytest.raises(SnapshotError, match=r"file\.h5: ") as caught:
            read(path)
        assert "\n" not in str(caught.value)
    os.unlink(path)
    with pytest.raises(SnapshotError, match=r"file\.h5: No such file or directory$"):
        read(path)


def test_any_flipped_bit_is_read_or_told(path: Path) -> None:
    whole = bytearray(model_bytes([("a", {0: VALUES}), ("b", {})]))
    told = []
    for at in np.random.default_rng(0).integers(0, 1500, 300):
        changed = whole.copy()
        changed[at] ^= 1 << (at % 8)
        _saved(path, changed)
        try:
            all_of(path)
        except SnapshotError as error:
            told.append(str(error))
    assert 30 < len(told) < 270, "some bits are of no matter, others are told"
    assert all("file.h5: " in sentence and "\n" not in sentence for sentence in told)
