"""Binary files: read by content, upgraded, written whole; damage and mistaken kinds are named."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.errors import SnapshotError, SpecError
from deepcae.proto import read_net
from deepcae.proto.binary import blob_shape, file_kind, read_blob, read_state, read_weights, write_message
from deepcae.proto.kinds import sniff
from deepcae.proto.schema import BlobProto, NetParameter, SolverState
from reference import reference_dir

FILES = reference_dir("files")
needs_files = pytest.mark.skipif(not (FILES / "ae").is_dir(), reason="Caffe's reference files are not here")


def weights() -> NetParameter:
    net = NetParameter(name="n")
    layer = net.layer.add(name="ip", type="InnerProduct", bottom=["x"], top=["y"])
    layer.blobs.add(data=[1, 2, 3, 4, 5, 6]).shape.dim.extend([2, 3])
    return net


def state() -> SolverState:
    blob = BlobProto(data=[1, 2])
    blob.shape.dim.append(2)
    return SolverState(iter=7, learned_net="a.caffemodel", history=[blob], current_step=1)


def mean() -> BlobProto:
    return BlobProto(num=1, channels=1, height=1, width=3, data=[1, 2, 3])


MESSAGES = {"weights": weights(), "state": state(), "mean": mean()}
READERS = {"weights": read_weights, "state": read_state, "mean": read_blob}


@pytest.mark.parametrize("kind", MESSAGES)
def test_round_trip(kind, tmp_path):
    path = tmp_path / "sub" / "file"
    write_message(path, MESSAGES[kind])
    assert file_kind(path) == kind
    assert READERS[kind](path) == MESSAGES[kind]
    assert os.listdir(path.parent) == ["file"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


WRONG = {
    ("weights", "state"): "this is a .solverstate, not a .caffemodel (weights); it belongs to --snapshot",
    ("weights", "mean"): "this is a .binaryproto (one blob: a mean image), not a .caffemodel (weights); "
    "it belongs to transform_param { mean_file }",
    ("weights", "hdf5"): "this is an HDF5 file, not a .caffemodel (weights)",
    ("weights", "text"): "this is a text file, not a .caffemodel (weights); it belongs to --model or --solver",
    ("weights", "unknown"): "this is none of Caffe's files, not a .caffemodel (weights)",
    ("state", "weights"): "this is a .caffemodel (weights), not a .solverstate; it belongs to --weights",
    ("state", "hdf5"): "this is an HDF5 file, not a .solverstate",
    ("mean", "weights"): "this is a .caffemodel (weights), not a .binaryproto (one blob: a mean image); "
    "it belongs to --weights",
}
OTHERS = {"hdf5": b"\x89HDF\r\n\x1a\n\0\0", "text": b'name: "a"\n', "unknown": b"\0\0\x08\x03\xff"}


@pytest.mark.parametrize(("wanted", "given_kind"), WRONG)
def test_mistaken_kinds_are_named(wanted, given_kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OTHERS.get(given_kind) or MESSAGES[given_kind].SerializeToString())
    with pytest.raises(SnapshotError) as error:
        READERS[wanted](path)
    assert str(error.value) == f"{path}: {WRONG[wanted, given_kind]}"


@pytest.mark.parametrize("kind", ["weights", "state", "mean", "hdf5"])
def test_a_binary_file_is_no_prototxt(kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OTHERS.get(kind) or MESSAGES[kind].SerializeToString())
    with pytest.raises(SpecError, match=r"file: this is (a|an) .*, not a prototxt$"):
        read_net(path)


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_cut_file_says_where(cut, tmp_path):
    path = tmp_path / "file"
    data = weights().SerializeToString()
    path.write_bytes(data[:-cut])
    with pytest.raises(SnapshotError) as error:
        read_weights(path)
    start = data.index(b"\xa2\x06")
    size = len(data) - start - 3
    assert str(error.value) == (
        f"{path}@{start}: not a whole .caffemodel (weights): layer has {size} bytes, of which {cut} are missing: "
        "the file was cut or changed"
    )


def test_damage_inside_is_found(tmp_path):
    path = tmp_path / "file"
    data = weights().SerializeToString().replace(struct.pack("<f", 3), b"\xff\xff\xff\xff")
    position = data.index(b"InnerProduct") - 1
    path.write_bytes(data[:position] + b"\x7f" + data[position + 1 :])  # a string longer than its layer
    with pytest.raises(SnapshotError, match=rf"@{position - 1}: not a whole .caffemodel .*: type has 127 bytes"):
        read_weights(path)


GOOD = {"data": [1.0], "shape": {"dim": [1]}}
BAD = {"data": [1.0], "shape": {"dim": [2]}}


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        ({"data": [1.0], "shape": {"dim": [2]}}, "shape 2 wants 2 values, the file has 1"),
        ({"data": [1.0], "shape": {"dim": [-1]}}, "-1 is no shape of a blob"),
        ({"shape": {"dim": [2**40, 2**40]}}, "1099511627776x1099511627776 is no shape of a blob"),
        ({"shape": {"dim": [1] * 33}}, "x1 is no shape of a blob"),
        ({"data": [1.0, 2.0], "num": 1}, "shape 1x0x0x0 wants 0 values, the file has 2"),
    ],
)
def test_blobs_must_hold_what_their_shape_says(blob, message, tmp_path):
    path = tmp_path / "file"
    write_message(path, NetParameter(name="n", layer=[{"name": "a", "blobs": [blob]}]))
    with pytest.raises(SnapshotError) as error:
        read_weights(path)
    place = path.read_bytes().index(b"\x0a\x01a") + 3  # behind the layer's name
    assert str(error.value).startswith(f"{path}@{place}: layer 'a', blob 0: ")
    assert str(error.value).endswith(message)


@pytest.mark.parametrize(
    ("net", "tag"),
    [
        ({"layer": [{"name": "a"}, {"name": "b", "blobs": [GOOD, BAD]}]}, 2),
        ({"layers": [{"name": "a"}, {"name": "b", "blobs": [GOOD, BAD]}]}, 2),
        ({"layers": [{"layer": {"name": "a", "type": "relu"}}, {"layer": {"name": "b", "blobs": [GOOD, BAD]}}]}, 3),
    ],
    ids=["today", "2014", "2013"],
)
def test_the_place_of_a_wrong_blob_in_nets_of_any_age(net, tag, tmp_path):
    write_message(tmp_path / "w", NetParameter(name="n", **net))
    data = (tmp_path / "w").read_bytes()
    blob = data.index(BlobProto(**BAD).SerializeToString()) - tag
    with pytest.raises(SnapshotError, match=rf"w@{blob}: layer 'b', blob 1: shape 2 wants 2 values, the file has 1"):
        read_weights(tmp_path / "w")


def test_blobs_of_states_and_means_are_checked(tmp_path):
    bad = BlobProto(data=[1.0], shape={"dim": [2]})
    write_message(tmp_path / "state", SolverState(iter=1, history=[bad]))
    write_message(tmp_path / "mean", bad)
    with pytest.raises(SnapshotError, match="state@2: history 0: shape 2 wants 2 values, the file has 1"):
        read_state(tmp_path / "state")
    with pytest.raises(SnapshotError, match="mean@0: shape 2 wants 2 values, the file has 1"):
        read_blob(tmp_path / "mean")


def test_the_kind_of_no_file(tmp_path):
    with pytest.raises(SnapshotError, match="No such file"):
        file_kind(tmp_path / "file")


def test_shapes_of_any_age():
    assert blob_shape(BlobProto(height=2, shape={"dim": [5]})) == (0, 0, 2, 0)
    assert blob_shape(BlobProto(shape={"dim": [5, 6]})) == (5, 6)
    assert blob_shape(BlobProto()) == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "this is a folder, not a file"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
    ],
)
def test_no_file(make, message, tmp_path):
    make(tmp_path / "file")
    with pytest.raises(SnapshotError, match=message):
        read_weights(tmp_path / "file")


def test_files_over_the_limit_are_not_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\x0a\x01n\xa2\x06" + b"\xff\xff\xff\xff\x07")  # a name, and a layer of 2 GiB
    os.truncate(path, 2**31)  # sparse: nothing is written
    with pytest.raises(SnapshotError, match="2147483648 bytes are more than a protobuf file can have"):
        read_weights(path)


def test_writing_into_nothing_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotError, match="cannot be written"):
        write_message(tmp_path / "file" / "inner", weights())


def test_names_in_other_encodings_become_text(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(
        weights().SerializeToString().replace(b"\x0a\x01n", b"\x0a\x01\xe9", 1).replace(b"\x01x", b"\x01\xe9")
    )
    net = read_weights(path)
    assert (net.name, list(net.layer[0].bottom)) == ("�", ["�"])


def test_old_weights_are_upgraded(tmp_path):
    old = NetParameter(name="n", input=["x"], input_dim=[1, 1, 1, 1])
    old.layers.add(name="u", type="UNPOOLING").unpooling_param.kernel_size = 2
    old.layers.add(name="f", type="INNER_PRODUCT", top=["f"]).blobs.add(
        data=[1, 2], num=1, channels=1, height=1, width=2
    )
    old.layers.add(name="d", type="DECONVOLUTION", bottom=["f"])
    write_message(tmp_path / "file", old)
    net = read_weights(tmp_path / "file")
    assert [(layer.name, layer.type) for layer in net.layer] == [
        ("input", "Input"),
        ("u", "Unpooling"),
        ("f", "InnerProduct"),
        ("d", "Deconvolution"),
    ]
    assert net.layer[1].unpooling_param.kernel_size == 2
    assert blob_shape(net.layer[2].blobs[0]) == (1, 1, 1, 2)


@needs_files
def test_a_file_of_caffe_is_written_as_caffe_wrote_it(tmp_path):
    for name, read in (("ae_iter_20.caffemodel", read_weights), ("ae_iter_20.solverstate", read_state)):
        path = FILES / "ae" / name
        write_message(tmp_path / name, read(path))
        assert (tmp_path / name).read_bytes() == path.read_bytes()


@needs_files
def test_the_model_of_2014_is_as_caffe_upgraded_it():
    old, new = (read_weights(FILES / "legacy_model" / name) for name in ("v1.caffemodel", "v1_upgraded.caffemodel"))
    assert old == new


MODELS = sorted(reference_dir("unpooling").glob("**/*.caffemodel"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_models_of_the_fork(path):
    types = {layer.name: layer.type for layer in read_weights(path).layer}
    assert types["conv1"] == "Convolution"
    assert "Unpooling" in types.values()


@given(data=st.binary(max_size=200))
def test_any_bytes_have_a_kind(data):
    assert sniff(data) in {"weights", "state", "mean", "hdf5", "text", "unknown"}


@settings(max_examples=200)
@given(
    kind=st.sampled_from(list(MESSAGES)),
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
)
def test_changed_files_are_read_or_refused(kind, changes, tmp_path_factory):
    data = bytearray(MESSAGES[kind].SerializeToString())
    for position, byte in changes:
        data[position % len(data)] = byte
    path = Path(tmp_path_factory.getbasetemp()) / "changed"
    path.write_bytes(data)
    try:
        READERS[kind](path)
    except SnapshotError as error:
        sentence = str(error)
    else:
        sentence = f"{path}: read"
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
