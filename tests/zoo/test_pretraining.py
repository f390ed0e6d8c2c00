"""Pre-training by text: encoders arrive by name, stay where they shall, noise comes where it shall, and losses fall."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepcae import zoo
from deepcae.data.datasets import write_digits, write_subset
from deepcae.data.source import Feed
from deepcae.net.net import Net
from deepcae.net.weights import load_weights, save_weights
from deepcae.solver.records import Loaded, Record, Test
from deepcae.solver.solver import Solver

FEW = "display: 0 snapshot: 0 test_initialization: true snapshot_after_train: false"
ENCODER = ("conv1", "conv2", "ip1encode")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder)
    return folder


def written(name: str, folder: Path, data: Path, train: Path | None = None, dims: int = 5) -> Path:
    model = zoo.build(name, dims, train or data / "train.txt", data / "test.txt", batch=50, folder=folder)
    return zoo.write(model, folder)[1]


def trained(solver: Solver) -> tuple[list[Record], list[dict[str, Any]]]:
    """All records, and what the tests of the last test net gave."""
    records = list(solver.solve())
    last = len(solver.test_nets) - 1
    tests = [record for record in records if isinstance(record, Test) and record.net_index == last]
    return records, [dict(test.outputs) for test in tests]


def layer_values(net: Net, name: str) -> list[np.ndarray]:
    step = next(step for step in net.plan.steps if step.name == name)
    return [net.tensors[index].detach().numpy().copy() for index in step.params]


@pytest.fixture(scope="module")
def encoder(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a cae2, as random as it starts: what they are does not matter, only where they go."""
    folder = tmp_path_factory.mktemp("encoder")
    written("cae2", folder, digits)
    save_weights(Net(folder / "net.prototxt", "TRAIN", seed=11), folder / "cae2.caffemodel")
    return folder / "cae2.caffemodel"


@pytest.mark.parametrize("name", ["cae2-classifier", "cae2-classifier-frozen"])
def test_the_encoder_arrives_by_name_and_stays_only_where_it_is_frozen(
    name: str, digits: Path, encoder: Path, tmp_path: Path
) -> None:
    solver = Solver(written(name, tmp_path, digits), overrides=f"{FEW} max_iter: 3", weights=encoder, seed=1)
    before = {layer: layer_values(solver.net, layer) for layer in (*ENCODER, "classify")}
    source = Net(encoder.parent / "net.prototxt", "TRAIN", weights=encoder, seed=0)
    for layer in ENCODER:
        for mine, theirs in zip(before[layer], layer_values(source, layer), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    records, _ = trained(solver)
    report = str(next(record for record in records if isinstance(record, Loaded)))
    assert "classify" in report
    assert "ip2encode" in report
    moved = {
        layer: not all(map(np.array_equal, values, layer_values(solver.net, layer))) for layer, values in before.items()
    }
    assert moved == {**dict.fromkeys(ENCODER, name == "cae2-classifier"), "classify": True}


def test_the_load_report_tells_what_came_and_what_starts_anew(digits: Path, encoder: Path, tmp_path: Path) -> None:
    written("cae2-classifier", tmp_path, digits)
    report = load_weights(Net(tmp_path / "net.prototxt", "TRAIN", seed=0), encoder)
    assert report.matched == list(ENCODER)
    assert report.kept == ["classify"]
    assert set(report.ignored) == {"ip2encode", "ip1decode", "deconv2", "deconv1", "deconv1neur"}


def test_a_classifier_learns_a_hundred_labels(digits: Path, tmp_path: Path) -> None:
    write_subset(tmp_path / "few", 100, digits, seed=1)
    path = written("cae2-classifier", tmp_path, digits, tmp_path / "few" / "train.txt")
    _, tests = trained(Solver(path, overrides=f"{FEW} max_iter: 60 test_interval: 60", seed=1))
    assert tests[-1]["loss"] < 0.6 * tests[0]["loss"]
    assert tests[-1]["accuracy"] > 0.6 > 0.3 > tests[0]["accuracy"]


@pytest.mark.parametrize(
    ("phase", "stages", "spread"),
    [("TRAIN", (), 0.5), ("TEST", ("noisy",), 0.5), ("TEST", (), 0), ("TEST", ("clean",), 0)],
)
def test_noise_comes_in_training_and_where_the_stage_says_so(
    phase: str, stages: tuple[str, ...], spread: float, digits: Path, tmp_path: Path
) -> None:
    written("cae2-denoising", tmp_path, digits)
    net = Net(tmp_path / "net.prototxt", phase, stages=stages, seed=0)
    with Feed(net.sources, net.phase, [tmp_path], 3) as feed:
        noises = []
        for index in range(2):
            blobs = net(feed.batch(index), want=["data", "noisy", "l2_error", "deconv1neursig"])
            noises.append((blobs["noisy"] - blobs["data"]).detach().numpy())
            restored, clean = blobs["deconv1neursig"].detach().numpy(), blobs["data"].detach().numpy()
            half = np.square(restored - clean).sum() / (2 * len(clean))
            assert float(blobs["l2_error"]) == pytest.approx(half, rel=1e-5)  # compared with the image without noise
    assert np.std(noises) == pytest.approx(spread, rel=0.02, abs=1e-9)
    assert abs(np.mean(noises)) <= 0.01
    assert np.array_equal(noises[0], noises[1]) == (spread == 0)


def test_the_denoising_solver_tests_noisy_and_clean_images(digits: Path, tmp_path: Path) -> None:
    path = written("cae2-denoising", tmp_path, digits)
    settings = f"{FEW} max_iter: 60 test_interval: 60 base_lr: 0.003 momentum: 0.9"
    solver = Solver(path, overrides=settings, seed=1)
    records, _ = trained(solver)
    assert [("noise" in net.inputs) for net in solver.test_nets] == [True, False]
    losses = {(test.iteration, test.net_index): test.outputs["l2_error"] for test in records if isinstance(test, Test)}
    assert all(losses[60, net] < 0.7 * losses[0, net] for net in (0, 1))  # type: ignore[operator]


def test_each_stage_learns_on_what_the_one_before_left_as_it_is(digits: Path, tmp_path: Path) -> None:
    weights = None
    kept: dict[str, list[np.ndarray]] = {}
    for stage, learned in ((1, ["conv1"]), (2, ["conv2"]), (3, ["ip1encode", "ip2encode", "ip1decode"])):
        path = written(f"cae2-stage{stage}", tmp_path / str(stage), digits)
        solver = Solver(path, overrides=f"{FEW} max_iter: 20 test_interval: 20", seed=1, weights=weights)
        _, tests = trained(solver)
        assert tests[-1]["l2_error"] < tests[0]["l2_error"]
        for layer, values in kept.items():
            assert all(map(np.array_equal, values, layer_values(solver.net, layer))), layer
        kept |= {layer: layer_values(solver.net, layer) for layer in learned}
        weights = tmp_path / f"{stage}.caffemodel"
        save_weights(solver.net, weights)
    written("cae2", tmp_path / "all", digits)
    whole = Net(tmp_path / "all" / "net.prototxt", "TRAIN", seed=0)
    assert weights is not None
    assert load_weights(whole, weights).matched == list(kept)
    for layer, values in kept.items():
        assert all(map(np.array_equal, values, layer_values(whole, layer)))
