"""Codes say where each of them comes from: by columns that join them to other tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from deepcae import codes
from deepcae.data.contents import contents_of
from deepcae.errors import DataError, DeepcaeWarning
from deepcae.prepare import prepare
from deepcae.recording.origin import Origins, known_origins, origins_of
from deepcae.trained.network import Trained

Known, Prepared = Callable[..., Trained], Callable[..., Path]
FRAMES = np.random.default_rng(1).integers(0, 250, (12, 6, 8), dtype=np.uint8)
ALL = slice(0, None)


def nwb(path: Path, count: int, rate: float | None, stamps: np.ndarray | None = None) -> Path:
    """The part of such a file that is read."""
    with h5py.File(path, "w") as file:
        series = file.create_group("acquisition/movie")
        series.attrs["neurodata_type"] = np.bytes_("ImageSeries")
        series["data"] = FRAMES[:count]
        if rate is not None:
            series["starting_time"] = 2.5
            series["starting_time"].attrs["rate"] = rate
        if stamps is not None:
            series["timestamps"] = stamps
    return path


def test_pictures_have_their_names_and_classes(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    for number, frame in enumerate(FRAMES):
        path = tmp_path / "cells" / ("wide", "narrow")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame).save(path)
    data = prepared(tmp_path / "cells", "--split", "random")
    origins = known_origins(known(data), data / "all.txt", 12)
    assert origins is not None
    found = origins.columns(ALL)
    numbers = np.array([int(Path(name).stem) for name in found["name"]])
    with h5py.File(data / "train.h5") as train, h5py.File(data / "test.h5") as test:
        images, labels = (np.concatenate([train[name], test[name]]) for name in ("data", "label"))
        held = ["train"] * len(train["data"]) + ["test"] * len(test["data"])
    np.testing.assert_array_equal(images[:, 0], FRAMES[numbers])  # in the order of the data
    assert found["part"].tolist() == held
    assert set(found["source"]) == {"cells"}
    words = contents_of(data / "all.txt").meaning("label").words(labels.reshape(-1).astype(int))
    assert words.tolist() == [Path(name).parent.name for name in found["name"]]


@pytest.mark.parametrize("timed", ["rate", "timestamps", "neither", "nonsense"])
def test_frames_have_the_times_of_their_file(timed: str, tmp_path: Path, known: Known, prepared: Prepared) -> None:
    stamps = np.cumsum(np.arange(12.0))
    given = {
        "rate": (4.0, None), "timestamps": (None, stamps), "neither": (None, None), "nonsense": (0.0, stamps[:5]),
    }[timed]  # fmt: skip
    data = prepared(nwb(tmp_path / "a.nwb", 12, *given), "--split", "blocks", "--every", "2")
    origins = origins_of(data / "all.txt")
    found = origins.columns(ALL)
    if timed in ("neither", "nonsense"):
        assert "time" not in found
        assert "time" not in origins.where(0)
        return
    wanted = 2.5 + np.arange(12) / 4 if timed == "rate" else stamps
    np.testing.assert_allclose(found["time"], wanted[found["row"]])
    assert origins.where(1)["time"] == wanted[found["row"][1]]


def test_the_interval_of_imagej_counts_times_and_patches_have_places(tmp_path: Path, prepared: Prepared) -> None:
    stack = FRAMES.reshape(4, 3, 6, 8)
    tifffile.imwrite(tmp_path / "s.tif", stack, imagej=True, metadata={"axes": "TZYX", "finterval": 0.25})
    data = prepared(tmp_path / "s.tif", "--patch", "3x4", "--split", "none")
    found = origins_of(data / "train.txt").columns(ALL)
    np.testing.assert_allclose(found["time"], found["t"] * 0.25)
    np.testing.assert_array_equal(found["row"], found["t"] * 3 + found["z"])
    assert sorted({*zip(found["y"].tolist(), found["x"].tolist(), strict=True)}) == [(0, 0), (0, 4), (3, 0), (3, 4)]


def test_a_file_that_tells_no_time_beside_one_that_does(tmp_path: Path, prepared: Prepared) -> None:
    paths = [nwb(tmp_path / "a.nwb", 12, 4.0), nwb(tmp_path / "b.nwb", 12, None)]
    found = origins_of(prepared(*paths, "--split", "none") / "train.txt").columns(ALL)
    assert np.isnan(found["time"]).tolist() == [False] * 12 + [True] * 12
    assert found["source"].tolist() == ["a.nwb"] * 12 + ["b.nwb"] * 12


def test_sources_of_one_name_are_told_apart(tmp_path: Path, prepared: Prepared) -> None:
    for day in ("monday", "friday"):
        (tmp_path / day).mkdir()
        np.save(tmp_path / day / "cells.npy", FRAMES)
    data = prepared(tmp_path / "monday/cells.npy", tmp_path / "friday/cells.npy", "--split", "random")
    found = origins_of(data / "all.txt").columns(ALL)
    assert set(found["source"]) == {"monday/cells.npy", "friday/cells.npy"}


def test_arrays_of_one_file_are_told_apart(tmp_path: Path, prepared: Prepared) -> None:
    with h5py.File(tmp_path / "trials.h5", "w") as file:
        for number in range(2):
            file[f"images/trial_{number}"] = FRAMES[:, None]
    found = origins_of(prepared(tmp_path / "trials.h5", "--split", "none") / "train.txt").columns(ALL)
    assert set(found["source"]) == {"trials.h5: images/trial_0", "trials.h5: images/trial_1"}


def test_data_of_somebody_else_say_nothing(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    np.save(tmp_path / "s.npy", FRAMES)
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["data"] = FRAMES
    data = prepared(tmp_path / "s.npy", "--split", "random")
    trained = known(data)
    for path in (tmp_path / "own.h5", tmp_path / "s.npy"):
        assert known_origins(trained, path, 12) is None
    with pytest.warns(DeepcaeWarning, match="left out: it is told of 12 rows, and 11 are there"):
        assert known_origins(trained, data / "all.txt", 11) is None
    own = known_origins(trained, None, 2)  # the net's own test data
    assert own is not None
    assert own.parts == ("test",)
    (data / "train.h5").write_bytes((data / "train.h5").read_bytes()[:700])
    with pytest.warns(DeepcaeWarning, match="left out: .*train.h5: cannot be read"):
        assert known_origins(trained, data / "all.txt", 12) is None


@pytest.mark.parametrize("ending", [".h5", ".npz", ".csv", ".mat"])
def test_files_keep_words_and_numbers(ending: str, tmp_path: Path) -> None:
    columns = {"source": np.array(["b.tif", "a", "é"]), "row": np.array([3, 1, 2]), "time": np.array([0.1, 1 / 3, 7])}
    path = codes.save(tmp_path / f"codes{ending}", np.eye(3, dtype=np.float32), columns=columns)
    back = codes.load(path).columns
    assert list(back["source"]) == ["b.tif", "a", "é"]
    np.testing.assert_array_equal(back["row"], columns["row"])
    np.testing.assert_array_equal(back["time"], columns["time"])


@pytest.mark.parametrize(
    ("source", "labels", "are_one"),
    [
        ([0, 0, 1, 1], ["wild", "wild", "mutant", "mutant"], True),
        ([0, 0, 1, 2], ["wild", "wild", "mutant", "mutant"], False),  # two files of one class
        ([0, 0, 1, 1], ["wild", "mutant", "mutant", "mutant"], False),  # a file of two
        ([0, 0, 0, 0], ["wild", "wild", "mutant", "mutant"], False),
        ([0, 0, 1, 1], ["wild", "wild", "wild", "wild"], False),
    ],
)
def test_classes_that_are_files_are_told(source: list[int], labels: list[str], are_one: bool) -> None:
    """Two recordings differ in more than what their classes mean."""
    count = len(source)
    nothing: dict[str, np.ndarray] = {}
    origins = Origins(
        np.array(source), np.arange(count), None, np.zeros(count, int), ("all",), ("a", "b", "c"), nothing, None, None
    )
    told = origins.confounded(np.array(labels))
    assert told.startswith("Each class comes from one file alone") == are_one
    assert bool(told) == are_one
    named = replace(origins, names=np.array(["1.png", "2.png", "3.png", "4.png"]))
    assert named.confounded(np.array(labels)) == "", "folders of pictures are classes, and no recordings"


def test_names_of_any_letters_are_read(tmp_path: Path) -> None:
    for number, frame in enumerate(FRAMES):
        path = tmp_path / "grün" / f"é{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(frame).save(path)
    made = prepare(tmp_path / "grün", tmp_path / "stored")
    assert sorted(origins_of(made.train).names.tolist() + origins_of(made.test).names.tolist()) == [
        f"é{number:02}.png" for number in range(len(FRAMES))
    ]


@pytest.mark.parametrize("name", ["names", "row"])
def test_what_is_told_of_rows_is_no_bomb_and_no_other_file(name: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", FRAMES)
    made = prepare(tmp_path / "a.npy", tmp_path / "stored")
    path = made.folder / "train.h5"
    with h5py.File(path, "r+") as file:
        file["origin"].pop(name, None)
        kind = "S8" if name == "names" else "i4"
        file["origin"].create_dataset(name, (2**27,), kind, chunks=(2**20,), compression="gzip")
    with pytest.raises(DataError, match=r"are stored|of memory"):
        origins_of(made.train)
    with h5py.File(path, "r+") as file:
        file.move("origin", "elsewhere")
        file["origin"] = h5py.ExternalLink(str(path), "elsewhere")
    with pytest.raises(DataError, match="does not say where its rows come from"):
        origins_of(made.train)
