"""Caffe's messages under the path that scripts import them from: `caffe.proto.caffe_pb2`."""

from __future__ import annotations

from . import caffe_pb2

__all__ = ["caffe_pb2"]
