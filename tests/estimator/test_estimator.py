"""What `ConvAutoencoder` makes of arrays: layouts, units, sources, warm starts, interrupts, folders, pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from sklearn.datasets import load_digits

from deepcae import ConvAutoencoder, SnapshotError, Solver
from deepcae.atomic import remove_leftovers
from deepcae.data.stream import Stream
from deepcae.errors import DeepcaeWarning
from deepcae.estimator import training
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import SolverParameter

RANDOM = np.random.default_rng(6)
IMAGES = RANDOM.random((40, 2, 11, 13)).astype(np.float32)
IMAGES += np.linspace(0, 1, 40, dtype=np.float32)[:, None, None, None]


def estimator(**parameters: Any) -> ConvAutoencoder:
    return ConvAutoencoder(**{"n_components": 3, "max_iter": 2, "random_state": 0, **parameters})


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 64, 64), (1, 100, 75), (2, 33, 47), (3, 120, 80), (1, 7, 7), (5, 3, 40)]
)
def test_images_of_any_size_need_no_word(shape: tuple[int, ...]) -> None:
    X = np.random.default_rng(0).random((6, *shape), dtype=np.float32)
    fitted = estimator(max_iter=1, image_shape=shape).fit(X)
    assert fitted.inverse_transform(fitted.transform(X)).shape == X.shape


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "channels first": lambda x: x,
    "channels last": lambda x: np.moveaxis(x, 1, -1),
    "flat": lambda x: x.reshape(len(x), -1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_codes_and_comes_back(layout: str) -> None:
    X = LAYOUTS[layout](IMAGES)
    fitted = estimator(image_shape=(2, 11, 13)).fit(X)
    codes = fitted.transform(X)
    np.testing.assert_array_equal(codes, estimator().fit_transform(IMAGES))
    again, expected = fitted.inverse_transform(codes), estimator().fit(IMAGES).inverse_transform(codes)
    np.testing.assert_array_equal(again, LAYOUTS[layout](expected))


@pytest.mark.parametrize(("unit", "kind"), [(4095, np.uint16), (255, np.uint8), (1e-6, np.float64), (-3e5, np.float32)])
def test_units_are_undone(unit: float, kind: type) -> None:
    """12 bits in 16, bytes, volts: the net sees about 0..1, and images come back in the units that were given."""
    X = ((IMAGES / 2) * unit).astype(kind)
    fitted = estimator(max_iter=20).fit(X)
    shown = fitted.scaling_.shown(X)
    assert 0.4 < np.ptp(shown) < 2.5
    restored = fitted.inverse_transform(fitted.transform(X))
    assert np.abs(restored - X).mean() < 0.3 * abs(unit)
    assert abs(restored.mean() - X.mean()) < 0.05 * abs(unit)
    if fitted.scaling_.text:
        assert f"scale: {fitted.scaling_.text.split('scale: ')[1].split()[0]}" in fitted.net_text_


def of_h5py(folder: Path) -> Any:
    with h5py.File(folder / "x.h5", "w") as file:
        file["x"] = IMAGES
    return h5py.File(folder / "x.h5")["x"]


def of_zarr(folder: Path) -> Any:
    return zarr.array(IMAGES, chunks=(7, 2, 11, 13))


def memory_map(folder: Path) -> np.ndarray:
    np.save(folder / "x.npy", IMAGES)
    return np.load(folder / "x.npy", mmap_mode="r")


@pytest.mark.parametrize("source", [of_h5py, of_zarr, memory_map])
def test_arrays_on_disk_give_the_same_codes(source: Callable[[Path], Any], tmp_path: Path) -> None:
    X = source(tmp_path)
    np.testing.assert_array_equal(estimator().fit_transform(X), estimator().fit_transform(IMAGES))


class Sliced:
    """An array of which no more may be read at a time than is asked for."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        assert isinstance(rows, slice)
        self.most = max(self.most, len(self.array[rows]))
        return self.array[rows]


def test_what_is_large_is_never_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from deepcae.codes import principal
    from deepcae.data import kept
    from deepcae.estimator import given

    for room, name, value in (
        (kept, "MEMORY_LIMIT", 0),
        (kept, "BLOCK", 2**16),
        (given, "BLOCK", 2**16),
        (principal, "SAMPLE", 2**16),
        (principal, "BLOCK", 2**14),
    ):
        monkeypatch.setattr(room, name, value)
    array = np.random.default_rng(0).random((2000, 12, 12), dtype=np.float32)
    X = Sliced(array)
    codes = estimator(max_iter=1).fit_transform(X)
    assert codes.shape == (2000, 3)
    assert 0 < X.most < 600
    fitted = estimator(max_iter=1).fit(X)
    np.testing.assert_array_equal(fitted.transform(X)[700:705], fitted.transform(array[700:705]))


def test_what_is_not_finite_further_on_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from deepcae.estimator import given

    monkeypatch.setattr(given, "LOOKED_AT", 10 * 12 * 12 * 4)
    array = np.random.default_rng(0).random((2000, 12, 12), dtype=np.float32)
    array[1999] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        estimator(max_iter=5, validation_fraction=0).fit(Sliced(array))
    fitted = estimator(max_iter=1).fit(array[:100])
    with pytest.raises(ValueError, match="NaN"):
        fitted.transform(Sliced(array))


def test_codes_do_not_depend_on_the_images_beside() -> None:
    fitted = estimator().fit(IMAGES)
    codes = fitted.transform(IMAGES)
    for some in (slice(7, 8), slice(3, 20), slice(None, None, -1), [5, 2, 5]):
        np.testing.assert_array_equal(fitted.transform(IMAGES[some]), codes[some])
        np.testing.assert_array_equal(fitted.inverse_transform(codes[some]), fitted.inverse_transform(codes)[some])


def test_the_best_weights_are_kept_and_a_training_that_gets_no_better_ends() -> None:
    noise = np.random.default_rng(0).random((50, 9, 9))
    fitted = estimator(max_iter=120, n_iter_no_change=3, solver="base_lr: 0.01").fit(noise)
    losses = dict(fitted.held_out_losses_)
    assert fitted.best_iteration_ == min(losses, key=losses.__getitem__)
    assert fitted.n_iter_ < 120
    again = estimator(max_iter=120, n_iter_no_change=10**6, solver="base_lr: 0.01").fit(noise)
    assert again.n_iter_ == 120
    assert again.best_iteration_ == min(dict(again.held_out_losses_), key=dict(again.held_out_losses_).__getitem__)


def test_held_out_images_are_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[bool, set[float]] = {True: set(), False: set()}
    batch = Stream.batch

    def spied(self: Stream, index: int) -> Any:
        found = batch(self, index)
        seen[self.shuffle].update(np.round(found["data"][:, 0, 0, 0] * 1e3).tolist())
        return found

    monkeypatch.setattr(Stream, "batch", spied)
    X = np.arange(100)[:, None, None] * np.ones((1, 9, 9)) / 100
    estimator(validation_fraction=0.2, max_iter=3).fit(X)
    assert not seen[True] & seen[False]
    assert (len(seen[True]), len(seen[False])) == (80, 20)


def test_a_training_goes_on_with_partial_fit() -> None:
    places = np.linspace(0, 11, 40)[:, None, None]  # of a bump, which moves: PCA of 3 numbers lacks much
    moving = np.exp(-((np.arange(12)[None, None] - places) ** 2)) * np.ones((1, 9, 1))
    first = estimator().partial_fit(moving)
    before = first.score(moving)
    for _ in range(30):
        first.partial_fit(moving)
    assert first.score(moving) > before + 0.05
    assert first.n_steps_ == 31
    assert first._fit_.optimizer.iteration == 31
    assert any(blob.abs().max() > 0 for blob in first._fit_.optimizer.history)


def test_a_warm_start_goes_on_from_the_weights() -> None:
    digits = load_digits().images[:300]  # of which the network learns more than their PCA
    cold = estimator(n_components=2, max_iter=30).fit(digits)
    warm = estimator(n_components=2, max_iter=30, warm_start=True).fit(digits)
    np.testing.assert_array_equal(cold.transform(digits), warm.transform(digits))
    before = warm.held_out_losses_[0][1]
    warm.fit(digits)
    assert warm.held_out_losses_[0][1] < 0.95 * before
    warm.set_params(n_components=4)
    with pytest.raises(ValueError, match="n_components=4, but the last fit had 2"):
        warm.fit(digits)


def test_an_interrupt_leaves_what_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    see = training._Watch.see

    def interrupted(self: Any, record: Any) -> None:
        see(self, record)
        if record.iteration >= 30:
            raise KeyboardInterrupt

    monkeypatch.setattr(training._Watch, "see", interrupted)
    with pytest.warns(UserWarning, match="Training interrupted by user at iteration 31"):
        fitted = estimator(max_iter=400).fit(IMAGES)
    assert np.isfinite(fitted.transform(IMAGES)).all()
    assert fitted.n_iter_ < 400
    monkeypatch.setattr(training._Watch, "see", lambda self, record: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        estimator().fit(IMAGES)


def test_nothing_is_written_while_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    estimator().fit(IMAGES).transform(IMAGES)
    assert list(tmp_path.iterdir()) == []


TEXT = """name: "mine" layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 286 } } }
layer { name: "code" type: "InnerProduct" bottom: "data" top: "code"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "back" type: "InnerProduct" bottom: "code" top: "back"
  inner_product_param { num_output: 286 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "back" bottom: "data" top: "loss" }
"""


def test_networks_of_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(TEXT)
    kinds: list[Any] = [
        TEXT,
        tmp_path / "net.prototxt",
        str(tmp_path / "net.prototxt"),
        read_net_text(TEXT).message,
        lambda image, dims: TEXT.replace("num_output: 3", f"num_output: {dims}"),
    ]
    codes = [estimator(architecture=each).fit_transform(IMAGES) for each in kinds]
    for each in codes[1:]:
        np.testing.assert_array_equal(each, codes[0])
    digits = np.random.default_rng(0).random((20, 28, 28))
    assert estimator(architecture="cae1", max_iter=1, n_components=2).fit_transform(digits).shape == (20, 2)
    assert estimator(architecture="classic-300", max_iter=1, n_components=5).fit(digits).transform(digits).shape == (
        20,
        5,
    )


def test_a_solver_text_is_laid_over() -> None:
    fitted = estimator(solver="base_lr: 0.007 type: 'SGD' momentum: 0.5", max_iter=None)
    fitted.set_params(solver=SolverParameter(base_lr=0.007, max_iter=7)).fit(IMAGES)
    assert fitted.n_steps_ <= 7
    assert "base_lr: 0.007" in fitted.solver_text_


def test_a_folder_gives_it_back(tmp_path: Path) -> None:
    fitted = estimator(image_shape=(2, 11, 13), warm_start=True).fit(IMAGES * 4095)
    folder = tmp_path / "mine"
    fitted.save(folder)
    names = {"estimator.json", "net.prototxt", "solver.prototxt", "weights.safetensors", "optimizer.safetensors"}
    assert {path.name for path in folder.iterdir()} == names
    again = ConvAutoencoder.load(folder)
    codes = fitted.transform(IMAGES)
    np.testing.assert_array_equal(again.transform(IMAGES), codes)
    np.testing.assert_array_equal(again.inverse_transform(codes), fitted.inverse_transform(codes))
    assert again.get_params() == fitted.get_params()
    assert (again.n_iter_, again.losses_, again.held_out_losses_) == (
        fitted.n_iter_,
        fitted.losses_,
        fitted.held_out_losses_,
    )
    other = fitted.partial_fit(IMAGES * 4095).transform(IMAGES)
    np.testing.assert_array_equal(again.partial_fit(IMAGES * 4095).transform(IMAGES), other)
    with pytest.raises(ValueError, match="holds an estimator already; give another name, or save"):
        again.save(folder)
    np.testing.assert_array_equal(ConvAutoencoder.load(folder).transform(IMAGES), codes)
    again.save(folder, overwrite=True)
    np.testing.assert_array_equal(ConvAutoencoder.load(folder).transform(IMAGES), other)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_of_a_network_that_a_function_made(tmp_path: Path) -> None:
    fitted = estimator(architecture=lambda image, dims: TEXT, random_state=np.random.RandomState(3)).fit(IMAGES)
    fitted.save(tmp_path / "mine")
    again = ConvAutoencoder.load(tmp_path / "mine")
    np.testing.assert_array_equal(again.transform(IMAGES), fitted.transform(IMAGES))
    np.testing.assert_array_equal(again.fit(IMAGES).transform(IMAGES).shape, (40, 3))


def test_the_texts_are_ready_for_the_command_line(tmp_path: Path) -> None:
    fitted = estimator().fit(IMAGES)
    fitted.save(tmp_path / "mine")
    net = Net(tmp_path / "mine" / "net.prototxt", "TEST", weights=tmp_path / "mine" / "weights.safetensors")
    codes = net(data=fitted.scaling_.shown(IMAGES), want=["code"])["code"].numpy()
    np.testing.assert_allclose(codes, fitted.transform(IMAGES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("damage", ["none", "foreign", "later", "record", "weights", "missing"])
def test_a_folder_that_is_none_is_told(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    estimator(max_iter=1).fit(IMAGES).save(folder)
    record = json.loads((folder / "estimator.json").read_text())
    if damage == "none":
        folder = tmp_path / "other"
    elif damage == "foreign":
        (folder / "estimator.json").write_text("{}")
    elif damage == "later":
        (folder / "estimator.json").write_text(json.dumps({**record, "format": 99}))
    elif damage == "record":
        del record["axes"]
        (folder / "estimator.json").write_text(json.dumps(record))
    elif damage == "weights":
        whole = (folder / "weights.safetensors").read_bytes()
        (folder / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    else:
        (folder / "optimizer.safetensors").unlink()
    with pytest.raises(SnapshotError) as caught:
        ConvAutoencoder.load(folder)
    assert isinstance(caught.value, ValueError)


def test_nothing_foreign_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(ValueError, match="is no folder that save has made"):
        estimator(max_iter=1).fit(IMAGES).save(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"


@pytest.mark.parametrize(
    "told", [[1], {"format": "1"}, {"parameters": [1]}, {"axes": []}, {"scaling": None}, {"tests": 1}, {"n_iter": "x"}]
)
def test_a_record_may_hold_anything(told: Any, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    estimator(max_iter=1).fit(IMAGES).save(folder)
    record = json.loads((folder / "estimator.json").read_text())
    (folder / "estimator.json").write_text(json.dumps({**record, **told} if isinstance(told, dict) else told))
    with pytest.raises(SnapshotError, match=r"damaged|was not written by"):
        ConvAutoencoder.load(folder)
    (folder / "estimator.json").write_text("[" * 100_000)
    with pytest.raises(SnapshotError, match="damaged"):
        ConvAutoencoder.load(folder)


def test_what_somebody_put_beside_an_estimator_outlives_its_replacement(tmp_path: Path) -> None:
    fitted = estimator(max_iter=1).fit(IMAGES)
    fitted.save(tmp_path / "mine")
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.warns(DeepcaeWarning, match="held more than save had written; it is kept as .*mine~"):
        fitted.save(tmp_path / "mine", overwrite=True)
    assert [path.name for path in (tmp_path / "mine~").iterdir()] == ["thesis.txt"]
    ConvAutoencoder.load(tmp_path / "mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    fitted.save(tmp_path / "link", overwrite=True)
    assert not (tmp_path / "link").is_symlink()
    assert len(list((tmp_path / "mine").iterdir())) == 5


def test_an_estimator_outlives_a_process_that_ends_while_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = estimator(max_iter=1).fit(IMAGES)
    fitted.save(tmp_path / "mine")
    rename, target = os.rename, tmp_path / "mine"

    def killed(source: Any, destination: Any) -> None:
        if Path(destination) == target:
            raise KeyboardInterrupt
        rename(source, destination)

    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted.save(target, overwrite=True)
    monkeypatch.undo()
    monkeypatch.setattr("deepcae.atomic._is_alive", lambda process, start: False)
    remove_leftovers(tmp_path)
    (whole,) = tmp_path.iterdir()
    ConvAutoencoder.load(whole)


def test_pictures_and_blobs() -> None:
    fitted = estimator().fit(IMAGES)
    from matplotlib.figure import Figure

    for page in (
        fitted.plot_codes(IMAGES, np.arange(40) % 3),
        fitted.plot_codes(IMAGES, components=(2, 0)),
        fitted.plot_reconstructions(IMAGES, count=4),
        fitted.plot_losses(),
    ):
        assert isinstance(page, Figure)
    legend = page.axes[0].get_legend()
    told = [text.get_text() for text in legend.get_texts()]
    assert any(word.startswith(f"best test, iteration {fitted.best_iteration_}: ") for word in told)
    starts_as_pca = "linear_encode" in fitted.net_text_
    assert any(word.startswith("PCA, N = 3: ") for word in told) == starts_as_pca
    with pytest.raises(ValueError, match="numbers, from 0 on"):
        fitted.plot_codes(IMAGES, components=(0, 3))
    blobs = fitted.activations(IMAGES[:5])
    assert all(len(blob) == 5 for blob in blobs.values())
    np.testing.assert_array_equal(fitted.activations(IMAGES, "code")["code"], fitted.transform(IMAGES))
    restored = fitted.net_(data=fitted.scaling_.shown(IMAGES[:2]), want=[fitted._trained_.restored])
    assert next(iter(restored.values())).shape[0] == 2


def test_it_tells_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    estimator(verbose=True).fit(IMAGES)
    assert "iteration 2 of 2" in capsys.readouterr().out
    estimator().fit(IMAGES)
    assert capsys.readouterr().out == ""


def test_the_training_is_the_solvers(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Solver] = []
    begin = training._begin

    def spied(solver: Solver, task: Any) -> None:
        made.append(solver)
        begin(solver, task)

    monkeypatch.setattr(training, "_begin", spied)
    fitted = estimator().fit(IMAGES)
    assert made[0].iteration == 2
    assert made[0].seed == fitted._seed_
