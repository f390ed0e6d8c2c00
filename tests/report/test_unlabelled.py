"""A page for data without classes, and of a quantity: errors, clusters, colours, and the line of PCA."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.errors import DataError
from deepcae.page.html import Page, Picture
from deepcae.report.build import page
from deepcae.report.material import gather
from deepcae.solver.run import Run
from deepcae.solver.solver import Solver
from deepcae.trained.network import Trained

NET = """name: "any"
layer {{ name: "data" type: "HDF5Data" top: "data" include {{ phase: TRAIN }}
  hdf5_data_param {{ source: "{folder}/train.txt" batch_size: 8 }} }}
layer {{ name: "data" type: "HDF5Data" top: "data" include {{ phase: TEST }}
  hdf5_data_param {{ source: "{folder}/test.txt" batch_size: 10 }} }}
layer {{ name: "squeeze" type: "InnerProduct" bottom: "data" top: "few"
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "spread" type: "InnerProduct" bottom: "few" top: "many"
  inner_product_param {{ num_output: {count} weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "flat" type: "Flatten" bottom: "data" top: "flat" }}
layer {{ name: "gap" type: "EuclideanLoss" bottom: "many" bottom: "flat" top: "gap" }}
"""
SHAPE = (3, 6, 5)


def trained(folder: Path, label: np.ndarray | None, shape: tuple[int, ...] = SHAPE) -> Run:
    """Thirty test images near a plane, whose last is damaged."""
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(2, int(np.prod(shape))))
    for name, count in (("train", 60), ("test", 30)):
        data = (rng.normal(size=(count, 2)) @ plane).reshape(count, *shape) * 0.1
        data[-1] += (name == "test") * 3
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"], file["speed"] = data.astype(np.float32), np.linspace(0, 9, count, dtype=np.float32)
            if label is not None:
                file["label"] = label[:count].astype(np.float32)
        (folder / f"{name}.txt").write_text(f"{name}.h5\n")
    (folder / "net.prototxt").write_text(NET.format(folder=folder, count=np.prod(shape)))
    settings = "base_lr: 0.001 lr_policy: 'fixed' max_iter: 4 display: 1 test_iter: 3 test_interval: 2 random_seed: 1"
    (folder / "solver.prototxt").write_text(f"net: '{folder}/net.prototxt' {settings}")
    for _ in Solver(folder / "solver.prototxt", out=folder / "run").solve():
        pass
    return Run(folder / "run")


def pictures(found: Page) -> dict[str, Picture]:
    blocks = [block for section in found.sections for block in section.blocks]
    return {block.title: block for block in blocks if isinstance(block, Picture)}


def test_a_page_without_classes(tmp_path: Path) -> None:
    run = trained(tmp_path, None)
    material = gather(Trained.of_run(run), None, 1000, colour_by=["speed", "cluster"])
    found = page(material)
    assert [*pictures(found)] == [
        "Codes by order", "Codes by error", "Codes by speed", "Codes by cluster", "Images at their codes",
        "What each number of the code does", "Images of each cluster", "Originals and reconstructions",
        "The most typical images", "The worst images", "Error of each image", "Losses", "Layer by layer",
        "Learned filters", "Architecture",
    ]  # fmt: skip
    assert material.errors is not None
    assert material.linear is not None
    assert material.linear.pca is not None
    net = run.net("TEST")
    with h5py.File(tmp_path / "test.h5") as file:
        images = file["data"][()]
    restored = net(data=images, want=["many"])["many"].numpy()
    expected = 0.5 * ((restored - images.reshape(30, -1)) ** 2).sum(axis=1)
    np.testing.assert_allclose(material.errors, expected, rtol=1e-5)
    worst = pictures(found)["The worst images"].figure
    captions = [text.get_text() for text in worst.texts if ": " in text.get_text()]
    assert captions[1].startswith("29: ")  # behind the line that says what stands below each
    shown = pictures(found)["Originals and reconstructions"].figure
    numbers = [int(text.get_text().split(": ")[0]) for text in shown.texts[1:] if text.get_text()[0].isdecimal()]
    assert (len(numbers), numbers[0], numbers[-1]) == (20, 0, 29)  # from all over the 30 images
    assert material.linear.pca < expected.mean()  # four iterations are few
    (verdict,) = [line for line in found.warnings if line.startswith("PCA ")]
    assert f"{material.linear.pca:.4g} by PCA" in verdict
    losses = pictures(found)["Losses"].figure.axes[0]
    named = [text.get_text() for text in losses.get_legend().get_texts()]
    assert any(name.startswith("PCA, N = 3: ") for name in named)
    assert "PCA, N = 3" in [tile.name for tile in found.tiles]
    assert not [tile for tile in found.tiles if "class" in tile.name or "kNN" in tile.name]
    assert not [cell for table in _tables(found) for row in table for cell in row if cell == "–"]


def _tables(found: Page) -> list[list[tuple[str, ...]]]:
    blocks = [block for section in found.sections if section.title == "Losses" for block in section.blocks]
    return [list(block.rows) for block in blocks if hasattr(block, "rows")]  # type: ignore[misc]


def test_a_speed_is_no_class(tmp_path: Path) -> None:
    """Though the array is called a label."""
    speed = np.random.default_rng(3).random(60) * 30
    material = gather(Trained.of_run(trained(tmp_path, speed)), None, 1000)
    assert material.labels is None
    np.testing.assert_allclose(material.quantity, speed[:30], rtol=1e-6)
    assert material.knn is None
    assert material.separation is None
    found = page(material)
    assert [*pictures(found)][:2] == ["Codes by label", "Codes by error"]
    assert not [tile for tile in found.tiles if "class" in tile.name]


def test_classes_stay_classes(tmp_path: Path) -> None:
    material = gather(Trained.of_run(trained(tmp_path, np.arange(60) % 3)), None, 1000)
    assert material.quantity is None
    found = page(material)
    assert "Images of each cluster" not in pictures(found)
    assert [*pictures(found)][:2] == ["Codes by class", "Images at their codes"]


@pytest.mark.parametrize("shape", [(48,), (1, 1, 48), (2, 6, 6), (4, 6, 6), (1, 3, 6, 6)])
def test_other_samples(shape: tuple[int, ...], tmp_path: Path) -> None:
    found = page(gather(Trained.of_run(trained(tmp_path, None, shape)), None, 1000))
    assert not [line for line in found.warnings if line.startswith("No ")]
    assert {"Images at their codes", "The worst images", "Images of each cluster"} <= {*pictures(found)}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("speeds", "has no array 'speeds' with a value for each image; it has speed"),
        ("data", "'data' has shape"),
        ("label", "there is no label to colour the points by"),
    ],
)
def test_a_colour_that_is_not_there(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        gather(Trained.of_run(trained(tmp_path, None)), None, 1000, colour_by=[name])
