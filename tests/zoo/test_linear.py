"""A designed net starts as PCA: its components against scikit-learn's, its first test, its texts for any shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from sklearn.decomposition import PCA

from deepcae import Solver, zoo
from deepcae.check.findings import examine
from deepcae.cli import main
from deepcae.codes import principal as pca
from deepcae.data import open_rows
from deepcae.data.scaling import Scaling
from deepcae.errors import DataError, SpecError
from deepcae.net.net import Net
from deepcae.net.roles import roles_of
from deepcae.proto.read import read_net, read_solver
from deepcae.solver.records import Test
from deepcae.solver.run import Run
from deepcae.zoo.designed import build_design

Array = np.ndarray[Any, Any]
SHAPES = [(1, 28, 28), (3, 64, 64), (1, 100, 75), (2, 33, 47), (3, 120, 80), (48,), (1, 1, 48), (1, 5, 7), (1, 1, 6)]


def images(count: int, shape: tuple[int, ...], seed: int = 0, patterns: int = 9) -> Array:
    """Sums of some patterns, of falling strength, and noise, about 0..1; float32."""
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(99).standard_normal((patterns, prod(shape)))
    flat = 0.5 + 0.1 * (rng.standard_normal((count, patterns)) / np.arange(1, patterns + 1)) @ basis
    made: Array = (flat + 0.02 * rng.standard_normal(flat.shape)).reshape(count, *shape)
    return made.astype(np.float32)


def store(folder: Path, train: Array, test: Array) -> tuple[Path, Path]:
    for name, rows in (("train", train), ("test", test)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"] = rows
        (folder / f"{name}.txt").write_text(f"{name}.h5\n")
    return folder / "train.txt", folder / "test.txt"


def error_of_pca(train: Array, test: Array, dims: int) -> float:
    """Half the squared error per test image, by scikit-learn."""
    flat = test.reshape(len(test), -1)
    fitted = PCA(dims, svd_solver="full").fit(train.reshape(len(train), -1).astype(float))
    return float(0.5 * np.square(flat - fitted.inverse_transform(fitted.transform(flat))).sum() / len(flat))


def losses(folder: Path, settings: str = "max_iter: 1 test_interval: 2") -> dict[int, float]:
    overrides = f"{settings} random_seed: 1 snapshot: 0 snapshot_after_train: false snapshot_best: false"
    solver = Solver(str(folder / "solver.prototxt"), overrides=overrides)
    return {record.iteration: record.loss for record in solver.solve() if isinstance(record, Test)}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_net_is_pca_before_its_first_update_and_restores_every_shape(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    train, test = images(60, shape), images(23, shape, seed=1)
    dims = min(6, prod(shape) - 1)
    model = build_design(shape, dims, *store(tmp_path, train, test), folder=tmp_path, width=0.5)
    texts = zoo.write(model, tmp_path)
    for path in texts:
        assert (examine(path).problems, examine(path).warnings) == ([], [])
    assert losses(tmp_path)[0] == pytest.approx(error_of_pca(train, test, dims), rel=1e-4)
    net = Net(read_net(texts[0]), seed=3, weights=tmp_path / "start.caffemodel", input_shapes={"data": test.shape})
    roles = roles_of(net.plan)
    assert (roles.code, roles.restored) == ("code", "restored")
    blobs = net(data=test, want=["code", "restored"])
    flat = train.reshape(len(train), -1).astype(float)
    fitted = PCA(dims, svd_solver="full").fit(flat)
    codes, restored = fitted.transform(test.reshape(len(test), -1)), blobs["restored"].detach().numpy()
    assert restored.shape == test.shape
    expected = fitted.inverse_transform(codes).reshape(test.shape)
    np.testing.assert_allclose(restored, expected, atol=2e-5)
    scale = 1 / np.sqrt(fitted.transform(flat).var(axis=0).mean())  # one for all: distances stay PCA's
    np.testing.assert_allclose(np.abs(blobs["code"].detach().numpy()), np.abs(codes * scale), atol=1e-3)


@pytest.mark.parametrize("kind", ["patterns", "noise", "curved"])
def test_what_is_kept_is_never_worse_than_pca(kind: str, tmp_path: Path) -> None:
    """As a new user trains, in fewer iterations: sums of patterns (PCA is best), noise (nothing to learn), a curve."""
    rng = np.random.default_rng(3)
    if kind == "curved":
        places = rng.random((400, 1))
        rows = np.exp(-((np.arange(100) / 100 - places) ** 2) * 200).reshape(-1, 1, 10, 10).astype(np.float32)
    else:
        rows = images(400, (1, 10, 10)) if kind == "patterns" else rng.random((400, 1, 10, 10), np.float32)
    train, test = rows[:300], rows[300:]
    model = build_design((1, 10, 10), 4, *store(tmp_path, train, test), folder=tmp_path)
    _, solver = zoo.write(model, tmp_path)
    settings = "max_iter: 120 test_interval: 10 random_seed: 1"
    list(Solver(str(solver), out=str(tmp_path / "run"), overrides=settings).solve())
    expected = error_of_pca(train, test, 4)
    trained = Run(tmp_path / "run")
    net = trained.net(snapshot="best")
    restored = net(data=test, want=["restored"])["restored"].detach().numpy()
    reached = 0.5 * float(np.square(restored - test).sum()) / len(test)
    assert reached <= expected * (0.8 if kind == "curved" else 1.0001)
    if kind == "noise":
        assert trained.choose("best").iteration == 0, "PCA itself is kept"


def in_blocks(rows: Array, size: int) -> pca.Blocks:
    def read() -> Iterator[Array]:
        yield from (rows[start : start + size] for start in range(0, len(rows), size))

    return read


@pytest.fixture(params=["products of images", "iteration"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How components of large images are found."""
    if request.param == "iteration":
        monkeypatch.setattr(pca, "FEW", 0)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("size", "block"), [(50, 7), (50, 1000), (1500, 33)])
def test_components_are_those_of_scikit_learn_whatever_the_blocks(size: int, block: int) -> None:
    rows = images(90, (size,), patterns=20)
    found = pca.principal(in_blocks(rows, block), 8)
    fitted = PCA(8, svd_solver="full").fit(rows.astype(float))
    np.testing.assert_allclose(found.mean, fitted.mean_, atol=1e-6)
    np.testing.assert_allclose(found.variances, fitted.explained_variance_ * 89 / 90, rtol=1e-3)
    np.testing.assert_allclose(np.abs(np.sum(found.components * fitted.components_, axis=1)), 1, atol=1e-3)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(8), atol=1e-4)
    assert found.spread == pytest.approx(np.square(rows - rows.mean(0)).sum() / 90, rel=1e-4)
    others = images(40, (size,), seed=5, patterns=20)
    assert found.error(others) == pytest.approx(error_of_pca(rows, others, 8), rel=1e-4)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("size", [30, 1200])
def test_noise_without_any_gap_between_its_variances_is_restored_as_well(size: int) -> None:
    rng = np.random.default_rng(0)
    rows, others = rng.random((300, size), np.float32), rng.random((100, size), np.float32)
    found = pca.principal(in_blocks(rows, 64), 5)
    assert found.error(rows) == pytest.approx(error_of_pca(rows, rows, 5), rel=1e-3)
    assert found.error(others) == pytest.approx(error_of_pca(rows, others, 5), rel=5e-3)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("size", [20, 1100])
def test_more_components_than_images_hold_are_zeros(size: int) -> None:
    rows = images(4, (size,))
    found = pca.principal(in_blocks(rows, 3), 6)
    assert (found.variances[:3] > 0).all()
    assert not found.variances[3:].any()
    assert not found.components[3:].any()
    assert found.error(rows) < 1e-5
    assert pca.principal(in_blocks(rows[:1], 3), 2).error(rows[:1]) < 1e-9


def test_components_of_few_images_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pca, "BLOCK", 9000)
    rows = np.random.default_rng(0).random((60, 5000), np.float32)
    found = pca.principal(in_blocks(rows, 7), 20)
    exact = np.linalg.svd(rows - rows.mean(0, dtype=float), full_matrices=False)
    np.testing.assert_allclose(found.variances, exact[1][:20] ** 2 / 60, rtol=1e-5)
    np.testing.assert_allclose(np.abs((found.components * exact[2][:20]).sum(1)), 1, atol=1e-4)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(20), atol=1e-5)


def test_large_sets_are_sampled_in_stretches_over_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(1000, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    monkeypatch.setattr(pca, "SAMPLE", 400)
    monkeypatch.setattr(pca, "PER_COMPONENT", 5)
    seen = np.concatenate(list(pca.blocks_of(open_rows(rows), None, 2)()))[:, 0]
    assert len(seen) == len(set(seen.tolist())) == 100
    assert (seen.min(), seen.max()) == (0, 999)
    assert np.histogram(seen, 10)[0].min() >= 6
    assert len(np.concatenate(list(pca.blocks_of(open_rows(rows), None, 30)()))) == 150, "enough for its components"


def test_values_that_are_not_finite_are_told(tmp_path: Path) -> None:
    train = images(20, (1, 8, 8))
    train[13, 0, 2, 2] = np.nan
    with pytest.raises(DataError, match=r"\.h5: dataset 'data': image 13 holds values that are not finite"):
        build_design((1, 8, 8), 2, *store(tmp_path, train, train), folder=tmp_path)


def test_a_design_names_the_file_and_the_image_that_holds_nan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    train = images(20, (1, 8, 8))
    np.save("first.npy", train)
    train[13, 0, 2, 2] = np.nan
    np.save("second.npy", train)
    Path("both.txt").write_text("first.npy\nsecond.npy\n")
    Path("pictures").mkdir()
    for number, image in enumerate(train[:, 0]):
        tifffile.imwrite(f"pictures/p{number}.tif", image)
    for scale in ([], ["--scale", "1"]):
        for data, told in (("both.txt", "second.npy: image 13 holds"), ("pictures", "pictures/p13.tif holds")):
            assert main(["zoo", "design", "--dims", "2", "--data", data, data, "-o", "m", *scale]) == 2
            assert capsys.readouterr().err.startswith(f"error: {told} values that are not finite")


def test_rows_may_come_from_memory_and_be_scaled(tmp_path: Path) -> None:
    """As an estimator gives them: no file is read, the text scales what is stored."""
    shown = images(70, (2, 9, 8))
    stored = np.clip(shown * 1000 + 300, 0, 65535).astype(np.uint16)
    scaling = Scaling(300, 1e-3)
    model = build_design((2, 9, 8), 3, images=open_rows(stored), num_test=20, scaling=scaling, mirror=False)
    lists = store(tmp_path, stored, stored[:20])
    same = build_design((2, 9, 8), 3, *lists, folder=tmp_path, scaling=scaling, mirror=False)
    assert model.start == same.start
    assert "transform_param { mean_value: 300 scale: 0.001 }" in same.net_text
    zoo.write(same, tmp_path)
    assert losses(tmp_path)[0] == pytest.approx(
        error_of_pca(scaling.shown(stored), scaling.shown(stored[:20]), 3), 1e-4
    )


def design(tmp_path: Path, *words: str) -> int:
    return main(["zoo", "design", "--dims", "3", *words, "-o", str(tmp_path / "m")])


def test_data_files_are_taken_and_the_size_is_theirs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = (images(50, (2, 12, 10)) * 255).clip(0, 255).astype(np.uint8)
    np.save(tmp_path / "a.npy", train)
    np.save(tmp_path / "b.npy", train[:30])
    data = ["--data", str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]
    assert design(tmp_path, *data, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["input"], answer["images"], answer["starts_as_pca"]) == ([2, 12, 10], 50, True)
    assert answer["scaling"]["scale"] == pytest.approx(1 / 255)
    assert (tmp_path / "m" / "train.txt").read_text() == "../a.npy\n"
    assert list(read_solver(tmp_path / "m" / "solver.prototxt").message.weights) == ["start.caffemodel"]
    expected = error_of_pca(train / 255, train[:30] / 255, 3)
    assert losses(tmp_path / "m")[0] == pytest.approx(expected, rel=1e-4)
    assert design(tmp_path, *data) == 0
    out = capsys.readouterr().out
    assert "value * 0.003921569: 8 bits: 0 and 255 become 0 and 1" in out
    assert design(tmp_path, *data, "--scale", "0.5", "--mean-value", "3") == 0
    assert "mean_value: 3 scale: 0.5" in (tmp_path / "m" / "net.prototxt").read_text()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((12, 10, 3), "channels come last: store numpy.moveaxis(data, -1, 1)"),
        ((12, 10), "the channel axis is missing: store data[:, None]"),
    ],
)
def test_other_layouts_are_refused_without_an_input_too(
    shape: tuple[int, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = store(tmp_path, images(20, shape), images(9, shape))
    assert design(tmp_path, "--data", *map(str, lists)) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_a_list_is_needed_where_none_can_be_written(tmp_path: Path) -> None:
    np.save(tmp_path / "odd name.npy", images(20, (5,)))
    for folder, why in ((None, "is no list file, and no folder for one"), (tmp_path, "and names with blanks")):
        with pytest.raises(DataError, match=why):
            build_design((5,), 2, tmp_path / "odd name.npy", folder=folder)


def test_without_images_the_texts_are_there_and_what_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert design(tmp_path, "--input", "12x10") == 0
    out = capsys.readouterr().out
    assert "start.caffemodel is made of the training images: give the same command again when they are there" in out
    assert not (tmp_path / "m" / "start.caffemodel").exists()
    store(tmp_path / "m", images(40, (1, 12, 10)), images(20, (1, 12, 10)))
    assert design(tmp_path, "--input", "12x10") == 0
    assert "start.caffemodel" not in capsys.readouterr().out
    assert losses(tmp_path / "m")[0] > 0
    command = ["train", "--solver", str(tmp_path / "m" / "solver.prototxt"), "--out", str(tmp_path / "run")]
    (tmp_path / "m" / "start.caffemodel").unlink()
    assert main(command) == 2
    err = capsys.readouterr().err
    assert "start.caffemodel" in err
    assert err.count("\n") == 1


def turned(tmp_path: Path, rows: Array) -> tuple[str, ...]:
    return build_design(rows.shape[1:], 2, *store(tmp_path, rows, rows[:20]), folder=tmp_path).turns


def test_images_are_turned_where_that_means_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    places = rng.integers(0, 30, (1000, 2))
    y, x = np.mgrid[:30, :30]
    spots = np.exp(-((y - places[:, :1, None]) ** 2 + (x - places[:, 1:, None]) ** 2) / 20)[:, None].astype("f4")
    model = build_design((1, 30, 30), 2, *store(tmp_path, spots, spots[:20]), folder=tmp_path)
    assert model.turns == ("mirror", "flip", "transpose")
    train, test = (layer.transform_param for layer in read_net(zoo.write(model, tmp_path)[0]).message.layer[:2])
    assert (train.mirror, train.flip, train.turn, train.transpose) == (True, True, False, True)
    assert not any((test.mirror, test.flip, test.turn, test.transpose))
    assert turned(tmp_path, spots[..., 2:-2]) == ("mirror", "flip"), "not square"
    down, across = (y - 14.5) / 30, (x - 14.5) / 30
    for scene, wanted in (
        (across, ("flip",)),
        (down, ("mirror",)),
        (down + across, ("transpose",)),
        (down - 2 * across, ()),
        ((down - across) / 10, ("mirror",)),  # a little of both: each by itself is hardly seen
        (np.cos(9 * (down + across)), ("turn", "transpose")),
        (np.cos(9 * (down + 2 * across)), ("turn",)),
    ):
        assert turned(tmp_path, (spots + scene).astype("f4")) == wanted
    assert turned(tmp_path, spots[:30]) == (), "too few to tell"
    assert build_design((1, 30, 30), 2, images=open_rows(spots)).turns == (), "no test images"
    assert build_design((1, 30, 30), 2, images=open_rows(spots), num_test=9).turns == model.turns
    assert turned(tmp_path, rng.random((300, 12), np.float32)) == (), "rows"


def test_it_asks_for_sizes_that_can_be() -> None:
    with pytest.raises(SpecError, match=r"dims is 49, but must be less than the 48 values of an image of 48"):
        build_design((48,), 49)
    with pytest.raises(
        DataError, match=r"the training images are \(N, 8, 8, 3\), the design is for \(N, 3, 8, 8\): ch"
    ):
        build_design((3, 8, 8), 4, images=open_rows(np.zeros((9, 8, 8, 3), np.float32)))
