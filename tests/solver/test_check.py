"""Every mistake of a solver text: the field's place, what was given, what is allowed; all at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deepcae.check.findings import examine
from deepcae.errors import SpecError
from deepcae.proto.read import read_solver_text
from deepcae.solver.check import check_solver
from deepcae.solver.solver import Solver
from reference import reference_dir
from solver.tiny import write_training

GOOD = 'net: "net.prototxt"\nbase_lr: 0.1\nlr_policy: "fixed"\nmax_iter: 10\n'


def _complaints(text: str) -> list[str]:
    document = read_solver_text(text, "s.prototxt")
    return [str(problem) for problem in check_solver(document)]


def test_a_good_text_has_no_problem() -> None:
    assert _complaints(GOOD) == []
    assert _complaints(GOOD + "test_iter: 5 test_interval: 10 momentum: 0.9 weight_decay: 0.1 iter_size: 2") == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("base_lr: -1", "base_lr is -1; it must be at least 0 and finite"),
        ("base_lr: nan", "base_lr is nan; it must be at least 0 and finite"),
        ("base_lr: inf", "base_lr is inf; it must be at least 0 and finite"),
        ("max_iter: -5", "max_iter is -5; it must be at least 0 and finite"),
        ("iter_size: 0", "iter_size is 0; it must be at least 1 and finite"),
        ("average_loss: 0", "average_loss is 0; it must be at least 1 and finite"),
        ("display: -1", "display is -1; it must be at least 0 and finite"),
        ("snapshot: -1", "snapshot is -1; it must be at least 0 and finite"),
        ("weight_decay: -0.1", "weight_decay is -0.1; it must be at least 0 and finite"),
        ("momentum: 1", "momentum is 1; it must be at least 0 and less than 1"),
        ("momentum: -0.5", "momentum is -0.5; it must be at least 0 and less than 1"),
        ("momentum2: 1.5", "momentum2 is 1.5; it must be at least 0 and less than 1"),
        ("rms_decay: 1", "rms_decay is 1; it must be at least 0 and less than 1"),
        ("delta: -1", "delta is -1; it must be at least 0 and finite"),
        ("regularization_type: 'L3'", "regularization_type is 'L3'; it must be L2 or L1"),
        (
            "type: 'AdamW'",
            "type 'AdamW' is unknown; it must be one of SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam, Muon; "
            "did you mean 'Adam'?",
        ),
        (
            "train_net: 'x'",
            "both net and train_net name the train net; give one of net, net_param, train_net, train_net_param",
        ),
        ("test_net: 'x' test_interval: 5", "test_iter is given 0 time(s) for 1 test net(s): once for each"),
        (
            "test_state {} test_state {} test_iter: 1 test_interval: 5",
            "test_state is given 2 time(s) for 1 test net(s): once for each",
        ),
    ],
)
def test_one_mistake(line: str, sentence: str) -> None:
    field = line.split(":")[0].split(" ")[0]
    text = "".join(good + "\n" for good in GOOD.splitlines() if not good.startswith(field + ":")) + line + "\n"
    number = text.splitlines().index(line) + 1
    (complaint,) = _complaints(text)
    place, said = complaint.split(": ", 1)
    assert said == sentence
    assert place.startswith(f"s.prototxt:{number}:") or place == "s.prototxt:1:1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD.replace("base_lr: 0.1", ""), "base_lr is missing; it has no default"),
        (
            GOOD.replace('lr_policy: "fixed"', ""),
            "lr_policy is missing; it must be one of fixed, step, exp, inv, multistep, poly, sigmoid",
        ),
        (
            GOOD.replace('net: "net.prototxt"', ""),
            "no train net: give one of net, net_param, train_net, train_net_param",
        ),
        (GOOD + "test_iter: 3 test_interval: 0", "test_interval is 0; it must be greater than 0 for 1 test net(s)"),
        (GOOD + "test_iter: 3", "test_interval is missing; it must be greater than 0 for 1 test net(s)"),
        (
            GOOD.replace("net:", "train_net:") + "test_iter: 3 test_interval: 1",
            "test_iter is given 1 time(s) for 0 test net(s): once for each",
        ),
        (GOOD.replace('"fixed"', '"step" stepsize: 5 gamma: -1'), "gamma is -1, but lr_policy 'step' needs gamma >= 0"),
        (GOOD.replace('"fixed"', '"step" gamma: 0.1'), "stepsize is 0, but lr_policy 'step' needs stepsize > 0"),
    ],
)
def test_one_thing_that_is_missing_or_unfit(text: str, sentence: str) -> None:
    (complaint,) = _complaints(text)
    assert complaint.split(": ", 1)[1] == sentence


@pytest.mark.parametrize("rule", ["AdaGrad", "RMSProp"])
def test_momentum_where_there_is_none(rule: str) -> None:
    assert _complaints(GOOD + f'type: "{rule}"\nmomentum: 0.9') == [
        f"s.prototxt:6:1: momentum is 0.9, but {rule} has none: it must be 0 or absent"
    ]


def test_all_mistakes_at_once_in_the_texts_order() -> None:
    text = 'net: "n"\nmomentum: 2\nlr_policy: "stepp"\nbase_lr: -1\nmax_iter: 1\ntype: "sgd"\ntest_iter: 0\n'
    lines = [complaint.split(":")[1] for complaint in _complaints(text)]
    assert lines == ["1", "2", "3", "4", "6", "7"]


def test_stepping_needs_no_max_iter() -> None:
    assert _complaints(GOOD.replace("max_iter: 10", "")) == []


def test_a_solver_with_mistakes_in_all_its_texts_tells_them_all(tmp_path: Path) -> None:
    solver = write_training(tmp_path, extra="clip_gradients: 1")
    net = (tmp_path / "net.prototxt").read_text().replace("num_output: 6", "num_output: 7")
    (tmp_path / "net.prototxt").write_text(net)
    with pytest.raises(SpecError) as caught:
        Solver(solver, overrides="momentum: 3")
    files = {str(problem.place).split(":")[0] for problem in caught.value.problems}
    assert files == {"--set", str(tmp_path / "net.prototxt")}


def test_a_missing_net_is_placed_in_the_solver_text(tmp_path: Path) -> None:
    solver = write_training(tmp_path)
    (tmp_path / "net.prototxt").unlink()
    with pytest.raises(SpecError) as caught:
        Solver(solver)
    wanted = f"{solver}:2:1: net: no such file 'net.prototxt' (looked in the working directory and {tmp_path})"
    assert str(caught.value) == wanted


CASES = [
    case for case in json.loads(reference_dir("fatal.json").read_text())["cases"] if case["name"].startswith("solver_")
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_caffe_refuses_is_refused(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it takes is taken, though an odd thing (test_interval without test_iter, no max_iter)."""
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(case["net"])
    Path("solver.prototxt").write_text(case["solver"])
    if case["outcome"] == "accepted":
        Solver("solver.prototxt").step(1)
    else:
        with pytest.raises(SpecError):
            Solver("solver.prototxt").step(1)


def test_checking_loads_no_torch() -> None:
    code = (
        "import sys\nfrom deepcae.solver.check import check_solver\nfrom deepcae.solver.nets import choose_nets\n"
        "from deepcae.proto.read import read_solver_text\ncheck_solver(read_solver_text('base_lr: 1'))\n"
        "print([name for name in ('torch', 'numpy', 'h5py') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


NAMES = {"fc/1": r"the layer name 'fc/1' is none in HDF5", "loss": r"2 layers are named 'loss', which HDF5 cannot hold"}


@pytest.mark.parametrize("name", NAMES)
def test_layer_names_that_hdf5_cannot_hold_are_told_before_training(name: str, tmp_path: Path) -> None:
    solver = write_training(tmp_path, extra="snapshot_format: HDF5\n")
    net = (
        (tmp_path / "net.prototxt")
        .read_text()
        .replace('name: "drop"' if name == "loss" else 'name: "fc1"', f'name: "{name}"')
    )
    (tmp_path / "net.prototxt").write_text(net)
    number = len(solver.read_text().splitlines())
    with pytest.raises(SpecError, match=rf"^\S*solver.prototxt:{number}:1: {NAMES[name]}.*BINARYPROTO$"):
        Solver(solver)
    findings = examine(solver)
    assert [problem.place and problem.place.line for problem in findings.problems] == [number]
    Solver(solver, overrides="snapshot_format: BINARYPROTO")
