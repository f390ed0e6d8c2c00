"""Turns LeNet's fully connected layers into convolutions, so that it can look at a picture of any size.

    python -m deepcae.pycaffe examples/pycaffe/net_surgery.py lenet/lenet_deploy.prototxt lenet/lenet.caffemodel \\
        lenet/digits/*.png --mean lenet/mean.npy

The pictures are laid side by side; the net gives a class for every place of its window on the strip.
"""

import argparse
import os

import caffe
import numpy as np
from caffe.proto import caffe_pb2
from google.protobuf import text_format


def fully_convolutional(model):
    """The text of the same net with convolutions for its InnerProduct layers, and the names of both."""
    net = caffe.Net(model, caffe.TEST)
    param = caffe_pb2.NetParameter()
    with open(model) as file:
        text_format.Merge(file.read(), param)
    pairs = []
    for layer in param.layer:
        if layer.type != "InnerProduct":
            continue
        below = net.blobs[layer.bottom[0]].data.shape
        outputs = layer.inner_product_param.num_output
        layer.type = "Convolution"
        layer.convolution_param.num_output = outputs
        layer.convolution_param.kernel_size.append(below[2] if len(below) == 4 else 1)
        layer.ClearField("inner_product_param")
        pairs.append((layer.name, layer.name + "-conv"))
        layer.name += "-conv"
    return str(param), pairs


def main():
    parser = argparse.ArgumentParser(description="Classifies every place of a strip of pictures.")
    parser.add_argument("model", help="the net, a deploy.prototxt")
    parser.add_argument("weights", help="its .caffemodel")
    parser.add_argument("images", nargs="+", help="pictures of the net's size")
    parser.add_argument("--mean", help="the mean, .npy")
    args = parser.parse_args()

    caffe.set_mode_cpu()
    net = caffe.Net(args.model, caffe.TEST, weights=args.weights)
    text, pairs = fully_convolutional(args.model)
    folder = os.path.dirname(args.weights)
    with open(os.path.join(folder, "lenet_full_conv.prototxt"), "w") as file:
        file.write(text)
    net_full_conv = caffe.Net(file.name, caffe.TEST, weights=args.weights)

    # The same numbers in another shape: (outputs, inputs) becomes (outputs, channels, height, width).
    for pr, pr_conv in pairs:
        net_full_conv.params[pr_conv][0].data.flat = net.params[pr][0].data.flat
        net_full_conv.params[pr_conv][1].data[...] = net.params[pr][1].data
        print(f"{pr} {net.params[pr][0].data.shape} -> {pr_conv} {net_full_conv.params[pr_conv][0].data.shape}")
    net_full_conv.save(os.path.join(folder, "lenet_full_conv.caffemodel"))

    strip = np.concatenate([caffe.io.load_image(path, color=False) for path in args.images], axis=1)
    transformer = caffe.io.Transformer({"data": (1, 1, *strip.shape[:2])})
    transformer.set_transpose("data", (2, 0, 1))
    if args.mean:
        transformer.set_mean("data", np.load(args.mean))
    net_full_conv.blobs["data"].reshape(1, 1, *strip.shape[:2])
    net_full_conv.reshape()
    out = net_full_conv.forward_all(data=np.asarray([transformer.preprocess("data", strip)]))

    classes = out["prob"][0].argmax(axis=0)
    print(f"strip {strip.shape[:2]} -> map of classes {classes.shape}")
    print(classes)
    step = strip.shape[1] // len(args.images) // 4  # two poolings of 2: the window moves by 4 pixels
    print("at the pictures:", *classes[0, ::step])


if __name__ == "__main__":
    main()
