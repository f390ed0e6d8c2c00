"""Layers written in Python: in scripts always, elsewhere only where they are allowed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import deepcae.pycaffe as caffe
from deepcae.cli import main
from deepcae.errors import DeepcaeError, LayerError, SpecError
from deepcae.net.net import Net
from deepcae.solver.solver import Solver

LAYERS = '''
import numpy as np
import caffe


class Gain(caffe.Layer):
    """y = param_str * w * x, with one learned w per column."""

    def setup(self, bottom, top):
        if len(bottom) != 1:
            raise Exception("one bottom is needed")
        self.factor = float(self.param_str)
        self.blobs.add_blob(bottom[0].shape[1])
        self.blobs[0].data[...] = 1 + self.phase

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * self.blobs[0].data * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] += self.factor * (top[0].diff * bottom[0].data).sum(axis=0)
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * self.blobs[0].data * top[0].diff


class Counter(caffe.Layer):
    """A data layer: batch k is filled with k."""

    def setup(self, bottom, top):
        self.batch = 0
        top[0].reshape(4, 3)

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        top[0].data[...] = self.batch
        self.batch += 1

    def backward(self, top, propagate_down, bottom):
        pass


class EuclideanLoss(caffe.Layer):
    """Half the mean squared distance."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        self.diff = np.zeros_like(bottom[0].data, dtype=np.float32)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.diff[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.diff**2) / bottom[0].num / 2.0

    def backward(self, top, propagate_down, bottom):
        for i in range(2):
            if propagate_down[i]:
                bottom[i].diff[...] = (1 - 2 * i) * self.diff / bottom[i].num


class Grow(caffe.Layer):
    """In place: adds 1 to half of its bottom."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        top[0].data[:, 0] += 1

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff


class Stop(Grow):
    """In place: nothing goes back through it."""

    def forward(self, bottom, top):
        pass

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 0


class Broken(Grow):
    def forward(self, bottom, top):
        return bottom[7]

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 1 // 0


class Crooked(Grow):
    def reshape(self, bottom, top):
        top[0].reshape(1 // 0)


class Unmade(Grow):
    def __init__(self, *arguments):
        raise KeyError("key")


class Silent(caffe.Layer):
    def setup(self, bottom, top):
        pass


class Mute(caffe.Layer):
    """Raises before anybody can miss its other methods."""

    def setup(self, bottom, top):
        raise RuntimeError
'''


def python(layer: str, name: str = "py", bottom: str = "x", top: str = "y", more: str = "") -> str:
    bottoms = "".join(f' bottom: "{blob}"' for blob in bottom.split())
    return f"""layer {{ name: "{name}" type: "Python"{bottoms} top: "{top}"
  python_param {{ module: "home_made" layer: "{layer}" {more} }} }}
"""


INPUT = 'force_backward: true layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
GAIN = INPUT + python("Gain", more='param_str: "2"')
X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("home_made.py").write_text(LAYERS)
    yield
    for name in [name for name in sys.modules if name == "home_made" or name.split(".")[0] == "caffe"]:
        del sys.modules[name]


def write(text: str) -> str:
    Path("net.prototxt").write_text(text)
    return "net.prototxt"


def test_forward_backward_and_learned_blobs() -> None:
    net = caffe.Net(write(GAIN), caffe.TEST)
    assert type(net.layers[1]).__name__ == "Gain"
    assert isinstance(net.layers[1], caffe.Layer)
    np.testing.assert_array_equal(net.params["py"][0].data, [2, 2, 2])  # 1 + phase
    net.params["py"][0].data[...] = [1, 10, 100]
    np.testing.assert_array_equal(net.forward(x=X)["y"], 2 * X * [1, 10, 100])
    np.testing.assert_array_equal(net.backward(y=np.ones((2, 3)))["x"], np.tile([2, 20, 200], (2, 1)))
    np.testing.assert_array_equal(net.params["py"][0].diff, 2 * X.sum(axis=0))
    net.backward()
    np.testing.assert_array_equal(net.params["py"][0].diff, 4 * X.sum(axis=0))


def test_gradient_is_the_layers_own_in_one_graph() -> None:
    net = Net(write(GAIN), allow_python_layers=True)
    x = torch.from_numpy(X).requires_grad_()
    y = net.forward({"x": x})["y"]
    (y * torch.arange(6.0).reshape(2, 3)).sum().backward()
    np.testing.assert_array_equal(x.grad, 4 * np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(net.tensors[0].grad, (2 * X * np.arange(6).reshape(2, 3)).sum(axis=0))


def test_two_passes_before_a_backward_do_not_mix() -> None:
    net = Net(write(GAIN), allow_python_layers=True)
    first = net.forward({"x": torch.from_numpy(X)})["y"]
    second = net.forward({"x": torch.from_numpy(10 * X)})["y"]
    np.testing.assert_array_equal(second.detach(), 10 * first.detach())
    first.sum().backward()
    np.testing.assert_array_equal(net.tensors[0].grad, 2 * X.sum(axis=0))


def test_a_data_layer_goes_on_and_a_loss_trains() -> None:
    net = caffe.Net(write(python("Counter", bottom="", top="n")), caffe.TRAIN)
    assert [float(net.forward()["n"][0, 0]) for _ in range(3)] == [0, 1, 2]
    text = (
        'layer { name: "in" type: "Input" top: "x" top: "t" input_param { shape { dim: 4 dim: 2 } } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 2 } }\n'
        + python("EuclideanLoss", name="loss", bottom="ip t", top="loss").rstrip()[:-1]
        + " loss_weight: 1 }"
    )
    write(text)
    Path("solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" snapshot_prefix: "s"')
    solver = caffe.SGDSolver("solver.prototxt")
    solver.net.blobs["x"].data[...] = np.random.default_rng(0).standard_normal((4, 2))
    solver.net.blobs["t"].data[...] = solver.net.blobs["x"].data @ [[1, 2], [-1, 0.5]] + 1
    losses = []
    for _ in range(200):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data[0]))
    assert losses[-1] < 0.01 * losses[0]


def test_in_place_keeps_what_it_does_not_write() -> None:
    text = INPUT + 'layer { name: "p" type: "Power" bottom: "x" top: "y" }\n' + python("Grow", bottom="y")
    net = caffe.Net(write(text), caffe.TEST)
    np.testing.assert_array_equal(net.forward(x=X)["y"], X + np.array([1, 0, 0]))
    np.testing.assert_array_equal(net.forward(x=X)["y"], X + np.array([1, 0, 0]))


def test_a_gradient_that_others_get_too_is_left_alone() -> None:
    text = (
        INPUT
        + """layer { name: "a" type: "Power" bottom: "x" top: "a" power_param { scale: 2 } }
        layer { name: "b" type: "Power" bottom: "x" top: "b" power_param { scale: 3 } }
        layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }"""
        + python("Stop", bottom="b", top="b")
    )
    stop = text.rindex("layer {")
    text = text[: text.index('layer { name: "sum"')] + text[stop:] + text[text.index('layer { name: "sum"') : stop]
    x = torch.from_numpy(X).requires_grad_()
    Net(write(text), allow_python_layers=True).forward({"x": x})["sum"].backward(torch.ones(2, 3))
    np.testing.assert_array_equal(x.grad, np.full((2, 3), 2))


def test_reshape_is_asked_for_each_shape() -> None:
    net = caffe.Net(write(GAIN), caffe.TEST)
    net.blobs["x"].reshape(5, 3)
    net.reshape()
    assert net.blobs["y"].shape == (5, 3)
    assert net.forward()["y"].shape == (5, 3)


def test_weights_are_saved_and_loaded() -> None:
    net = caffe.Net(write(GAIN), caffe.TEST)
    net.params["py"][0].data[...] = [7, 8, 9]
    net.save("w.caffemodel")
    loaded = caffe.Net("net.prototxt", caffe.TEST, weights="w.caffemodel")
    np.testing.assert_array_equal(loaded.forward(x=np.ones((2, 3)))["y"][0], [14, 16, 18])


def test_a_layer_sees_the_nets_parameters_between_the_passes() -> None:
    net, other = (caffe.Net(write(GAIN), caffe.TEST) for _ in range(2))
    net.layers[1].blobs[0].data[...] = [1, 10, 100]
    np.testing.assert_array_equal(net.params["py"][0].data, [1, 10, 100])
    net.save("gain.caffemodel")
    other.copy_from("gain.caffemodel")
    np.testing.assert_array_equal(other.layers[1].blobs[0].data, [1, 10, 100])
    net.forward(x=X)
    for _ in range(2):
        net.backward(y=np.ones((2, 3)))
    np.testing.assert_array_equal(net.layers[1].blobs[0].diff, 4 * X.sum(axis=0))
    third = caffe.Net("net.prototxt", caffe.TEST)
    third.share_with(net)
    net.params["py"][0].data[...] = 5
    np.testing.assert_array_equal(third.layers[1].blobs[0].data, [5, 5, 5])


# Permission


def test_without_permission_nothing_is_imported() -> None:
    Path("home_made.py").write_text("raise SystemExit('the module was run')")
    with pytest.raises(SpecError, match=r"net\.prototxt:\d+:\d+: .*home_made\.Gain.*--allow-python-layers") as error:
        Net(write(GAIN))
    assert len(str(error.value).splitlines()) == 1
    Path("solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed"')
    with pytest.raises(SpecError, match="--allow-python-layers"):
        Solver("solver.prototxt")
    assert "home_made" not in sys.modules


@pytest.mark.parametrize("method", ["setup", "forward", "backward"])
@pytest.mark.parametrize("code", ["", "0", "1", "'words'"])
def test_code_that_ends_the_program_ends_a_command_as_a_fault(
    method: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = dict.fromkeys(("setup", "forward", "backward"), "pass") | {method: f"raise SystemExit({code})"}
    body = "".join(f"    def {name}(self, *blobs): {what}\n" for name, what in methods.items())
    Path("home_made.py").write_text(
        f"import caffe\nclass Gain(caffe.Layer):\n    def reshape(self, bottom, top): top[0].reshape(1)\n{body}"
    )
    learned = 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 1 } }'
    made = 'layer { name: "py" type: "Python" bottom: "ip" top: "y" loss_weight: 1 python_param { module: "home_made" '
    source = 'layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 1 dim: 2 } } }'
    write(source + learned + made + 'layer: "Gain" } }')
    Path("solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 2')
    argv = ["train", "--solver", "solver.prototxt", "--out", "run", "--allow-python-layers", "-q"]
    assert main(argv) == 2
    assert f"'home_made.Gain' failed in {method}: SystemExit" in capsys.readouterr().err


def test_permission_ends_with_the_net_that_had_it() -> None:
    Net(write(GAIN), allow_python_layers=True)
    with pytest.raises(SpecError, match="--allow-python-layers"):
        Net("net.prototxt")


def test_the_command_line_asks_for_its_flag(capsys: pytest.CaptureFixture[str]) -> None:
    write(GAIN)
    assert main(["check", "net.prototxt"]) != 0
    refused = capsys.readouterr()
    assert "--allow-python-layers" in refused.out + refused.err
    assert "Traceback" not in refused.out + refused.err
    assert main(["check", "net.prototxt", "--allow-python-layers"]) == 0
    assert main(["--allow-python-layers", "check", "net.prototxt"]) == 0


def test_a_run_of_many_samples_keeps_the_permission() -> None:
    net = Net(write(GAIN), allow_python_layers=True)
    assert net(x=np.ones((9, 3)))["y"].shape == (9, 3)  # plans anew


# Mistakes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (INPUT + python("Absent"), r"'home_made.Absent' cannot be loaded: AttributeError"),
        (INPUT + python("Gain").replace("home_made", "no_such"), r"'no_such.Gain' cannot be loaded: ModuleNotFound"),
        (INPUT + python("Silent"), r"'home_made.Silent' lacks reshape, forward"),
        (INPUT + 'layer { name: "py" type: "Python" bottom: "x" top: "y" }', "must name a module and a layer"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, sentence: str) -> None:
    with pytest.raises(DeepcaeError, match=rf"net\.prototxt:\d+:\d+: layer 'py' \(Python\): .*{sentence}"):
        caffe.Net(write(text), caffe.TEST)


PLACE = r"net\.prototxt:\d+:\d+: layer 'py' \(Python\): "


@pytest.mark.parametrize(
    ("text", "error", "note"),
    [
        (
            python("Gain", bottom="x x", more='param_str: "2"'),
            Exception,
            "'home_made.Gain' failed in setup: Exception:",
        ),
        (python("Gain"), ValueError, "'home_made.Gain' failed in setup: ValueError: could not"),
        (python("Mute"), RuntimeError, "'home_made.Mute' failed in setup: RuntimeError"),
        (python("Crooked"), ZeroDivisionError, "'home_made.Crooked' failed in reshape: ZeroDivisionError"),
        (python("Unmade"), KeyError, "'home_made.Unmade' cannot be made: KeyError"),
    ],
)
def test_a_scripts_own_errors_arrive_as_they_are(text: str, error: type[Exception], note: str) -> None:
    """As in Caffe; elsewhere, where nobody wrote the code, they are mistakes of the text."""
    file = write(INPUT + text)
    with pytest.raises(error) as raised:
        caffe.Net(file, caffe.TEST)
    assert raised.type is error
    assert [re.match(PLACE + note, line) is not None for line in raised.value.__notes__] == [True]
    Path("solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed"')
    with pytest.raises(error):
        caffe.SGDSolver("solver.prototxt")
    with pytest.raises(SpecError, match=PLACE + note):
        Net(file, allow_python_layers=True)


def test_a_failing_pass_names_the_layer() -> None:
    file = write(INPUT + python("Broken", bottom="x", top="x"))
    net = caffe.Net(file, caffe.TEST)
    with pytest.raises(IndexError) as raised:
        net.forward()
    assert raised.value.__notes__ == ["'home_made.Broken' failed in forward: IndexError: list index out of range"]
    with pytest.raises(ZeroDivisionError) as raised_back:
        net.backward()
    assert "failed in backward" in raised_back.value.__notes__[0]
    with pytest.raises(LayerError, match=r"'home_made.Broken' failed in forward: IndexError"):
        Net(file, allow_python_layers=True)(x=X)
