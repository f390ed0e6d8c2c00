"""Caffe's messages under their old path."""

from __future__ import annotations

import pytest
from google.protobuf import text_format

import deepcae.proto.schema as schema
from deepcae.pycaffe.proto import caffe_pb2


def test_every_message_and_enum_of_the_schema_is_there() -> None:
    file = schema.POOL.FindFileByName("caffe.proto")
    for name, descriptor in file.message_types_by_name.items():
        assert getattr(caffe_pb2, name).DESCRIPTOR is descriptor
    assert {"NetParameter", "V1LayerParameter", "BlobProtoVector", "Datum", "SolverState"} <= set(caffe_pb2.__all__)
    assert (caffe_pb2.TRAIN, caffe_pb2.TEST) == (0, 1)
    assert caffe_pb2.Phase.Value("TEST") == 1
    assert caffe_pb2.DESCRIPTOR is file


def test_nested_enums_are_attributes_of_their_messages() -> None:
    assert caffe_pb2.PoolingParameter.AVE == 1
    assert caffe_pb2.PoolingParameter.PoolMethod.Name(2) == "STOCHASTIC"
    assert caffe_pb2.V1LayerParameter.CONVOLUTION == 4
    assert caffe_pb2.SolverParameter.GPU == 1
    assert caffe_pb2.LossParameter.NormalizationMode.keys()[:2] == ["FULL", "VALID"]


def test_messages_are_those_of_the_rest() -> None:
    assert caffe_pb2.NetParameter is schema.NetParameter
    net = caffe_pb2.NetParameter()
    text_format.Merge('name: "x" layer { name: "a" type: "ReLU" include { phase: TEST } }', net)
    text_format.Merge('layer { name: "b" type: "TanH" }', net)
    assert [layer.name for layer in net.layer] == ["a", "b"]
    assert net.layer[0].include[0].phase == caffe_pb2.TEST
    assert caffe_pb2.NetParameter.FromString(net.SerializeToString()) == net
    assert 'type: "TanH"' in text_format.MessageToString(net)


def test_scripts_find_it_without_importing_it() -> None:
    import deepcae.pycaffe as caffe

    assert caffe.proto.caffe_pb2 is caffe.io.caffe_pb2 is caffe_pb2


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"^caffe_pb2 has no 'NetParam'; did you mean 'NetParameter'\?$"):
        _ = caffe_pb2.NetParam
    assert not hasattr(caffe_pb2, "__wrapped__")
