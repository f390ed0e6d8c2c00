"""A training of a few milliseconds with everything that has state: momentum, dropout, shuffled data, test nets."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

NET = """
name: "tiny"
layer {{ name: "d" type: "HDF5Data" top: "data" include {{ phase: TRAIN }}
         hdf5_data_param {{ source: "train.txt" batch_size: 4 shuffle: {shuffle} }} }}
layer {{ name: "t" type: "HDF5Data" top: "data" include {{ phase: TEST }}
         hdf5_data_param {{ source: "test.txt" batch_size: 2 }} }}
layer {{ name: "fc1" type: "InnerProduct" bottom: "data" top: "h"
         param {{ lr_mult: 1 }} param {{ lr_mult: 2 decay_mult: 0 }}
         inner_product_param {{ num_output: 8 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "sig1" type: "{neuron}" bottom: "h" top: "h" }}
{drop}
layer {{ name: "fc2" type: "InnerProduct" bottom: "h" top: "out"
         inner_product_param {{ num_output: 6 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "out" bottom: "data" top: "loss" }}
"""
SOLVER = """
net: "net.prototxt"
type: "{type}"
base_lr: 0.05
lr_policy: "multistep"
gamma: 0.5
stepvalue: 7
stepvalue: 8
{momentum}
iter_size: {iter_size}
weight_decay: 0.01
average_loss: 3
test_iter: 3
test_interval: 5
display: 1
max_iter: 16
snapshot: 4
snapshot_prefix: "snap"
random_seed: 7
"""


def write_training(
    folder: Path,
    *,
    type: str = "SGD",
    iter_size: int = 1,
    shuffle: bool = True,
    dropout: float = 0.5,
    neuron: str = "Sigmoid",
    extra: str = "",
) -> Path:
    """Writes the texts and data; returns the solver's path."""
    folder.mkdir(parents=True, exist_ok=True)
    drop = f'layer {{ name: "drop" type: "Dropout" bottom: "h" top: "h" dropout_param {{ dropout_ratio: {dropout} }} }}'
    net = NET.format(shuffle=str(shuffle).lower(), drop=drop if dropout else "", neuron=neuron)
    (folder / "net.prototxt").write_text(net)
    momentum = "" if type in ("AdaGrad", "RMSProp") else "momentum: 0.9"
    solver = SOLVER.format(type=type, iter_size=iter_size, momentum=momentum)
    (folder / "solver.prototxt").write_text(solver + extra)
    rows = np.random.default_rng(0).random((21, 6), dtype=np.float32)
    for name, part in {"train_0": rows[:7], "train_1": rows[7:14], "test_0": rows[14:]}.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"] = part
    (folder / "train.txt").write_text("train_0.h5\ntrain_1.h5\n")
    (folder / "test.txt").write_text("test_0.h5\n")
    return folder / "solver.prototxt"
