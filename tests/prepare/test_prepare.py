"""Images of any source become train.h5, test.h5, the lists and images.json: what is stored is what was there."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from deepcae.data.contents import open_rows
from deepcae.errors import DataError
from deepcae.prepare import Options, Prepared, inspect, parse_size, prepare
from deepcae.prepare import write as write_module

RANDOM = np.random.default_rng(0)


def pictures(folder: Path, images: Any, names: Any = None) -> Path:
    for number, image in enumerate(images):
        path = folder / (names[number] if names else f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def noise(count: int, *shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, *shape)).astype(np.uint8)


def stored(prepared: Prepared, part: str, name: str = "data") -> np.ndarray:
    with h5py.File(prepared.folder / f"{part}.h5") as file:
        return file[name][()]  # type: ignore[no-any-return]


def test_a_folder_becomes_two_parts_that_hold_each_picture_once(tmp_path: Path) -> None:
    images = noise(20, 8, 6)
    made = prepare(pictures(tmp_path / "in", images), tmp_path / "out")
    assert made.understood.rows == {"train": 17, "test": 3}
    assert made.understood.split["kind"] == "random"
    found = np.concatenate([stored(made, part)[:, 0] for part in ("train", "test")])
    rows = np.concatenate([stored(made, part, "origin/row") for part in ("train", "test")])
    assert sorted(rows.tolist()) == list(range(20))
    np.testing.assert_array_equal(found, images[rows])
    names = stored(made, "test", "origin/names").astype(str).tolist()
    assert names == [f"{row}.png" for row in stored(made, "test", "origin/row")]
    assert (made.train.read_text(), made.test.read_text()) == ("train.h5\n", "test.h5\n")  # type: ignore[union-attr]
    np.testing.assert_array_equal(open_rows(made.train).read(slice(0, 17))["data"], stored(made, "train"))
    with h5py.File(tmp_path / "out" / "train.h5") as file:
        assert file["data"].chunks is None  # rows lie one after another: cheap in any order
        assert file["data"].dtype == np.uint8


def test_what_was_done_can_be_read_again(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", noise(9, 8, 8), [f"{'ab'[n % 2]}/{n}.png" for n in range(9)])
    made = prepare(folder, tmp_path / "out", Options(seed=3, resize=(4, 4), held_out=0.3))
    again = Prepared.load(tmp_path / "out")
    assert again == made
    assert again.understood.labels == {
        "kind": "classes",
        "classes": ["a", "b"],
        "named": True,
        "from": "subfolders",
    }
    assert again.understood.options == {"seed": 3, "resize": [4, 4], "held_out": 0.3}
    assert again.understood.shape == (1, 4, 4)
    told = json.loads((tmp_path / "out" / "images.json").read_text())
    assert told["images"]["scaling"]["scale"] == pytest.approx(1 / 255)
    (tmp_path / "out" / "images.json").write_text("{}")
    with pytest.raises(DataError, match=r"images\.json: was not written by"):
        Prepared.load(tmp_path / "out")


def test_what_inspect_says_is_what_prepare_does(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", noise(12, 9, 8))
    understood = inspect(folder, Options(seed=1))
    made = prepare(folder, tmp_path / "out", Options(seed=1))
    assert made.understood == understood
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    assert "12 of 1x9x8: pictures" in understood.lines()[0]


def test_labels_go_with_their_images(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", noise(30, 4, 4), [f"c{n % 3}/{n}.png" for n in range(30)])
    made = prepare(folder, tmp_path / "out")
    for part in ("train", "test"):
        names = stored(made, part, "origin/names").astype(str)
        assert [f"c{label:g}" for label in stored(made, part, "label")] == [name.split("/")[0] for name in names]


def test_a_folder_of_idx_files_with_their_labels(tmp_path: Path) -> None:
    (folder := tmp_path / "mnist").mkdir()
    for name, count in (("train", 9), ("t10k", 4)):
        for what, axes in (("images-idx3", (count, 5, 6)), ("labels-idx1", (count,))):
            values = noise(*axes) if len(axes) > 1 else np.arange(count, dtype=np.uint8) % 3
            head = bytes([0, 0, 8, len(axes)]) + b"".join(axis.to_bytes(4, "big") for axis in axes)
            path = folder / f"{name}-{what}-ubyte"
            path.write_bytes(head + values.tobytes())
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    (folder / "train-images-idx3-ubyte").unlink()  # packed alone
    (folder / "t10k-labels-idx1-ubyte").unlink()  # beside images that are not
    made = prepare([folder], tmp_path / "out", Options())
    assert made.understood.rows == {"train": 9, "test": 4}
    assert made.understood.split == {"kind": "file", "why": "by the names of the files, train and t10k"}
    assert "3 classes, from the label files: 0, 1, 2" in "\n".join(made.understood.lines())
    for part, count in (("train", 9), ("test", 4)):
        np.testing.assert_array_equal(stored(made, part, "label"), np.arange(count) % 3)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    without = inspect(folder, Options(split="random"))
    assert without.labels is None
    assert without.split["kind"] == "random"
    assert any("t10k-images-idx3-ubyte has none" in note for note in without.notes)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", noise(20, 16, 16))
    options = Options(seed=5, patch=(8, 8), count=3)
    first, second = (prepare(folder, tmp_path / name, options) for name in ("a", "b"))
    other = prepare(folder, tmp_path / "c", Options(seed=6, patch=(8, 8), count=3))
    for name in ("train.h5", "test.h5", "images.json"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    assert (first.folder / "train.h5").read_bytes() != (other.folder / "train.h5").read_bytes()


@pytest.mark.parametrize(
    "options",
    [Options(patch=(8, 8)), Options(patch=(8, 8), stride=(4, 6)), Options(patch=(7, 5), count=9),
     Options(patch=(8, 8), split="region", held_out=0.5),
     Options(patch=(6, 6), count=7, split="region", held_out=0.5)],
    ids=["grid", "overlapping", "chance", "region", "region by chance"],
)  # fmt: skip
def test_patches_can_be_laid_back_over_their_images(options: Options, tmp_path: Path) -> None:
    images = noise(10, 32, 24)
    made = prepare(pictures(tmp_path / "in", images), tmp_path / "out", options)
    height, width = options.patch or (0, 0)
    covered: dict[str, np.ndarray] = {}
    for part in ("train", "test"):
        covered[part] = np.zeros(images.shape, bool)
        columns = [stored(made, part, f"origin/{name}") for name in ("row", "y", "x")]
        for patch, row, y, x in zip(stored(made, part)[:, 0], *columns, strict=True):
            np.testing.assert_array_equal(patch, images[row, y : y + height, x : x + width])
            covered[part][row, y : y + height, x : x + width] = True
    assert not (covered["train"] & covered["test"]).any()  # no pixel is both learned from and tested with
    assert covered["test"].any()


def test_patches_of_one_large_picture_are_parted_by_region(tmp_path: Path) -> None:
    made = prepare(pictures(tmp_path / "in", noise(1, 64, 64)), tmp_path / "out", Options(patch=(16, 16)))
    assert made.understood.split["kind"] == "region"
    assert set(stored(made, "test", "origin/y")) == {48}
    assert set(stored(made, "train", "origin/y")) == {0, 16, 32}
    with pytest.raises(DataError, match="cannot be parted into patches of height 40"):
        inspect(tmp_path / "in", Options(patch=(40, 40)))


def test_patches_of_pictures_of_many_sizes(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", [noise(1, 16 + n, 20 - n)[0] for n in range(9)])
    made = prepare(folder, tmp_path / "out", Options(patch=(8, 8)))
    assert made.understood.shape == (1, 8, 8)
    total = sum(((16 + n) // 8) * ((20 - n) // 8) for n in range(9))
    assert sum(made.understood.rows.values()) == total


LOST = "of the pixels lie in no patch, at the right and below"


@pytest.mark.parametrize(
    ("size", "options", "told"),
    [
        ((25, 25), Options(patch=(8, 8)), [f"8% {LOST}"]),
        ((20, 16), Options(patch=(8, 8)), [f"20% {LOST}; --patch 10x8 would leave out 0%"]),
        ((25, 25), Options(patch=(6, 6)), [f"8% {LOST}"]),
        ((250, 250), Options(patch=(64, 64)), [f"41% {LOST}; --patch 62x62 would leave out 2%"]),
        ((30, 30), Options(patch=(8, 8), stride=(10, 10)), [f"36% {LOST}; --patch 7x7 would leave out 13%"]),
        ((20, 16), Options(patch=(8, 8), stride=(6, 8)), []),
        ((16, 16), Options(patch=(8, 8)), []),
        ((25, 25), Options(patch=(8, 8), count=3), []),
    ],
)
def test_pixels_in_no_patch_are_told(size: tuple[int, int], options: Options, told: list[str], tmp_path: Path) -> None:
    found = inspect(pictures(tmp_path / "in", noise(9, *size)), options)
    assert [note for note in found.notes if "no patch" in note] == told


def test_frames_of_a_movie_are_parted_in_time(tmp_path: Path) -> None:
    movie = np.arange(40 * 6 * 5, dtype=np.uint16).reshape(40, 6, 5)
    tifffile.imwrite(tmp_path / "a.tif", movie, photometric="minisblack")
    made = prepare(tmp_path / "a.tif", tmp_path / "out", Options(split="time"))
    np.testing.assert_array_equal(stored(made, "train")[:, 0], movie[:34])
    np.testing.assert_array_equal(stored(made, "test")[:, 0], movie[34:])
    assert stored(made, "train").dtype == np.uint16
    assert made.understood.range == (0, 1199)


def test_depths_and_times_are_kept(tmp_path: Path) -> None:
    hyper = np.arange(5 * 2 * 3 * 4, dtype=np.uint16).reshape(5, 2, 1, 3, 4)
    tifffile.imwrite(tmp_path / "a.tif", hyper, imagej=True, metadata={"axes": "TZCYX"})
    made = prepare(tmp_path / "a.tif", tmp_path / "out", Options(split="time"))
    assert stored(made, "train", "origin/t").tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert stored(made, "train", "origin/z").tolist() == [0, 1] * 4


@pytest.mark.parametrize(("files", "kind", "held"), [(3, "blocks", [4, 9]), (8, "file", list(range(10)))])
def test_several_movies(files: int, kind: str, held: list[int], tmp_path: Path) -> None:
    for number in range(files):
        tifffile.imwrite(tmp_path / f"{number}.tif", noise(10, 6, 5), photometric="minisblack")
    made = prepare([tmp_path / f"{number}.tif" for number in range(files)], tmp_path / "out", Options(held_out=0.2))
    assert made.understood.split["kind"] == kind
    rows, sources = stored(made, "test", "origin/row"), stored(made, "test", "origin/source")
    assert sorted(set(rows.tolist())) == held
    assert set(sources.tolist()) == (set(range(files)) if kind == "blocks" else {6, 7})


def test_pictures_that_follow_one_another_are_seen_to_be_a_movie(tmp_path: Path) -> None:
    drift = np.cumsum(RANDOM.normal(0, 4, (60, 8, 8)), axis=0)
    movie = np.clip(128 + drift, 0, 255).astype(np.uint8)
    assert inspect(pictures(tmp_path / "a", movie)).split["kind"] == "blocks"
    assert inspect(pictures(tmp_path / "b", RANDOM.permutation(movie))).split["kind"] == "random"


@pytest.mark.parametrize("name", ["drift", "noise"])
def test_of_classes_that_are_movies_stretches_of_each_are_held_out(name: str, tmp_path: Path) -> None:
    """Sorted by class alone, neighbours are of one class, and no movie."""
    for number, of in enumerate("ab"):
        step = np.cumsum(RANDOM.normal(0, 6, (40, 8, 8)), axis=0) if name == "drift" else noise(40, 8, 8) / 16
        pictures(tmp_path / "in" / of, np.clip(80 + 60 * number + step, 0, 255).astype(np.uint8))
    made = prepare(tmp_path / "in", tmp_path / "out", Options(held_out=0.25))
    rows, labels = stored(made, "test", "origin/row"), stored(made, "test", "label")
    assert made.understood.split["kind"] == ("blocks" if name == "drift" else "random")
    if name == "drift":
        expected = [40 * of + 8 * fifth + at for of in (0, 1) for fifth in range(5) for at in (6, 7)]
        assert rows.tolist() == expected
        assert labels.tolist() == [0] * 10 + [1] * 10
        assert "in 5 places of each class" in made.understood.split["why"]


@pytest.mark.parametrize("drifts", [True, False])
def test_frames_with_classes_in_any_order_are_looked_at(drifts: bool, tmp_path: Path) -> None:
    """As the state of an animal in each frame; a stretch may hold any."""
    movie = np.cumsum(RANDOM.normal(0, 1, (60, 8, 8)), axis=0) if drifts else RANDOM.normal(0, 1, (60, 8, 8))
    np.savez(tmp_path / "a.npz", data=movie, label=RANDOM.integers(0, 2, 60))
    split = inspect(tmp_path / "a.npz", Options(held_out=0.25)).split
    assert split["kind"] == ("blocks" if drifts else "random")
    assert ("neighbouring images in 5 places: " in split["why"]) == drifts


LISTS = {
    "caffe": ("in/2.png 7\nin/0.png 3\n\nin/19.png 7\n", [2, 0, 19], [7, 3, 7]),
    "words": ("in/2.png dog\nin/0.png cat\nin/19.png dog\n", [2, 0, 19], [1, 0, 1]),
    "commas": ("in/2.png,7\nin/0.png,3\nin/19.png,7\n", [2, 0, 19], [7, 3, 7]),
    "blank": ("in/a b.png 7\nin/0.png 3\n", [20, 0], [7, 3]),
    "alone": ("in/2.png\nin/0.png\nin/19.png\n", [2, 0, 19], None),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("kind", [None, "images"])
def test_lists_of_pictures_and_labels(name: str, kind: str | None, tmp_path: Path) -> None:
    text, order, labels = LISTS[name]
    images = noise(21, 8, 6)
    pictures(tmp_path / "in", images, [*(f"{number}.png" for number in range(20)), "a b.png"])
    (tmp_path / "list.txt").write_text(text)
    made = prepare(tmp_path / "list.txt", tmp_path / "out", Options(split="none"), kind=kind)
    np.testing.assert_array_equal(stored(made, "train")[:, 0], images[order])
    told = made.understood
    assert told.sources[0]["path"] == str(tmp_path / "list.txt")
    if labels is None:
        assert told.labels is None
        return
    assert stored(made, "train", "label").tolist() == labels
    assert told.labels is not None
    assert told.labels["from"] == "the list"
    assert told.labels["classes"] == (["cat", "dog"] if name == "words" else ["3", "7"])


def test_what_a_list_names_and_is_not_there_is_told(tmp_path: Path) -> None:
    pictures(tmp_path / "in", noise(2, 8, 6))
    (tmp_path / "list.txt").write_text("in/0.png 1\nin/7.png 2\n")
    with pytest.raises(DataError, match=r"list.txt: its picture 'in/7.png' does not exist"):
        inspect(tmp_path / "list.txt")


STEPS: dict[str, tuple[Options, Any]] = {
    "crop": (Options(crop=(4, 2)), lambda images: images[:, :, 2:6, 3:5]),
    "pad": (Options(pad=(10, 9)), lambda images: np.pad(images, ((0, 0), (0, 0), (1, 1), (0, 1)))),
    "channels": (Options(channels=(2, 0)), lambda images: images[:, [2, 0]]),
    "every": (Options(every=3), lambda images: images[::3]),
    "resize": (Options(resize=(4, 4)), lambda images: np.rint(images.reshape(-1, 3, 4, 2, 4, 2).mean((3, 5)))),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps(name: str, tmp_path: Path) -> None:
    options, expected = STEPS[name]
    images = np.tile(noise(12, 1, 1, 3), (1, 8, 8, 1)) if name == "resize" else noise(12, 8, 8, 3)
    made = prepare(pictures(tmp_path / "in", images), tmp_path / "x.h5", options)
    wanted = expected(np.moveaxis(images, -1, 1))
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["data"][()], wanted)
    assert made.test is None
    assert made.understood.rows == {"train": len(wanted)}


def test_grey_is_the_luminance_rounded(tmp_path: Path) -> None:
    images = noise(12, 8, 8, 3)
    prepare(pictures(tmp_path / "in", images), tmp_path / "x.h5", Options(grey=True))
    exact = images[..., 0] * 0.299 + images[..., 1] * 0.587 + images[..., 2] * 0.114
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["data"].shape == (12, 1, 8, 8)
        assert np.abs(file["data"][:, 0] - exact).max() <= 0.5 + 1e-9


def test_rgb_repeats_grey_and_leaves_colours(tmp_path: Path) -> None:
    grey, colours = noise(1, 4, 4)[0], noise(1, 4, 4, 3)[0]
    folder = pictures(tmp_path / "in", [grey, colours])
    prepare(folder, tmp_path / "x.h5", Options(rgb=True))
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["data"][0], np.stack([grey] * 3))
        np.testing.assert_array_equal(file["data"][1], np.moveaxis(colours, -1, 0))


REFUSED: dict[str, tuple[list[Any], Options, str]] = {
    "sizes": ([noise(1, 8, 8)[0]] * 3 + [noise(1, 9, 8)[0]], Options(),
              r"of 2 sizes: 1x8x8 \(3, in/0\.png\), 1x9x8 \(1, in/3\.png\); make them alike with --resize"),
    "colours": ([noise(1, 8, 8)[0], noise(1, 8, 8, 3)[0]], Options(), "make them alike with --grey or --rgb"),
    "bits": ([noise(1, 8, 8)[0]] * 2 + [noise(1, 8, 8)[0].astype(np.uint16)], Options(),
             r"most pictures are of uint8, but 1 of uint16 \(2\.png\)"),
    "crop": ([noise(1, 8, 8)[0]] * 2, Options(crop=(9, 9)), r"has 8x8 pixels, less than crop 9x9"),
    "pad": ([noise(1, 8, 8)[0]] * 2, Options(pad=(7, 7)), r"has 8x8 pixels, more than pad 7x7"),
    "patch": ([noise(1, 8, 8)[0]] * 2, Options(patch=(16, 16)), r"has 8x8 pixels, less than patch 16x16"),
    "channels": ([noise(1, 8, 8)[0]] * 2, Options(channels=(1,)), r"has 1 channel\(s\), 0 to 0, not 1"),
    "one": ([noise(1, 8, 8)[0]], Options(), r"there is 1 image; to learn and to test needs two"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_told_with_what_to_do(name: str, tmp_path: Path) -> None:
    images, options, message = REFUSED[name]
    with pytest.raises(DataError, match=message):
        inspect(pictures(tmp_path / "in", images), options)


def test_damaged_pictures_are_told_by_name_and_left_out_when_asked(tmp_path: Path) -> None:
    images = noise(20, 40, 40)
    folder = pictures(tmp_path / "in", images)
    (folder / "3.png").write_bytes(b"no picture")
    (folder / "5.png").write_bytes((folder / "5.png").read_bytes()[:-500])
    with pytest.raises(DataError, match=r"3\.png: is no readable image.*--skip-damaged leaves it out"):
        prepare(folder, tmp_path / "out")
    (folder / "3.png").write_bytes((folder / "4.png").read_bytes())
    with pytest.raises(DataError, match=r"5\.png: is no readable image"):  # seen when its pixels are read
        prepare(folder, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))
    (folder / "7.png").unlink()
    (folder / "7.png").symlink_to("nowhere")
    made = prepare(folder, tmp_path / "out", Options(skip_damaged=True))
    assert sum(made.understood.rows.values()) == 18
    assert [name for name, _ in made.understood.skipped] == ["5.png", "7.png"]
    rows = np.concatenate([stored(made, part, "origin/row") for part in ("train", "test")])
    assert sorted(rows.tolist()) == [n for n in range(20) if n not in (5, 7)]
    assert any("left out   2 damaged: 5.png, 7.png" in line for line in made.understood.lines())


def test_nan_is_told_replaced_or_left_out(tmp_path: Path) -> None:
    images = RANDOM.normal(size=(20, 6, 5)).astype(np.float32)
    images[11, 2, 3] = np.nan
    images[12, 0, 0] = np.inf
    folder = tmp_path / "in"
    folder.mkdir()
    for number, image in enumerate(images):
        tifffile.imwrite(folder / f"{number}.tif", image, metadata=None)
    with pytest.raises(DataError, match=r"1[12]\.tif: 1 of 30 values are (NaN|infinite); --nan 0 puts"):
        prepare(folder, tmp_path / "out")
    made = prepare(folder, tmp_path / "x.h5", Options(nan=0.5))
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["data"][:, 0], np.where(np.isfinite(images), images, np.float32(0.5)))
    made = prepare(folder, tmp_path / "out", Options(skip_damaged=True))
    assert [name for name, _ in made.understood.skipped] == ["11.tif", "12.tif"]


def test_one_value_throughout_and_copies_on_both_sides_are_told(tmp_path: Path) -> None:
    images = noise(10, 6, 6)
    images[4] = 7
    folder = pictures(tmp_path / "in", np.concatenate([images, images]))
    made = prepare(folder, tmp_path / "out", Options(held_out=0.5, split="time"))
    notes = " ".join(made.understood.notes)
    assert "2 images are of one value throughout" in notes
    assert "10 test images stand among the training images, byte for byte" in notes
    alike = inspect(pictures(tmp_path / "b", np.full((4, 6, 6), 9, np.uint8)))
    assert any("all values of the sample are 9" in note for note in alike.notes)


NORMALISED = {"range": (3.0, 1 / 97), "zscore": (51.5, 1 / np.arange(3, 101).std()), "none": (0.0, 1.0)}


@pytest.mark.parametrize("name", NORMALISED)
def test_values_are_scaled_as_asked_and_stored_as_they_are(name: str, tmp_path: Path) -> None:
    image = np.arange(3, 101, dtype=np.uint16).reshape(7, 14)
    tifffile.imwrite(tmp_path / "a.tif", np.stack([image] * 4), photometric="minisblack")
    made = prepare(tmp_path / "a.tif", tmp_path / "out", Options(normalise=name))
    scaling = made.understood.scaling
    assert (scaling.offset, scaling.scale) == pytest.approx(NORMALISED[name], rel=1e-6)
    np.testing.assert_array_equal(stored(made, "train")[0, 0], image)


def test_nothing_of_somebody_is_replaced_unasked(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", noise(5, 4, 4))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train.h5").write_text("mine")
    with pytest.raises(DataError, match=r"out: train\.h5 would be replaced"):
        prepare(folder, tmp_path / "out")
    assert (tmp_path / "out" / "train.h5").read_text() == "mine"
    prepare(folder, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "train.h5").read_bytes() != b"mine"


def test_what_is_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures(tmp_path / "in", noise(20, 4, 4))
    monkeypatch.setattr(write_module, "BLOCK", 32)

    def stop(done: int, total: int) -> None:
        if done > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(folder, tmp_path / "out", progress=stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures(tmp_path / "in", noise(20, 10, 10))
    options = Options(patch=(4, 4), stride=(3, 3))
    first = prepare(folder, tmp_path / "a", options)
    monkeypatch.setattr(write_module, "BLOCK", 100)
    second = prepare(folder, tmp_path / "b", options)
    assert (first.folder / "train.h5").read_bytes() == (second.folder / "train.h5").read_bytes()


def test_a_disk_that_is_full_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pictures(tmp_path / "in", noise(20, 4, 4))
    monkeypatch.setattr(write_module.shutil, "disk_usage", lambda path: type("", (), {"free": 100})())
    with pytest.raises(DataError, match=r"GiB are needed there, 0\.0 GiB are free"):
        prepare(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["train.txt", "test.txt", "all.txt", "train.h5", "images.json"])
def test_what_somebody_has_there_stays(name: str, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", noise(20, 4, 4))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(DataError, match=f"{name} would be replaced"):
        prepare(folder, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {name}
    assert (tmp_path / "out" / name).read_text() == "mine"


@pytest.mark.parametrize("split", ["random", "file"])
def test_what_tells_of_all_appears_last(split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill in between nobody takes a part for the whole."""
    paths = [tmp_path / f"{number}.h5" for number in range(4)]
    for path in paths:
        with h5py.File(path, "w") as file:
            file["data"] = noise(10, 1, 6, 5)
    replace, named = os.replace, list[str]()
    monkeypatch.setattr(os, "replace", lambda old, new: (named.append(Path(new).name), replace(old, new)))
    prepare(paths, tmp_path / "out", Options(split=split))
    assert named[-1] == "images.json"
    assert len(named) == (6 if split == "random" else 4)


def test_files_that_need_no_change_are_named_and_not_copied(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.h5" for number in range(4)]
    for path in paths:
        with h5py.File(path, "w") as file:
            file["data"], file["label"] = noise(10, 1, 6, 5), np.arange(10)
    made = prepare(paths, tmp_path / "out", Options(split="file"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"train.txt", "test.txt", "all.txt", "images.json"}
    assert open_rows(tmp_path / "out" / "all.txt").total == 40
    assert made.train.read_text().split() == [str(path) for path in paths[:3]]
    assert made.test is not None
    assert made.test.read_text().split() == [str(paths[3])]
    assert open_rows(made.train).total == made.understood.rows["train"] == 30
    assert "nothing is copied" in made.understood.notes[-1]
    assert Prepared.load(tmp_path / "out") == made
    whole = prepare(paths[0], tmp_path / "one", Options(split="none"))
    assert (whole.train.read_text(), whole.test) == (f"{paths[0]}\n", None)
    for number, other in enumerate([Options(split="file", every=2), Options(split="time"), Options(crop=(2, 2))]):
        prepare(paths, tmp_path / f"copy{number}", other)
        assert (tmp_path / f"copy{number}" / "train.h5").exists()


@pytest.mark.parametrize(("text", "size"), [("64x96", (64, 96)), ("64", (64, 64))])
def test_sizes_are_height_and_width(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "3x", "0x4", "axb", "1x2x3", "-1", "1e3"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="must be HEIGHTxWIDTH"):
        parse_size(text, "--crop")


@pytest.mark.parametrize(
    "wrong",
    [{"split": "x"}, {"held_out": 0.0}, {"held_out": 1.0}, {"every": 0}, {"grey": True, "rgb": True}, {"count": 3},
     {"stride": (2, 2)}, {"patch": (2, 2), "stride": (1, 1), "count": 2}, {"normalise": "x"}, {"crop": (0, 3)},
     {"split": "region"}],
)  # fmt: skip
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        Options(**wrong)


def test_patches_of_sources_of_other_sizes_are_all_counted(tmp_path: Path) -> None:
    stacks = {"b": np.arange(3 * 64, dtype=np.float32).reshape(3, 8, 8), "a": np.full((4, 10, 4), 5, np.float32)}
    for name, stack in stacks.items():
        np.save(tmp_path / f"{name}.npy", stack)
    options = Options(patch=(4, 4), stride=(2, 2), split="none")
    made = prepare([tmp_path / "b.npy", tmp_path / "a.npy"], tmp_path / "out", options)
    assert made.understood.rows == {"train": 3 * 9 + 4 * 4}
    with h5py.File(tmp_path / "out/train.h5") as file:
        assert (file["data"][27:] == 5).all()


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


@pytest.mark.parametrize("rename", range(1, 11))
@pytest.mark.parametrize("ends", ["kill", "error"])
def test_lists_never_name_an_old_file_and_a_new_one(
    ends: str, rename: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "a.npy", noise(20, 8, 6))
    np.save(tmp_path / "b.npy", noise(30, 8, 6))
    prepare(tmp_path / "b.npy", tmp_path / "new")
    old, new = (kept(prepare(tmp_path / name, tmp_path / "out", overwrite=True).folder) for name in ("b.npy", "a.npy"))
    count, real = 0, os.replace

    def replace(source: Path, target: Path) -> None:
        nonlocal count
        count += 1
        if count == rename:
            if ends == "kill":
                monkeypatch.setattr(os, "replace", lambda *names: os._exit(9))
                os._exit(9)
            raise OSError(5, "Input/output error", str(target))
        real(source, target)

    def again() -> None:
        monkeypatch.setattr(os, "replace", replace)
        prepare(tmp_path / "b.npy", tmp_path / "out", overwrite=True)

    if ends == "error":
        with contextlib.suppress(DataError):
            again()
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            copy = os.fork()
        if not copy:
            try:
                again()
            finally:
                os._exit(0)
        os.waitpid(copy, 0)
    monkeypatch.setattr(os, "replace", real)
    found = kept(tmp_path / "out")
    mixed = {name for name in ("train.h5", "test.h5") if found[name] == old[name]}
    if len(mixed) == 1:
        assert not {"train.txt", "test.txt", "all.txt", "images.json"} & found.keys()
    elif ends == "error" and not mixed:
        assert found == new
