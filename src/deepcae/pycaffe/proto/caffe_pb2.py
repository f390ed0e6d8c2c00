"""All of Caffe's messages and enums under the names of the module that protoc makes of caffe.proto.

    net = caffe_pb2.NetParameter()
    google.protobuf.text_format.Merge(open("net.prototxt").read(), net)
    caffe_pb2.TRAIN, caffe_pb2.Phase.Name(0), caffe_pb2.PoolingParameter.MAX, caffe_pb2.V1LayerParameter.CONVOLUTION

The classes are those of `deepcae.proto`, so that a message made here may be handed to any function there.
"""

from __future__ import annotations

import difflib
from typing import Any

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from ...proto.schema import POOL, message_class

DESCRIPTOR = POOL.FindFileByName("caffe.proto")

for _name in DESCRIPTOR.message_types_by_name:
    globals()[_name] = message_class(_name)
for _name, _enum in DESCRIPTOR.enum_types_by_name.items():
    globals()[_name] = EnumTypeWrapper(_enum)
    globals().update({_value.name: _value.number for _value in _enum.values})

__all__ = [
    "DESCRIPTOR",
    *DESCRIPTOR.message_types_by_name,
    *DESCRIPTOR.enum_types_by_name,
    *(_value.name for _enum in DESCRIPTOR.enum_types_by_name.values() for _value in _enum.values),
]


def __getattr__(name: str) -> Any:
    """Names a message that does not exist. AttributeError with the closest that does."""
    close = difflib.get_close_matches(name, __all__, 1, 0.7)
    raise AttributeError(f"caffe_pb2 has no '{name}'" + (f"; did you mean '{close[0]}'?" if close else ""))
