"""Networks past the paper's: mirror images of themselves, of any width, measured by the paper's loss; they train."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepcae import zoo
from deepcae.cli import main
from deepcae.data.datasets import write_digits
from deepcae.errors import SpecError
from deepcae.net.graph import build_graph
from deepcae.net.plan import Plan, make_plan
from deepcae.net.summary import summarize
from deepcae.proto.read import read_net_text
from deepcae.solver.solver import Solver
from deepcae.zoo import best


def plan_of(dims: int, width: float | None = None, phase: str = "TRAIN") -> Plan:
    graph = build_graph(read_net_text(zoo.build("best", dims, width=width).net_text), phase)
    return make_plan(graph, source_shapes=lambda layer, *_: [(100, 1, 28, 28)])


@pytest.mark.parametrize("width", [None, 0.1, 0.5, 3])
@pytest.mark.parametrize("dims", [1, 2, 10, 30, 100])
def test_decodes_by_the_encoder_s_mirror_image(dims: int, width: float | None) -> None:
    summary = summarize(plan_of(dims, width))
    sizes = [elements for _, elements in summary.hidden]
    assert sizes == sizes[::-1]
    assert summary.code == "ip3encode"
    assert sizes[len(sizes) // 2] == dims


def test_is_measured_by_the_paper_s_euclidean_loss() -> None:
    plan = plan_of(10, phase="TEST")
    (loss,) = plan.outputs
    step = next(step for step in plan.steps if loss in step.tops)
    assert (loss, step.type, step.bottoms[0]) == ("l2_error", "EuclideanLoss", "deconv1neursig")
    assert plan.shapes["deconv1neursig"] == (100, 1, 28, 28)


def test_width_scales_the_maps_alone() -> None:
    for width in (0.5, 1, 3):
        shapes = plan_of(10, width).shapes
        assert [shapes[name][1] for name in ("conv1", "conv2")] == [round(width * maps) for maps in best.MAPS]
        assert [shapes[name][1] for name in ("ip1encode", "ip2encode")] == [best.WIDE, best.NARROW]
    assert plan_of(30).shapes == plan_of(30, best.default_width(30)).shapes


@pytest.mark.parametrize("width", [0, -1, float("nan"), float("inf")])
def test_refuses_a_width_that_is_none(width: float) -> None:
    with pytest.raises(SpecError, match="width"):
        zoo.build("best", 10, width=width)


def test_trains_and_is_accepted_by_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_digits(tmp_path / "data")
    model = zoo.build("best", 5, tmp_path / "data/train.txt", tmp_path / "data/test.txt", folder=tmp_path / "net")
    net, solver = zoo.write(model, tmp_path / "net")
    assert main(["check", str(net)]) == 0
    assert "net is fine" in capsys.readouterr().out
    training = Solver(solver, overrides="random_seed: 1 snapshot: 0")
    before = training.test().outputs["l2_error"]
    training.step(40)
    assert training.test().outputs["l2_error"] < 0.5 * before


def test_few_numbers_are_laid_out_under_noise_that_fades(tmp_path: Path) -> None:
    write_digits(tmp_path / "data")
    model = zoo.build("best", 2, tmp_path / "data/train.txt", tmp_path / "data/test.txt", folder=tmp_path / "net")
    _, solver = zoo.write(model, tmp_path / "net")
    training = Solver(solver, overrides="random_seed: 1 snapshot: 0 base_lr: 0.003")
    (amplitude,) = training.net.params["amplitude"]
    assert amplitude.item() == 1
    training.step(30)
    early = amplitude.item()
    training.step(50)
    assert 0 < amplitude.item() < early < 0.995
    assert amplitude.item() < 0.975
    for dims, phase, noisy in (
        (2, "TRAIN", True),
        (best.FEW_DIMS, "TRAIN", True),
        (2, "TEST", False),
        (10, "TRAIN", False),
    ):
        plan = plan_of(dims, phase=phase)
        assert ("DummyData" in {step.type for step in plan.steps}) is noisy
        assert ("energy" in plan.outputs) is noisy
