"""Trains LeNet on small digits with SGDSolver, one step at a time, and plots how it went.

    deepcae data digits -o digits
    python -m deepcae.pycaffe examples/pycaffe/train_lenet.py digits lenet --iterations 300

Writes into the second folder: the nets and the solver as prototxt, the trained weights, `training.png`, the mean gray
of the data, and some test digits as pictures (`classify.py` and `net_surgery.py` go on with them).
"""

import argparse
import os

import caffe
import h5py
import matplotlib
import numpy as np
from caffe import layers as L
from caffe import params as P
from caffe.proto import caffe_pb2

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def layers_behind(n, bottom):
    """LeNet from its first convolution to the scores."""
    filler = dict(type="xavier")
    n.conv1 = L.Convolution(bottom, kernel_size=5, num_output=20, weight_filler=filler)
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.conv2 = L.Convolution(n.pool1, kernel_size=5, num_output=50, weight_filler=filler)
    n.pool2 = L.Pooling(n.conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.fc1 = L.InnerProduct(n.pool2, num_output=100, weight_filler=filler)
    n.relu1 = L.ReLU(n.fc1, in_place=True)
    n.score = L.InnerProduct(n.relu1, num_output=10, weight_filler=filler)


def lenet(data_list, batch_size, mean):
    """LeNet with its data and its loss. The data are digits in [0, 1]; their mean is taken off first."""
    n = caffe.NetSpec()
    n.data, n.label = L.HDF5Data(source=data_list, batch_size=batch_size, ntop=2)
    n.centred = L.Power(n.data, shift=-mean)
    layers_behind(n, n.centred)
    n.loss = L.SoftmaxWithLoss(n.score, n.label)
    return n.to_proto()


def deploy():
    """LeNet as it is used: images in, probabilities out."""
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 1, 28, 28]))
    layers_behind(n, n.data)
    n.prob = L.Softmax(n.score)
    return n.to_proto()


def write_texts(out, data, mean, test_batch):
    """The prototxt files of a training; returns the solver's."""
    for name, net in (
        ("train", lenet(os.path.join(data, "train.txt"), 64, mean)),
        ("test", lenet(os.path.join(data, "test.txt"), test_batch, mean)),
        ("deploy", deploy()),
    ):
        with open(os.path.join(out, f"lenet_{name}.prototxt"), "w") as file:
            file.write(str(net))
    s = caffe_pb2.SolverParameter()
    s.train_net = os.path.join(out, "lenet_train.prototxt")
    s.test_net.append(os.path.join(out, "lenet_test.prototxt"))
    s.test_iter.append(1)
    s.test_interval = 10**6  # the loop below tests
    s.test_initialization = False
    s.base_lr = 0.01
    s.momentum = 0.9
    s.weight_decay = 0.0005
    s.lr_policy = "inv"
    s.gamma = 0.0001
    s.power = 0.75
    s.random_seed = 1
    s.snapshot_prefix = os.path.join(out, "lenet")
    path = os.path.join(out, "lenet_solver.prototxt")
    with open(path, "w") as file:
        file.write(str(s))
    return path


def train(solver, iterations, test_interval):
    """The training loss of every iteration, and the test accuracy of every `test_interval`-th."""
    train_loss = np.zeros(iterations)
    test_accuracy = []
    for it in range(iterations):
        solver.step(1)
        train_loss[it] = solver.net.blobs["loss"].data
        if it % test_interval == 0 or it == iterations - 1:
            test_net = solver.test_nets[0]
            test_net.forward()
            right = test_net.blobs["score"].data.argmax(1) == test_net.blobs["label"].data
            test_accuracy.append((it, right.mean()))
            print(f"iteration {it}: loss {train_loss[it]:.3f}, test accuracy {test_accuracy[-1][1]:.3f}")
    return train_loss, test_accuracy


def plot(path, train_loss, test_accuracy):
    """Loss and accuracy over the iterations."""
    figure, left = plt.subplots()
    right = left.twinx()
    left.plot(train_loss, color="tab:blue")
    right.plot(*zip(*test_accuracy), color="tab:red", marker="o")
    left.set_xlabel("iteration")
    left.set_ylabel("train loss", color="tab:blue")
    right.set_ylabel("test accuracy", color="tab:red")
    right.set_ylim(0, 1)
    left.set_title(f"test accuracy {test_accuracy[-1][1]:.3f}")
    figure.savefig(path)
    plt.close(figure)


def write_pictures(out, images, labels, number=5):
    """Some digits as PNG files, named by their class."""
    os.makedirs(os.path.join(out, "digits"), exist_ok=True)
    for index in range(number):
        name = f"{int(labels[index])}_{index:02d}.png"
        plt.imsave(os.path.join(out, "digits", name), images[index, 0], cmap="gray", vmin=0, vmax=1)


def main():
    parser = argparse.ArgumentParser(description="Trains LeNet on digits.")
    parser.add_argument("data", help="a folder with train.txt and test.txt, as `deepcae data digits` writes it")
    parser.add_argument("out", help="the folder to write to")
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--test-interval", type=int, default=25)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)

    with h5py.File(os.path.join(args.data, "train.h5"), "r") as file:
        mean = float(file["data"][:].mean())
    with h5py.File(os.path.join(args.data, "test.h5"), "r") as file:
        images, labels = file["data"][:], file["label"][:]
    np.save(os.path.join(args.out, "mean.npy"), np.array([mean]))
    write_pictures(args.out, images, labels)

    caffe.set_mode_cpu()
    solver = caffe.SGDSolver(write_texts(args.out, args.data, mean, len(labels)))
    print([(name, blob.data.shape) for name, blob in solver.net.blobs.items()])
    train_loss, test_accuracy = train(solver, args.iterations, args.test_interval)
    solver.net.save(os.path.join(args.out, "lenet.caffemodel"))
    plot(os.path.join(args.out, "training.png"), train_loss, test_accuracy)


if __name__ == "__main__":
    main()
