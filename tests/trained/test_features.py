"""Blobs of a net written as Caffe's extract_features writes them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.data.contents import open_rows
from deepcae.data.source import Feed
from deepcae.errors import DataError
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import TEST, Datum
from deepcae.trained.features import extract_features
from reference import reference_dir

TEXT = """name: "tiny"
layer { name: "data" type: "DummyData" top: "data" dummy_data_param {
  data_filler { type: "uniform" min: 0 max: 1 } shape { dim: 4 dim: 1 dim: 6 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "code" type: "InnerProduct" bottom: "conv" top: "code"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""


@pytest.fixture
def net() -> Net:
    return Net(read_net_text(TEXT), seed=4)


def expected(net: Net, blob: str, batches: int) -> np.ndarray:
    with Feed(net.sources, net.phase, net.folders) as feed:
        return np.concatenate([net(feed.batch(i), want=[blob])[blob].detach().numpy() for i in range(batches)])


def test_features_are_those_that_caffe_wrote(tmp_path: Path) -> None:
    """The net's own data layer, Caffe's weights, and Caffe's records: equal keys and shapes, near values."""
    lmdb = pytest.importorskip("lmdb", reason="the lmdb package is optional")
    files = reference_dir("files")
    shutil.copytree(files / "db", tmp_path / "db")
    shutil.copytree(files / "ae", tmp_path / "ae")
    folders = [tmp_path, tmp_path / "ae"]
    net = Net(tmp_path / "db" / "feat_net.prototxt", folders=folders, weights=tmp_path / "ae" / "ae_iter_20.caffemodel")
    extract_features(net, ["code", "d1"], [tmp_path / "code", tmp_path / "d1"], 3)
    for blob in ("code", "d1"):
        both = []
        for path in (tmp_path / blob, tmp_path / "db" / f"feat_{blob}_lmdb"):
            with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
                both.append([(key, Datum.FromString(value)) for key, value in transaction.cursor()])
        ours, theirs = both
        assert [key for key, _ in ours] == [key for key, _ in theirs] == [b"%010d" % n for n in range(12)]
        for (_, mine), (_, other) in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine.float_data, other.float_data, rtol=1e-4, atol=1e-6)
            mine.ClearField("float_data")
            other.ClearField("float_data")
            assert mine == other


def test_a_data_layer_reads_the_features_back(tmp_path: Path, net: Net) -> None:
    pytest.importorskip("lmdb", reason="the lmdb package is optional")
    told: list[int] = []
    places = [tmp_path / "conv", tmp_path / "code"]
    assert extract_features(net, ["conv", "code"], places, 2, progress=told.append) == {"conv": 8, "code": 8}
    assert told == [1, 2]
    text = 'layer {{ name: "d" type: "Data" top: "d" data_param {{ source: "{}" backend: LMDB batch_size: 8 }} }}'
    for blob, shape in (("conv", (8, 2, 4, 4)), ("code", (8, 3, 1, 1))):
        layer = read_net_text(text.format(blob)).message.layer[0]
        batch = Feed([layer], TEST, [tmp_path]).batch(0)["d"]
        assert batch.shape == shape
        np.testing.assert_array_equal(batch, expected(net, blob, 2).reshape(shape))


@pytest.mark.parametrize("kind", ["h5", "npz"])
def test_features_as_arrays(tmp_path: Path, net: Net, kind: str) -> None:
    path = tmp_path / f"conv.{kind}"
    extract_features(net, ["conv"], [path], 3, kind)
    if kind == "h5":
        found = open_rows([path], ("data",)).read(slice(0, 12))["data"]
        with h5py.File(path) as file:
            assert list(file) == ["data"]
    else:
        found = np.load(path)["data"]
    np.testing.assert_array_equal(found, expected(net, "conv", 3))


@pytest.mark.parametrize(
    ("blobs", "outputs", "batches", "kind", "message"),
    [
        (["cove"], ["a"], 1, "lmdb", "net 'tiny' has no blob 'cove'; did you mean 'co[nd][ve]'"),
        (["code", "conv"], ["a"], 1, "lmdb", r"2 blob\(s\) and 1 output\(s\)"),
        (["code", "conv"], ["a", "./a"], 1, "lmdb", "two blobs cannot go to one output"),
        (["code"], ["a"], 0, "lmdb", "the number of batches is at least 1, not 0"),
        (["code"], ["a"], 1, "leveldb", "leveldb cannot be written; give lmdb, h5 or npz"),
        (["code"], ["a"], 1, "csv", "features are written as lmdb, h5, npz, not 'csv'"),
        (["code"], ["there"], 1, "h5", "there: exists already"),
    ],
)
def test_refusals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    net: Net,
    blobs: list[str],
    outputs: list[str],
    batches: int,
    kind: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").write_text("mine")
    with pytest.raises(DataError, match=message):
        extract_features(net, blobs, outputs, batches, kind)
    assert os.listdir() == ["there"]
    assert Path("there").read_text() == "mine"


@pytest.mark.parametrize("kind", ["lmdb", "h5", "npz"])
def test_an_interrupt_leaves_nothing(tmp_path: Path, net: Net, kind: str) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_features(net, ["conv", "code"], [tmp_path / "a", tmp_path / "b"], 3, kind, progress=stop)
    assert os.listdir(tmp_path) == []
