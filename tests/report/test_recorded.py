"""The page of a run that learned from a recording: its images' own numbers, its whole course, segments and no heaps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepcae.cli import main
from deepcae.errors import DataError
from deepcae.page.html import Page, Picture, Section, Table
from deepcae.recording.nearest import place_of
from deepcae.report.build import page
from deepcae.report.known import known
from deepcae.report.material import Material, gather
from deepcae.report.sections import tiles
from deepcae.solver.run import Run
from deepcae.solver.solver import Solver
from deepcae.trained.kernels import as_drawn
from deepcae.trained.network import Trained

NET = """name: "known"
layer {{ name: "train" type: "HDF5Data" top: "data" include {{ phase: TRAIN }}
  hdf5_data_param {{ source: "{0}/train.txt" batch_size: 8 }} transform_param {{ scale: 0.00390625 }} }}
layer {{ name: "test" type: "HDF5Data" top: "data" include {{ phase: TEST }}
  hdf5_data_param {{ source: "{0}/test.txt" batch_size: 4 }} transform_param {{ scale: 0.00390625 }} }}
layer {{ name: "linear_encode" type: "InnerProduct" bottom: "data" top: "linear_encode"
  inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "beside" type: "InnerProduct" bottom: "data" top: "beside"
  inner_product_param {{ num_output: 2 weight_filler {{ type: "constant" }} }} }}
layer {{ name: "code" type: "Eltwise" bottom: "linear_encode" bottom: "beside" top: "code" }}
layer {{ name: "up" type: "InnerProduct" bottom: "code" top: "up"
  inner_product_param {{ num_output: 42 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "flat" type: "Flatten" bottom: "data" top: "flat" }}
layer {{ name: "l2_error" type: "EuclideanLoss" bottom: "up" bottom: "flat" top: "l2_error" }}
"""
SOLVER = """net: "{0}/net.prototxt" base_lr: 3 lr_policy: "fixed" max_iter: 4 test_iter: 6 test_interval: 2 display: 1
random_seed: 1 snapshot_best: true clip_gradients: 1"""  # so much that each iteration makes it worse
COUNT = 160


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """A spot that goes round and round, on noise; one image is damaged. Each later test is worse than the first."""
    folder = tmp_path_factory.mktemp("recorded")
    y, x = np.mgrid[:6, :7]
    turn = np.linspace(0, 12, COUNT)[:, None, None]
    frames = 200 * np.exp(-((y - 2.5 - 2 * np.sin(turn)) ** 2 + (x - 3 - 2 * np.cos(turn)) ** 2) / 4)
    frames += np.random.default_rng(0).normal(size=frames.shape) ** 2
    frames[150] = 255 - frames[150]
    np.save(folder / "spot.npy", frames.astype(np.uint8))
    words = ["data", "any", folder / "spot.npy", "-o", folder / "data", "--split", "time", "--quiet"]
    assert main([*map(str, words)]) == 0
    (folder / "net.prototxt").write_text(NET.format(folder / "data"))
    (folder / "solver.prototxt").write_text(SOLVER.format(folder))
    list(Solver(folder / "solver.prototxt", out=folder / "run").solve())
    return gather(Trained.of_run(Run(folder / "run")), None, 1000)


@pytest.fixture(scope="module")
def found(material: Material) -> Page:
    return page(material)


def section(found: Page, title: str) -> Section:
    return next(each for each in found.sections if each.title == title)


def texts(block: object) -> list[str]:
    assert isinstance(block, Picture)
    return [each.get_text() for each in block.figure.texts]


def test_images_are_called_by_their_numbers_in_the_recording(material: Material, found: Page) -> None:
    worst = next(each for each in section(found, "Reconstructions").blocks if each.title == "The worst images")  # type: ignore[union-attr]
    numbers = [int(word.split(": ")[0]) for word in texts(worst) if word[0].isdecimal()]
    assert numbers[0] == 150
    assert all(number >= 136 for number in numbers)  # the last are held out
    assert "its number in spot.npy, from 0" in worst.caption  # type: ignore[union-attr]
    assert [column.name for column in material.colours] == ["row", "error"]
    assert material.colours[0].values.tolist() == [*range(136, COUNT)]
    np.testing.assert_array_equal(material.value("source"), "spot.npy")


def test_all_images_are_drawn_over_time_though_a_part_was_held_out(material: Material, found: Page) -> None:
    course, unusual = section(found, "Over the recording").blocks
    assert isinstance(course, Picture)
    assert len(course.figure.axes[0].lines[0].get_ydata()) == COUNT
    assert course.figure.axes[-1].get_xlabel() == "image of spot.npy, from 0"
    assert any(word.startswith("150 · ") for word in texts(unusual))
    assert "deepcae map" in section(found, "Over the recording").intro


def test_what_goes_with_each_number_is_told_of_a_column_of_all_images(material: Material, tmp_path: Path) -> None:
    """The file has a value for each image of the recording; a part of these was held out, and all are mapped."""
    speed = np.random.default_rng(1).random(COUNT)
    np.save(tmp_path / "speed.npy", speed)
    gathered = gather(Trained.of_run(material.run), None, 1000, [f"{tmp_path}/speed.npy"])
    assert [len(each.values) for each in gathered.colours if each.name == "speed"] == [24]
    told = known(gathered)
    (table,) = told.blocks
    assert isinstance(table, Table)
    assert table.header == ("number", "r with row", "ρ with row", "r with speed", "ρ with speed")
    whole = gathered.mapped.codes
    assert whole is not None
    assert float(table.rows[1][3]) == pytest.approx(np.corrcoef(whole[:, 1], speed)[0, 1], abs=0.006)
    assert "speed, n = 160: by chance alone the greatest |ρ| of 2 numbers stays below 0." in table.caption


def test_a_way_is_told_as_segments(found: Page) -> None:
    told = section(found, "Clusters")
    assert "heaps" not in told.intro.replace("no heaps", "")
    (table,) = [block for block in told.blocks if isinstance(block, Table)]
    assert sum(int(row[1]) for row in table.rows) == COUNT
    assert any(row[2].startswith("0 to ") for row in table.rows)


def test_where_pca_is_kept_the_first_tile_says_so_and_its_components_are_shown(found: Page) -> None:
    assert (found.tiles[0].name, found.tiles[0].value) == ("kept", "PCA")
    assert "2 later tests" in found.tiles[0].note
    assert "What to try next: 4 iterations brought little: deepcae train --out " in found.lead
    assert "--snapshot latest --set 'max_iter: 8' goes on from here" in found.lead
    (picture,) = section(found, "Filters").blocks
    assert isinstance(picture, Picture)
    assert picture.title == "Principal components"
    assert [axes.get_title(loc="left") for axes in picture.figure.axes if axes.get_title(loc="left")] == [
        "linear_encode"
    ]


def test_where_pca_is_kept_only_the_linear_way_is_shown_layer_by_layer(found: Page) -> None:
    """What is beside it is as chance drew it."""
    (picture,) = [block for block in section(found, "Layer by layer").blocks if isinstance(block, Picture)]
    heads = [axes.get_title(loc="left").split("\n")[0] for axes in picture.figure.axes]
    assert heads == ["01 data", "02 linear_encode", "03 code", "04 up"]
    assert picture.caption.startswith("The linear way from image")


def test_a_run_that_is_asked_for_once_more_shows_the_same_time_and_losses(material: Material) -> None:
    folder = material.run.folder
    first = tiles(material)
    list(Solver(folder.parent / "solver.prototxt", out=folder, snapshot="latest").solve())
    again = gather(Trained.of_run(Run(folder)), None, 1000)
    assert len([record for record in again.metrics if record["kind"] == "started"]) == 2
    assert tiles(again) == first


def test_a_map_of_few_held_out_images_is_of_all(material: Material, found: Page) -> None:
    assert material.codes is not None
    assert len(material.codes) == COUNT - 136
    whole = material.mapped
    assert whole.codes is not None
    assert len(whole.codes) == COUNT
    np.testing.assert_array_equal(whole.codes[136:], material.codes)
    picture = section(found, "Codes").blocks[0]
    assert isinstance(picture, Picture)
    assert "all 160 images, 24 held out" in picture.caption
    alone = replace(material, asked=("known of these alone",))
    assert alone.mapped.codes is material.codes


def test_how_much_of_the_weights_is_as_chance_drew_it(material: Material) -> None:
    first = as_drawn(material.trained)
    assert first == pytest.approx({"linear_encode": 1.0, "up": 1.0})
    later = as_drawn(Trained.of_run(material.run, snapshot="last"))
    assert all(0 <= share < 0.999 for share in later.values())
    assert as_drawn(Trained(material.trained.net, "files", [])) == {}


def test_a_number_is_that_in_the_recording(material: Material) -> None:
    origins = material.mapped.origins
    assert origins is not None
    assert [place_of(origins, number) for number in (0, 150)] == [0, 150]
    assert material.origins is not None
    assert place_of(material.origins, 150) == 14
    with pytest.raises(DataError, match="images are 136 to 159"):
        place_of(material.origins, 3)
