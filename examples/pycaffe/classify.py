"""Says which classes a trained net sees in pictures.

    python -m deepcae.pycaffe examples/pycaffe/classify.py lenet/lenet_deploy.prototxt lenet/lenet.caffemodel \\
        lenet/digits/*.png --mean lenet/mean.npy

With `--labels` (a text file, one name a line) it prints names in place of numbers.
"""

import argparse

import caffe
import numpy as np


def make_transformer(net, mean_file):
    """What turns a picture as `load_image` gives it into an input of the net."""
    shape = net.blobs["data"].data.shape
    transformer = caffe.io.Transformer({"data": shape})
    transformer.set_transpose("data", (2, 0, 1))  # height, width, channel -> channel, height, width
    if mean_file:
        mean = np.load(mean_file)
        transformer.set_mean("data", mean if mean.ndim == 1 else mean.mean(1).mean(1))
    if shape[1] == 3:
        transformer.set_channel_swap("data", (2, 1, 0))  # RGB -> BGR
        transformer.set_raw_scale("data", 255)  # [0, 1] -> [0, 255]
    return transformer


def main():
    parser = argparse.ArgumentParser(description="Classifies pictures.")
    parser.add_argument("model", help="the net, a deploy.prototxt")
    parser.add_argument("weights", help="its .caffemodel")
    parser.add_argument("images", nargs="+", help="the pictures")
    parser.add_argument("--mean", help="the mean, .npy")
    parser.add_argument("--labels", help="the names of the classes, one a line")
    parser.add_argument("--top", type=int, default=3, help="how many classes to print")
    args = parser.parse_args()

    caffe.set_mode_cpu()
    net = caffe.Net(args.model, caffe.TEST, weights=args.weights)
    labels = np.loadtxt(args.labels, str, delimiter="\t") if args.labels else None
    transformer = make_transformer(net, args.mean)

    net.blobs["data"].reshape(len(args.images), *net.blobs["data"].data.shape[1:])
    color = net.blobs["data"].channels == 3
    for index, path in enumerate(args.images):
        image = caffe.io.load_image(path, color=color)
        net.blobs["data"].data[index, ...] = transformer.preprocess("data", image)
    output = net.forward()

    for path, prob in zip(args.images, output["prob"]):
        best = prob.argsort()[::-1][: args.top]
        names = [str(labels[k]) if labels is not None else str(k) for k in best]
        print(f"{path}: " + ", ".join(f"{name} ({prob[k]:.3f})" for name, k in zip(names, best)))


if __name__ == "__main__":
    main()
