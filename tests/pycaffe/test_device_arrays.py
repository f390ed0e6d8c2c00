"""Arrays of a net whose memory numpy cannot see (a GPU's): copies that are kept equal around each pass.

No GPU is needed: the net computes on the CPU, but hands out copies as it does elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepcae.pycaffe as caffe
from deepcae.net import storage

NET = """force_backward: true
layer { name: "in" type: "Input" top: "x" top: "t" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "constant" value: 1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.5 lr_policy: "fixed" snapshot_prefix: "s" test_iter: 1 test_interval: 100'


@pytest.fixture(autouse=True)
def _far_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(storage, "is_host", lambda device: False)
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    caffe.init_log(2)
    yield
    caffe.init_log(0)


def test_what_is_written_counts_and_what_is_computed_shows() -> None:
    net = caffe.Net("net.prototxt", caffe.TEST)
    held = net.blobs["ip"].data
    net.blobs["x"].data[...] = [[1, 2, 3], [4, 5, 6]]
    net.params["ip"][1].data[...] = 10
    net.forward()
    np.testing.assert_array_equal(held, [[16] * 3, [25] * 3])
    back = net.backward()["x"]
    np.testing.assert_array_equal(back, [[24] * 3, [37.5] * 3])
    weights_diff = net.params["ip"][0].diff
    once = weights_diff.copy()
    net.backward()
    np.testing.assert_array_equal(weights_diff, 2 * once)
    net.clear_param_diffs()
    assert not weights_diff.any()
    net.blobs["ip"].data[...] = 1
    net.forward(start="loss")
    assert net.blobs["loss"].data == 1.5


def test_weights_go_to_files_and_back() -> None:
    net = caffe.Net("net.prototxt", caffe.TEST)
    weights = net.params["ip"][0].data
    weights[...] = 3
    net.save("w.caffemodel")
    weights[...] = 4
    net.copy_from("w.caffemodel")
    assert (weights == 3).all()


def test_updates_show_in_all_nets() -> None:
    solver = caffe.SGDSolver("solver.prototxt")
    mine, tested = solver.net.params["ip"][0].data, solver.test_nets[0].params["ip"][0].data
    solver.net.params["ip"][0].diff[...] = 1
    solver.apply_update()
    np.testing.assert_array_equal(mine, np.full((3, 3), 0.5))
    np.testing.assert_array_equal(tested, mine)
    mine[...] = 2  # by the script; the next pass and snapshot see it
    solver.snapshot()
    assert (caffe.Net("net.prototxt", caffe.TEST, weights="s_iter_1.caffemodel").params["ip"][0].data == 2).all()
    mine[...] = 7
    solver.restore("s_iter_1.solverstate")
    assert (mine == 2).all()
    assert (tested == 2).all()
