"""From a run directory to its page: every section, and a page even where something is missing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.errors import DataError
from deepcae.page.html import Folded, Page, Picture, Section, Table, write
from deepcae.report.build import build, page
from deepcae.report.material import gather, samples
from deepcae.report.sections import tiles
from deepcae.report.shown import duration
from deepcae.solver.run import Run
from deepcae.solver.solver import Solver
from deepcae.trained.network import Trained
from deepcae.zoo import build as build_model
from deepcae.zoo import write as write_model

IMAGES = 40


def write_data(folder: Path) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for name in ("train", "test"):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"] = rng.random((IMAGES, 1, 28, 28), dtype=np.float32)
            file["label"] = np.arange(IMAGES, dtype=np.float32) % 4
        (folder / f"{name}.txt").write_text(f"{name}.h5\n")


def train(folder: Path, network: str, dims: int) -> Run:
    write_data(folder / "data")
    return trained_run(folder, network, dims)


def trained_run(folder: Path, network: str, dims: int) -> Run:
    model = build_model(
        network, dims, folder / "data/train.txt", folder / "data/test.txt", batch=20, folder=folder / "model"
    )
    write_model(model, folder / "model")
    settings = "max_iter: 4 display: 1 test_interval: 2 test_iter: 2 snapshot: 4 random_seed: 3"
    if network.startswith("classic"):
        settings = settings.replace("test_iter: 2", "test_iter: 2 test_iter: 2")
    solver = Solver(folder / "model/solver.prototxt", out=folder / "run", overrides=settings)
    for _ in solver.solve():
        pass
    return Run(folder / "run")


@pytest.fixture(scope="module")
def cae(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("cae"), "cae1", 2)


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("classic"), "classic-300", 3)


def section(found: Page, title: str) -> Section:
    return next(each for each in found.sections if each.title == title)


@pytest.fixture(scope="module")
def written(cae: Run) -> Path:
    """Its page."""
    return build(Trained.of_run(cae))


def test_the_page_of_a_run_holds_everything(cae: Run, written: Path) -> None:
    assert written == cae.folder / "report.html"
    text = written.read_text(encoding="utf-8")
    for words in (
        "cae1, N = 2",
        "4 iterations",
        "40 images",
        "ip2encode",
        "74,893",
        "Auto-encoder size: 3,996",
        "base_lr",
        "0.006",
    ):
        assert words in text
    headings = re.findall(r"<h2[^>]*>([^<]*)", text)
    assert headings == [
        "Codes", "What goes with each number of the code",
        "Images by code", "Reconstructions", "Losses", "Layer by layer", "Filters", "Network", "Run"
    ]  # fmt: skip
    assert str(cae.folder) not in text.split('<h2 id="s7">')[0]  # no path of this machine outside the run's texts
    assert "split" not in text.split("<details><summary>solver")[0]


NET_OF_ANY_SHAPE = """name: "any"
layer {{ name: "sig" type: "HDF5Data" top: "sig" hdf5_data_param {{ source: "{folder}/sig.txt" batch_size: 6 }} }}
{conv}
layer {{ name: "squeeze" type: "InnerProduct" bottom: "{bottom}" top: "few"
  inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "spread" type: "InnerProduct" bottom: "few" top: "many"
  inner_product_param {{ num_output: {count} weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "flat" type: "Flatten" bottom: "sig" top: "flat" }}
layer {{ name: "gap" type: "EuclideanLoss" bottom: "many" bottom: "flat" top: "gap" }}
"""
CONVOLUTION = """layer {{ name: "c" type: "Convolution" bottom: "sig" top: "c"
  convolution_param {{ num_output: 4 kernel_size: 3 pad: 1 weight_filler {{ type: "xavier" }} }} }}"""


@pytest.mark.parametrize(
    ("shape", "display"),
    [((2, 8, 8), 0), ((4, 7, 5), 1), ((3, 6, 6), 1), ((20,), 1), ((3,), 1), ((1, 1, 30), 1), ((2, 5, 4, 3), 1)],
)
def test_a_page_whatever_the_samples_are(shape: tuple[int, ...], display: int, tmp_path: Path) -> None:
    """Of a net whose restored samples are flat; one with maps where the samples have any."""
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "sig.h5", "w") as file:
        file["sig"] = rng.random((12, *shape), dtype=np.float32)
    (tmp_path / "sig.txt").write_text("sig.h5\n")
    conv = CONVOLUTION.format() if len(shape) > 2 else ""
    values = {"conv": conv, "bottom": "c" if conv else "sig", "count": np.prod(shape), "folder": tmp_path}
    (tmp_path / "net.prototxt").write_text(NET_OF_ANY_SHAPE.format(**values))
    settings = f"base_lr: 0.001 lr_policy: 'fixed' max_iter: 3 display: {display} random_seed: 1"
    (tmp_path / "solver.prototxt").write_text(f"net: '{tmp_path}/net.prototxt' {settings}")
    for _ in Solver(tmp_path / "solver.prototxt", out=tmp_path / "run").solve():
        pass
    material = gather(Trained.of_run(Run(tmp_path / "run")), None, 1000)
    found = page(material)
    assert write(found, tmp_path / "report.html").stat().st_size > 100_000  # its pictures can be drawn
    drawn = [block.title for each in found.sections for block in each.blocks if isinstance(block, Picture)]
    curves = ["Losses"] * bool(display)
    assert drawn == [
        "Codes by order", "Decoded code plane", "Codes by error", "Images at their codes", "Images of each cluster",
        "Originals and reconstructions", "Error of each image", *curves, "Layer by layer", "Learned filters",
        "Architecture",
    ]  # fmt: skip
    assert [line for line in found.warnings if line.startswith("No ")] == (
        [] if display else ["No curves of the losses: there are no losses to draw: no metrics record has outputs"]
    )


def test_pictures_of_a_flat_code(cae: Run) -> None:
    found = page(gather(Trained.of_run(cae), None, 1000))
    titles = [block.title for block in section(found, "Codes").blocks if isinstance(block, Picture)]
    assert titles == ["Codes by class", "Decoded code plane"]
    (classes,) = [block for block in section(found, "Codes").blocks if isinstance(block, Table)]
    assert [row[0] for row in classes.rows] == ["0", "1", "2", "3"]
    first, others = section(found, "Layer by layer").blocks
    assert isinstance(first, Picture)
    assert first.title == "Layer by layer, class 2"
    assert len(first.figure.axes) == 16  # the input and the fifteen blobs of the paper's Fig. 7
    assert isinstance(others, Folded)
    assert [block.title[-1] for block in others.blocks if isinstance(block, Picture)] == ["0", "1", "3"]


def test_filters_are_those_of_the_network(cae: Run, classic: Run) -> None:
    def drawn(run: Run) -> list[str]:
        (picture,) = section(page(gather(Trained.of_run(run), None, 30)), "Filters").blocks
        assert isinstance(picture, Picture)
        return [axes.get_title(loc="left") for axes in picture.figure.axes if axes.get_title(loc="left")]

    assert drawn(cae) == ["conv1", "conv2", "ip1encode", "deconv2", "deconv1", "deconv1neur"]
    assert drawn(classic) == ["encode1", "decode1"]


def test_a_code_of_more_numbers_is_laid_out(classic: Run) -> None:
    found = page(gather(Trained.of_run(classic), None, 1000))
    picture, classes = section(found, "Codes").blocks
    assert isinstance(picture, Picture)
    assert "laid out in the plane by t-SNE" in picture.caption
    assert isinstance(classes, Table)
    assert classes.half
    assert [tile.name for tile in found.tiles] == [
        "cross_entropy_loss",
        "l2_error",
        "PCA, N = 3",
        "kNN accuracy",
        "classes separated",
        "parameters",
        "training",
    ]


def test_the_time_of_a_run_that_was_gone_on_with_is_that_of_its_last_part(cae: Run) -> None:
    material = gather(Trained.of_run(cae), None, 1000)
    last = material.last("finished")

    def told(begun: int) -> list[str]:
        entries = [each for each in material.metrics if each["kind"] != "started"]
        started = {"kind": "started", "iteration": begun}
        material.metrics = [started, *entries]
        return [tile.note for tile in tiles(material) if tile.name == "training"]

    assert last["iteration"] == 4
    last |= {"seconds": 0.12, "seconds_per_iteration": 0.03}
    assert told(0) == ["30 ms per iteration"]
    assert told(3) == ["30 ms per iteration, 120 ms with its tests from iteration 3 on"]
    assert told(4) == []  # nothing was trained


def test_a_siamese_network_is_shown_single_digits(tmp_path: Path) -> None:
    """Its own data are pairs, which have no class; digits enter where its first branch begins (Fig. 2)."""
    write_data(tmp_path / "data")
    shutil.copy(tmp_path / "data/test.h5", tmp_path / "digits.h5")
    rng = np.random.default_rng(0)
    for name in ("train", "test"):
        with h5py.File(tmp_path / f"data/{name}.h5", "a") as file:
            file["pair_data"] = rng.random((IMAGES, 2, 28, 28), dtype=np.float32)
            file["sim"] = np.arange(IMAGES, dtype=np.float32) % 2
    run = trained_run(tmp_path, "siamese", 2)
    own, digits = gather(Trained.of_run(run), None, 1000), gather(Trained.of_run(run), tmp_path / "digits.h5", 1000)
    assert own.labels is None
    assert digits.labels is not None
    assert np.unique(digits.labels).tolist() == [0, 1, 2, 3]
    assert digits.codes is not None
    assert digits.codes.shape == (IMAGES, 2)
    layers = section(page(digits), "Layer by layer").blocks[0]
    assert isinstance(layers, Picture)
    assert layers.figure.axes[0].get_title(loc="left").startswith("01 data\n")


def test_two_reports_of_a_run_are_equal(cae: Run, written: Path, tmp_path: Path) -> None:
    assert written.read_bytes() == build(Trained.of_run(cae), tmp_path / "b.html").read_bytes()


def test_other_data_and_fewer_of_it(cae: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "mine.npz", data=rng.random((12, 1, 28, 28), dtype=np.float32))
    material = gather(Trained.of_run(cae), tmp_path / "mine.npz", 8)
    assert material.codes is not None
    assert material.codes.shape == (8, 2)
    assert material.labels is None
    assert material.knn is None
    assert samples(material) == [(0, None)]
    found = page(material)
    assert "8 of" in found.lead
    assert ", spread over all " in found.lead
    assert not [block for block in section(found, "Codes").blocks if isinstance(block, Table)]


def test_a_run_whose_data_are_gone_still_has_a_page(cae: Run, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(cae.folder.parent / "model", moved / "model")
    shutil.copytree(cae.folder, moved / "run")
    run = Run(moved / "run")
    run.about["folders"] = []
    data = cae.folder.parent / "data"
    data.rename(data.with_name("away"))
    try:
        found = page(gather(Trained.of_run(run), None, 1000))
    finally:
        data.with_name("away").rename(data)
    assert found.warnings[0].startswith("No codes and no images: ")
    assert [each.title for each in found.sections if each.blocks] == ["Losses", "Filters", "Network", "Run"]


def test_data_that_are_asked_for_must_be_there(cae: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.h5"):
        build(Trained.of_run(cae), data=tmp_path / "none.h5")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.1234, "0.123 s"), (12.55, "12.6 s"), (100, "1.67 min"), (6120, "1.7 h")]
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_losses_are_those_of_the_weights_that_are_shown(cae: Run) -> None:
    material = gather(Trained.of_run(cae), None, 1000)
    chosen = material.trained.chosen
    assert chosen is not None
    last = tiles(material)[0].value
    earlier = {"kind": "test", "net_index": 0, "outputs": {"cross_entropy_loss": 123.0}}
    material.metrics = [{**earlier, "iteration": chosen.iteration + 1}, *material.metrics]
    assert tiles(material)[0].value == last
    material.metrics = [*material.metrics, {**earlier, "iteration": chosen.iteration}]
    assert tiles(material)[0].value == "123.00"
