"""Caffe's message classes, made at import from the compiled schema `caffe.desc` in a pool of our own.

A private pool cannot clash with another package's `caffe.proto`, and a descriptor set (unlike generated code) loads in
every protobuf runtime from 4.25 on.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

POOL = descriptor_pool.DescriptorPool()
_SET = descriptor_pb2.FileDescriptorSet.FromString(files(__package__).joinpath("caffe.desc").read_bytes())
for _file in _SET.file:
    POOL.Add(_file)


def message_class(name: str) -> Any:
    """The message class `caffe.<name>`, e.g. `message_class("LayerParameter")`."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"caffe.{name}"))


def is_repeated(field: Any) -> bool:
    """Whether a field (its descriptor) holds a list."""
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def is_required(field: Any) -> bool:
    """Whether a message without this field (its descriptor) is incomplete."""
    return bool(field.is_required) if hasattr(field, "is_required") else field.label == field.LABEL_REQUIRED


BlobProto = message_class("BlobProto")
BlobShape = message_class("BlobShape")
Datum = message_class("Datum")
FillerParameter = message_class("FillerParameter")
LayerParameter = message_class("LayerParameter")
NetParameter = message_class("NetParameter")
SolverParameter = message_class("SolverParameter")
SolverState = message_class("SolverState")
TRAIN, TEST = 0, 1

__all__ = [
    "POOL", "TEST", "TRAIN", "BlobProto", "BlobShape", "Datum", "FillerParameter", "LayerParameter", "Message",
    "NetParameter", "SolverParameter", "SolverState", "is_repeated", "is_required",
    "message_class",
]  # fmt: skip
