"""Whole images: in the order of the recording whatever the split, the least usual first."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from deepcae.cli import main
from deepcae.cli.recording import _of_maps
from deepcae.errors import DataError
from deepcae.recording.nearest import row_of
from deepcae.recording.origin import origins_of
from deepcae.recording.timeline import Recorded, Timeline, timeline_of, write_timeline
from deepcae.trained.examples import open_examples
from deepcae.trained.network import Trained

Known, Prepared = Callable[..., Trained], Callable[..., Path]


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("split", ["random", "time"])
def test_the_lines_have_the_order_of_the_recording(
    split: str, tmp_path: Path, known: Known, prepared: Prepared
) -> None:
    stacks = [np.random.default_rng(n).integers(0, 4000, (20 + n, 6, 7), dtype=np.uint16) for n in range(2)]
    for number, stack in enumerate(stacks):
        np.save(tmp_path / f"{number}.npy", stack)
    data = prepared(tmp_path / "0.npy", tmp_path / "1.npy", "--split", split)
    trained = known(data, "scale: 0.001", shift=0.5)
    told = write_timeline(
        trained, open_examples(trained, data / "all.txt"), origins_of(data / "all.txt"), tmp_path / "m"
    )
    lines = lines_of(tmp_path / "m/time.csv")
    means = np.concatenate([stack.mean(axis=(1, 2)) for stack in stacks]) / 1000
    np.testing.assert_allclose([float(line["code_1"]) for line in lines], means, rtol=1e-5)
    np.testing.assert_allclose([float(line["error"]) for line in lines], 0.5 * 0.25 * 42, rtol=1e-4)
    assert [int(line["row"]) for line in lines] == [*range(20), *range(21)]
    assert told["images"] == 41
    held = [line["part"] == "test" for line in lines]
    if split == "time":
        assert held == [*[False] * 17, *[True] * 3, *[False] * 18, *[True] * 3]
    else:
        assert 5 <= sum(held) <= 7
    assert {path.name for path in (tmp_path / "m").iterdir()} == {"time.csv", "time.png", "unusual.png"}
    assert sum(line.startswith("unusual: ") for line in _of_maps(told)) == len(told["unusual"])


def test_all_images_that_the_pictures_mark_are_told() -> None:
    unusual = [{"source": "a.tif", "row": row, "name": "", "error": 1.0, "score": 9.0} for row in range(8)]
    told = _of_maps({"images": 100, "files": [], "mean_error": 1.0, "unusual": unusual})
    assert sum(line.startswith("unusual: ") for line in told) == 8


def test_pictures_of_a_folder_are_no_recording(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (30, 6, 7), dtype=np.uint8)
    (tmp_path / "in").mkdir()
    for number, image in enumerate(stack):
        Image.fromarray(image).save(tmp_path / "in" / f"{number}.png")
    np.save(tmp_path / "stack.npy", stack)
    for source, word in (("in", "series"), ("stack.npy", "recording")):
        data = prepared(tmp_path / source, "--overwrite")
        trained, origins = known(data, "scale: 0.001"), origins_of(data / "all.txt")
        examples = open_examples(trained, data / "all.txt")
        page = Recorded(timeline_of(trained, examples, origins), examples, origins).over_time("x")
        said = [text.get_text() for text in page.findobj(Text)]
        assert "x: codes and error over the " + word in "".join(said)
        assert any("recording" in each for each in said) == (word == "recording")


def test_the_unusual_are_told_once_for_their_neighbours() -> None:
    errors = np.ones(1000, np.float32) + np.tile([0, 0.1], 500).astype(np.float32)
    errors[500:506] = [5, 6, 9, 8, 7, 6]
    errors[30], errors[700] = 4, 3
    line = Timeline(np.arange(1000), np.zeros((1000, 2), np.float32), errors)
    assert line.unusual(np.zeros(1000, int), 3).tolist() == [502, 30, 700]
    assert line.scores[502] > line.scores[30] > 3
    errors[480:502] = 5.5  # of one stretch with the greatest, though far from it
    assert Timeline(line.index, line.codes, errors).unusual(np.zeros(1000, int), 3).tolist() == [502, 30, 700]


def test_what_is_usual_is_told_apart_for_what_was_held_out() -> None:
    """All that was not learned from has larger errors: that alone makes no image unusual."""
    rng = np.random.default_rng(0)
    held = np.arange(200) >= 150
    errors = (np.where(held, 5, 1) + 0.1 * rng.normal(size=200)).astype(np.float32)
    errors[[20, 170]] = 2, 6
    codes = np.zeros((200, 1), np.float32)
    line = Timeline(np.arange(200), codes, errors, held)
    assert sorted(line.unusual(np.zeros(200, int), 2).tolist()) == [20, 170]
    assert np.median(line.scores[held]) < 1
    assert np.median(Timeline(np.arange(200), codes, errors).scores[held]) > 10
    assert line.held_out_worse == pytest.approx(errors[held].mean() / errors[~held].mean() - 1)


def test_a_part_of_too_few_is_not_judged() -> None:
    """Three held-out images are worse than all others, as they were not learned from."""
    errors = np.tile([1.0, 1.1, 0.9, 1.05], 5).astype(np.float32)
    held = np.arange(20) >= 17
    errors[held], errors[4] = 5, 3
    line = Timeline(np.arange(20), np.zeros((20, 1), np.float32), errors, held)
    assert line.unjudged.tolist() == held.tolist()
    found = line.unusual(np.zeros(20, int)).tolist()
    assert found[0] == 4
    assert len(found) == 3, "those that do not stand out are named up to three"
    assert not set(found) & set(range(17, 20))


def test_errors_that_are_all_alike_are_no_nan() -> None:
    line = Timeline(np.arange(3), np.zeros((3, 1), np.float32), np.ones(3, np.float32))
    assert line.scores.tolist() == [0, 0, 0]


SOLVER = (
    """net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 1 test_iter: 1 test_interval: 1 random_seed: 1"""
)
NET = """name: "tiny"
layer { name: "train" type: "HDF5Data" top: "data" include { phase: TRAIN }
  hdf5_data_param { source: "data/train.txt" batch_size: 4 } transform_param { scale: 0.00390625 } }
layer { name: "test" type: "HDF5Data" top: "data" include { phase: TEST }
  hdf5_data_param { source: "data/test.txt" batch_size: 4 } transform_param { scale: 0.00390625 } }
layer { name: "code" type: "InnerProduct" bottom: "data" top: "code"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "up" type: "InnerProduct" bottom: "code" top: "up"
  inner_product_param { num_output: 42 weight_filler { type: "xavier" } } }
layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }
layer { name: "l2" type: "EuclideanLoss" bottom: "up" bottom: "flat" top: "l2" }
"""


@pytest.fixture
def run(tmp_path: Path, prepared: Prepared, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Path:
    """A run of a small net with data/ beside its text; the working directory."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(1).integers(0, 256, (30, 6, 7), dtype=np.uint8))
    prepared("x.npy")
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    assert main(["train", "--solver", "solver.prototxt", "--out", "run", "--quiet"]) == 0
    capfd.readouterr()
    return Path("run")


def test_map_takes_by_itself_all_that_a_run_was_prepared_with(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["map", "run", "-o", "maps", "--json", "--quiet"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["images"], len(lines_of(Path("maps/time.csv")))) == (30, 30)
    assert main(["map", "run", "data/test.txt", "-o", "held"]) == 0
    assert [line["part"] for line in lines_of(Path("held/time.csv"))] == ["test"] * len(lines_of(Path("held/time.csv")))
    assert main(["map", "run", "data", "-o", "folder", "-q"]) == 0
    assert Path("folder/time.csv").read_bytes() == Path("maps/time.csv").read_bytes()


def test_rows_of_an_array_are_a_recording_with_channels_last_too(run: Path) -> None:
    np.save("last.npy", np.load("x.npy")[..., None])
    for name in ("x", "last"):
        assert main(["map", "run", f"{name}.npy", "-o", name, "-q"]) == 0
        assert main(["neighbours", "run", f"{name}.npy", "--index", "3", "-q"]) == 0
    first, second = (lines_of(Path(f"{name}/time.csv")) for name in ("x", "last"))
    assert [line["row"] for line in first] == [str(row) for row in range(30)]
    assert [line["error"] for line in first] == [line["error"] for line in second]


def test_map_tells_in_one_line_what_is_wrong(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with h5py.File("x.h5", "w") as file:
        file["data"] = np.load("x.npy")[:, None]
    assert main(["map", "run", "x.h5", "-o", "maps", "-q"]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "x.h5" in error
    assert "deepcae data any" in error


def test_denoise_and_neighbours_answer_for_programs(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["denoise", "run", "-o", "out.tif", "--json", "--quiet"]) == 0
    (told,) = json.loads(capfd.readouterr().out)["stacks"]
    assert (told["shape"], told["dtype"]) == ([30, 6, 7], "uint8")
    assert Path(told["picture"]).is_file()
    assert main(["neighbours", "run", "--index", "3", "-k", "9", "-o", "sheet.png", "--json", "-q"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["of"]["index"], told["of"]["row"], len(told["neighbours"])) == (3, 3, 9)
    assert all(each["index"] == each["row"] for each in told["neighbours"])
    assert Path("sheet.png").is_file()
    assert main(["neighbours", "run", "--index", "30"]) == 2
    assert "images are 0 to 29" in capfd.readouterr().err
    assert main(["neighbours", "run", "--name", "a.png"]) == 2
    assert "give --index" in capfd.readouterr().err


def test_codes_for_tensorboard_come_with_pictures(run: Path) -> None:
    assert main(["encode", "run", "data/all.txt", "-o", "codes.projector", "-q"]) == 0
    assert "single_image_dim: 64 single_image_dim: 55" in Path("codes.projector/projector_config.pbtxt").read_text()
    assert Path("codes.projector/sprite.png").is_file()


def test_an_image_is_asked_for_by_its_number_in_its_file(tmp_path: Path, prepared: Prepared) -> None:
    """Whatever the split and the step: not by its place among those that were kept."""
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).integers(0, 256, (20, 6, 7), dtype=np.uint8))
    data = prepared(tmp_path / "a.npy", tmp_path / "b.npy", "--every", "3", "--split", "random")
    origins = origins_of(data / "all.txt")
    found = row_of(origins, 9, "b.npy")
    assert (origins.row[found], origins.sources[origins.source[found]][-5:]) == (9, "b.npy")
    for number, source, words in (
        (9, None, "2 sources have an image 9; --source"),
        (1, "a.npy", "images are 0 to 18"),
        (9, "c.npy", "no source 'c.npy'; there are a.npy, b.npy"),
    ):
        with pytest.raises(DataError, match=words):
            row_of(origins, number, source)
