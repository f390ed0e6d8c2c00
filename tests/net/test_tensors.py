"""Weights as .safetensors and as a PyTorch state dict: what is kept, what may be missing, and what is refused."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from deepcae.errors import SnapshotError
from deepcae.net.net import Net
from deepcae.net.weights import load_weights, save_weights
from deepcae.proto.read import read_net_text

TEXT = """
name: "twins"
layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 1 dim: 1 } } }
layer { name: "a/1" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" } param { name: "ab" }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } bias_filler { type: "uniform" } } }
layer { name: "b.1" type: "InnerProduct" bottom: "x" top: "b" param { name: "w" } param { name: "bb" }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } bias_filler { type: "uniform" } } }
layer { name: "n" type: "BatchNorm" bottom: "x" top: "n" }
layer { name: "s" type: "Scale" bottom: "n" top: "s" scale_param { num_axes: 0 filler { type: "gaussian" } } }
layer { name: "p" type: "PReLU" bottom: "x" top: "p" }
"""


def make(seed: int) -> Net:
    net = Net(read_net_text(TEXT), seed=seed)
    if seed:
        for param, tensor in zip(net.plan.params, net.tensors, strict=True):
            if param.name.startswith("n/"):
                tensor.fill_(0.1 * seed)
    return net


def bits(net: Net) -> list[bytes]:
    return [tensor.detach().numpy().tobytes() for tensor in net.tensors]


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.caffemodel"])
def test_every_format_gives_the_same_bits_back(name: str, tmp_path: Path) -> None:
    net, other = make(1), make(2)
    assert bits(net) != bits(other)
    save_weights(net, tmp_path / name)
    report = load_weights(other, tmp_path / name, strict=True)
    assert bits(net) == bits(other)
    assert sorted(report.matched) == ["a/1", "b.1", "n", "p", "s"]


def test_the_content_tells_the_format_not_the_name(tmp_path: Path) -> None:
    net, other = make(1), make(2)
    save_weights(net, tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").rename(tmp_path / "w.caffemodel")
    load_weights(other, tmp_path / "w.caffemodel")
    assert bits(net) == bits(other)


def test_safetensors_hold_shared_blobs_once_and_the_text(tmp_path: Path) -> None:
    net = make(1)
    save_weights(net, tmp_path / "w.safetensors")
    with safe_open(tmp_path / "w.safetensors", "numpy") as file:
        assert sorted(file.keys()) == ["a/1/0", "a/1/1", "b.1/1", "n/0", "n/1", "n/2", "p/0", "s/0"]
        assert file.get_tensor("s/0").shape == ()
        about = file.metadata()
    assert (about["format"], about["version"], about["name"]) == ("deepcae", "1", "twins")
    again = Net(read_net_text(about["net"]), weights=tmp_path / "w.safetensors")
    assert bits(again) == bits(net)


def test_a_state_dict_is_pytorchs(tmp_path: Path) -> None:
    net = make(1)
    save_weights(net, tmp_path / "w.pt")
    state = torch.load(tmp_path / "w.pt", weights_only=True)
    assert list(state) == [
        "a/1.weight", "a/1.bias", "b.1.weight", "b.1.bias", "n.sum_mean", "n.sum_var", "n.factor", "s.weight",
        "p.weight",
    ]  # fmt: skip
    assert state["a/1.weight"].data_ptr() == state["b.1.weight"].data_ptr()  # one tensor under both names
    linear = torch.nn.Linear(3, 4)
    linear.load_state_dict({"weight": state["a/1.weight"], "bias": state["a/1.bias"]})
    x = torch.rand(5, 3, 1, 1)
    torch.testing.assert_close(linear(x.flatten(1)), net(x=x, want=["a"])["a"])


def test_a_state_dict_may_lack_a_shared_blob_and_have_other_number_types(tmp_path: Path) -> None:
    net, other = make(1), make(2)
    save_weights(net, tmp_path / "w.pt")
    state = torch.load(tmp_path / "w.pt", weights_only=True)
    del state["b.1.weight"]
    torch.save(OrderedDict((key, value.double()) for key, value in state.items()), tmp_path / "w.pt")
    load_weights(other, tmp_path / "w.pt", strict=True)
    assert bits(net) == bits(other)


def test_bfloat16_safetensors_are_read(tmp_path: Path) -> None:
    save_file(
        {"p/0": torch.tensor([0.5, 1, 2], dtype=torch.bfloat16), "gone/0": torch.ones(2)}, tmp_path / "x.safetensors"
    )
    net = make(1)
    report = load_weights(net, tmp_path / "x.safetensors")
    np.testing.assert_array_equal(net.params["p"][0].detach(), [0.5, 1, 2])
    assert (report.matched, report.ignored) == (["p"], ["gone"])


class Evil:
    def __reduce__(self) -> tuple:
        return (print, ("it ran",))


def header(entry: dict, data: bytes = b"") -> bytes:
    text = json.dumps(entry).encode()
    return len(text).to_bytes(8, "little") + text + data


BAD_SAFETENSORS = {
    "cut": header({"p/0": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}, b"\0" * 5),
    "huge": header({"p/0": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, b"\0" * 12),
    "overlap": header({k: {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]} for k in ("p/0", "s/0")}, b"\0" * 12),
    "json": (9).to_bytes(8, "little") + b'{"p/0": [',
    "long header": (99_999_999).to_bytes(8, "little") + b"{}",
}


@pytest.mark.parametrize("what", BAD_SAFETENSORS)
def test_damaged_safetensors_are_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(BAD_SAFETENSORS[what])
    with pytest.raises(SnapshotError, match=r"x\.safetensors: not a readable \.safetensors \(."):
        load_weights(make(1), path)


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"p": torch.ones(3)}, "tensor 'p' is not named '<layer>/<index of the blob>'"),
        ({"p/00": torch.ones(3)}, "tensor 'p/00' is not named"),
        ({"p/0": torch.ones(4)}, r"layer 'p': blob 0 has shape \[4\] there and \[3\] here"),
        ({"p/1": torch.ones(3)}, r"layer 'p' has blobs \[1\] there; it needs 0"),
        ({"p/0": torch.ones(3, dtype=torch.complex64)}, "tensor 'p/0': is not a plain tensor of numbers"),
    ],
)
def test_safetensors_that_do_not_fit_are_refused(tensors: dict, sentence: str, tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(SnapshotError, match=sentence):
        load_weights(make(1), tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"p.weight": Evil()}, "not a readable state dict"),
        ([1, 2], "holds a list, not a state dict"),
        ({"p.weight": 3}, "entry 'p.weight' is not a tensor named"),
        ({"weight": torch.ones(3)}, "entry 'weight' is not a tensor named"),
        ({"n.running_mean": torch.ones(3)}, r"layer 'n' \(BatchNorm\) has no 'running_mean'; it has sum_mean, sum_var"),
        ({"p.weight": torch.ones(1).expand(10**12)}, r"entry 'p.weight': shape \[1000000000000\] repeats its few"),
        ({"p.weight": torch.ones(3).to_sparse()}, "entry 'p.weight': is not a plain tensor"),
        ({"p.weight": torch.ones(2)}, r"layer 'p': blob 0 has shape \[2\] there and \[3\] here"),
    ],
    ids=["code", "list", "number", "no layer", "another role", "endless", "sparse", "shape"],
)
def test_state_dicts_that_do_not_fit_are_refused_and_run_nothing(
    state: object, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(SnapshotError, match=sentence):
        load_weights(make(1), tmp_path / "x.pt")
    assert capsys.readouterr().out == ""


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"PK\x03\x04" + b"\0" * 100)
    with pytest.raises(SnapshotError, match=r"x\.pt: not a readable state dict"):
        load_weights(make(1), tmp_path / "x.pt")


def test_an_archive_that_grows_is_refused(tmp_path: Path) -> None:
    save_weights(make(1), tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as plain, zipfile.ZipFile(tmp_path / "y.pt", "w") as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry), zipfile.ZIP_DEFLATED)
    with pytest.raises(SnapshotError, match=r"y\.pt: entry '.*' is compressed, which no state dict's is"):
        load_weights(make(1), tmp_path / "y.pt")


@settings(max_examples=100)
@given(data=st.data(), suffix=st.sampled_from([".pt", ".safetensors"]))
def test_a_spoiled_file_gives_one_line_or_is_read(data: st.DataObject, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        save_weights(make(1), path)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            start = data.draw(st.integers(4, len(content) - 1))
            content[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=9))
        path.write_bytes(content)
        complaint = ""
        try:
            load_weights(make(2), path)
        except SnapshotError as error:
            complaint = str(error)
        assert "\n" not in complaint


def test_two_layers_of_one_name_are_refused(tmp_path: Path) -> None:
    net = Net(read_net_text(TEXT.replace('"b.1"', '"a/1"')), seed=0)
    for suffix in (".pt", ".safetensors"):
        with pytest.raises(SnapshotError, match=r"2 layers with weights are named 'a/1'; only a \.caffemodel can hold"):
            save_weights(net, tmp_path / f"x{suffix}")
        assert not list(tmp_path.iterdir())
