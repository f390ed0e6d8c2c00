"""Caffe's messages under the path that scripts import them from: `caffe.proto.caffe_pb2`."""
