"""Names, numbers, types and defaults of the schema against those of Caffe, the 2015 fork and SegNet (schema.json)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

import deepcae.proto
from deepcae.proto import schema

CAFFE = json.loads(Path(__file__).with_name("schema.json").read_text())
OURS = {
    "SolverParameter": {
        "snapshot_best": [1046, "bool", "optional", "false"],
        "patience": [1047, "int32", "optional", "0"],
        "best_gain": [1048, "float", "optional", "0"],
    },
    "TransformationParameter": {
        "flip": [1001, "bool", "optional", "false"],
        "turn": [1002, "bool", "optional", "false"],
        "transpose": [1003, "bool", "optional", "false"],
    },
    "LayerParameter": {"neighbour_loss_param": [1047, "NeighbourLossParameter", "optional"]},
}  # see docs/differences.md
FOLDER = Path(deepcae.proto.__file__).parent
TYPES = {"double": 1, "float": 2, "int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12, "uint32": 13}


def type_of(field) -> str:
    if field.message_type is not None:
        return field.message_type.name
    if field.enum_type is not None:
        return field.enum_type.name
    return next(name for name, number in TYPES.items() if number == field.type)


def label_of(field) -> str:
    return "repeated" if schema.is_repeated(field) else "required" if schema.is_required(field) else "optional"


def default_of(field):
    if field.enum_type is not None:
        return field.enum_type.values_by_number[field.default_value].name
    return field.default_value


@pytest.mark.parametrize("name", CAFFE["messages"])
def test_messages_have_caffes_fields_and_no_others(name):
    expected = CAFFE["messages"][name] | OURS.get(name, {})
    descriptor = schema.message_class(name).DESCRIPTOR
    fields = {field.name: [field.number, type_of(field), label_of(field)] for field in descriptor.fields}
    assert {key: value for key, value in fields.items() if key != "engine"} == {
        key: value[:3] for key, value in expected.items() if key != "engine"
    }
    assert ("engine" in fields) == ("engine" in expected)
    for key, (_, kind, _, *default) in expected.items():
        if default and kind != "Engine":
            value = default_of(descriptor.fields_by_name[key])
            if kind in ("float", "double"):
                assert value == pytest.approx(float(default[0]), rel=1e-7), key
            else:
                assert str(value).lower() == default[0].lower(), key


def test_no_message_is_missing_or_extra():
    ours = schema.POOL.FindFileByName("caffe.proto").message_types_by_name
    assert set(ours) == {*CAFFE["messages"], "NeighbourLossParameter"}


@pytest.mark.parametrize("name", CAFFE["enums"])
def test_enums(name):
    enum = schema.POOL.FindEnumTypeByName(f"caffe.{name}")
    assert {value.name: value.number for value in enum.values} == CAFFE["enums"][name]


def test_engines_are_caffes():
    for message in schema.POOL.FindFileByName("caffe.proto").message_types_by_name.values():
        if "engine" in message.fields_by_name:
            field = message.fields_by_name["engine"]
            assert {v.name: v.number for v in field.enum_type.values} == {"DEFAULT": 0, "CAFFE": 1, "CUDNN": 2}
            assert field.number == CAFFE["messages"][message.name]["engine"][0]


@pytest.mark.parametrize("name", ["data", "diff", "double_data", "double_diff"])
def test_blobs_are_packed(name):
    assert schema.BlobProto.DESCRIPTOR.fields_by_name[name].GetOptions().packed


def test_compiled_schema_is_that_of_the_text(tmp_path):
    """Fails after a change of caffe.proto without `make schema`."""
    fresh = tmp_path / "caffe.desc"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{FOLDER}", f"--descriptor_set_out={fresh}", "caffe.proto"]
    subprocess.run(command, check=True)
    parsed = [descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()) for path in (fresh, FOLDER / "caffe.desc")]
    assert parsed[0] == parsed[1]


def test_import_loads_neither_numpy_nor_torch():
    code = "import sys, deepcae.proto, deepcae.proto.binary; print({'numpy', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
