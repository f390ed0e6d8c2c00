"""Properties of splits and patches, whatever their numbers."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepcae.errors import DataError
from deepcae.prepare import inspect, prepare
from deepcae.prepare.options import Options
from deepcae.prepare.patches import cut, places_in
from deepcae.prepare.split import Part, part_of, rows_of_region, split_images

FILES = st.lists(st.integers(1, 30), min_size=1, max_size=12).filter(lambda sizes: sum(sizes) > 1)
PART = st.floats(0.01, 0.99)


def groups_of(sizes: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


@given(FILES, PART, st.integers(0, 2**40), st.sampled_from(["random", "time", "blocks", "file", "auto"]), st.booleans())
@settings(max_examples=150)
def test_each_image_is_on_one_side_and_both_have_some(
    sizes: list[int], part: float, seed: int, kind: str, is_series: bool
) -> None:
    groups, options = groups_of(sizes), Options(split=kind, held_out=part, seed=seed)
    if kind == "file" and len(sizes) < 2:
        with pytest.raises(DataError, match="needs two files"):
            split_images(groups, is_series, "", options)
        return
    found = split_images(groups, is_series, "", options)
    again = split_images(groups, is_series, "", options)
    assert found.is_test.shape == groups.shape
    assert 0 < found.held < len(groups)
    np.testing.assert_array_equal(found.is_test, again.is_test)
    if found.kind == "file":
        for file in range(len(sizes)):
            assert len(set(found.is_test[groups == file].tolist())) == 1
    if found.kind == "time" and max(sizes) > 1:
        for file in range(len(sizes)):  # once held out, to the end
            assert sorted(found.is_test[groups == file].tolist()) == found.is_test[groups == file].tolist()
    if found.kind == "random":
        assert abs(found.held - len(groups) * part) <= 1


def test_planes_of_a_volume_are_held_out_all_over_it() -> None:
    """The last ones of a head are empty."""
    found = split_images(groups_of([100, 60]), True, "", Options(held_out=0.2), in_depth=True)
    assert (found.kind, found.held) == ("blocks", 32)
    for file, size in ((found.is_test[:100], 20), (found.is_test[100:], 12)):
        starts = np.flatnonzero(np.diff(file.astype(int)) == 1)
        assert file.sum() == size
        assert len(starts) == 5
        assert not file[0]
        assert not file[-1]
        assert starts[0] < len(file) / 5
        assert starts[-1] > len(file) * 3 / 5
    assert split_images(groups_of([100]), False, "", Options(), in_depth=True).kind == "random"


@pytest.mark.parametrize("kind", ["random", "time", "blocks"])
def test_no_more_are_held_out_than_are_enough_unless_one_says_so(kind: str) -> None:
    groups = np.zeros(1000, int)
    found = split_images(groups, True, "", Options(split=kind), enough=40)
    assert found.held == 40
    assert found.why.endswith("so many are enough to test with")
    for options, enough in ((Options(split=kind), 150), (Options(split=kind), None)):
        whole = split_images(groups, True, "", options, enough=enough)
        assert whole.held == 150
        assert "enough" not in whole.why
    assert split_images(groups, True, "", Options(split=kind, held_out=0.15), enough=40).held == 150


def test_another_seed_draws_others() -> None:
    drawn = [split_images(np.zeros(100, int), False, "", Options(seed=seed)).is_test for seed in (0, 1)]
    assert (drawn[0] != drawn[1]).any()


def test_files_of_classes_are_drawn_and_not_the_last() -> None:
    groups = groups_of([5] * 20)
    chosen = split_images(groups, True, "", Options(held_out=0.3), ["one"] * 20)
    assert chosen.kind == "file"
    assert chosen.held == 30
    assert not chosen.is_test[70:].all()


@pytest.mark.parametrize("seed", range(5))
def test_files_of_each_class_are_held_out(seed: int) -> None:
    classes = ["cell", "none"] * 4
    found = split_images(groups_of([20] * 8), True, "", Options(seed=seed), classes)
    held = [classes[file] for file in range(8) if found.is_test[20 * file]]
    assert sorted(held) == ["cell", "none"]
    assert "of each class" in found.why


def test_of_a_class_of_few_files_not_all_are_held_out() -> None:
    classes = ["many"] * 9 + ["few"] * 2
    found = split_images(groups_of([10] * 11), True, "", Options(held_out=0.5), classes)
    assert 10 <= found.is_test[90:].sum() <= 10
    assert found.held == 60


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.one_of(st.none(), st.integers(1, 9)),
    st.integers(0, 5),
)
@settings(max_examples=150)
def test_patches_lie_within_the_image(
    size: tuple[int, int], patch: tuple[int, int], count: int | None, seed: int
) -> None:
    options = Options(patch=patch, count=count, seed=seed)
    places = places_in(size, options, 3)
    image = np.arange(size[0] * size[1]).reshape(1, *size)
    assert cut(image, places, patch).shape == (len(places), 1, *patch)
    fits = size[0] >= patch[0] and size[1] >= patch[1]
    grid = (size[0] // patch[0]) * (size[1] // patch[1])
    assert len(places) == (0 if not fits else grid if count is None else count)
    if fits:
        assert (places >= 0).all()
        assert (places + patch <= size).all()
    np.testing.assert_array_equal(places, places_in(size, options, 3))


@given(st.integers(2, 200), st.integers(1, 60), PART)
@settings(max_examples=100)
def test_regions_do_not_meet_and_hold_patches(height: int, patch: int, part: float) -> None:
    options = Options(patch=(patch, patch), held_out=part)
    try:
        train, test = rows_of_region(height, patch, options)
    except DataError:
        assert height < 2 * patch or height * (1 - part) < patch + 1
        return
    assert train.stop <= test.start
    assert min(train.stop - train.start, test.stop - test.start) >= patch
    assert test.stop == height


def test_folders_train_and_test_are_the_split(tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / "in" / ("train" if number % 3 else "val") / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 7), number, np.uint8)).save(path)
    made = prepare(tmp_path / "in", tmp_path / "out")
    assert made.understood.split["kind"] == "folders"
    assert made.understood.labels["classes"] == ["a", "b"]  # type: ignore[index]
    for part, numbers in (("train", {1, 2, 4, 5, 7, 8, 10, 11}), ("test", {0, 3, 6, 9})):
        with h5py.File(tmp_path / "out" / f"{part}.h5") as file:
            found = file["data"][:, 0, 0, 0]
            assert set(found.tolist()) == numbers
            np.testing.assert_array_equal(file["label"][()], found % 2)
    other = prepare(tmp_path / "in", tmp_path / "other", Options(split="random"))
    assert other.understood.split["kind"] == "random"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train-images-idx3-ubyte", Part("", "train")),
        ("t10k-images.idx3-ubyte", Part("", "t10k")),
        ("emnist-letters-test-images-idx3-ubyte.gz", Part("emnist-letters", "test")),
        ("Mouse_Training.NPY", Part("mouse", "training")),
        ("x_val.h5", Part("x", "val")),
        ("images-idx3-ubyte", None),
        ("trained.npy", None),
        ("train_test.npy", None),
    ],
)
def test_a_files_name_says_which_part_of_what_it_is(name: str, part: Part | None) -> None:
    assert part_of(name) == part


def saved(folder: Path, **counts: int) -> Path:
    folder.mkdir()
    for name, count in counts.items():
        np.save(folder / f"{name}.npy", np.random.default_rng(count).random((count, 1, 4, 4), np.float32))
    return folder


def test_files_train_and_test_are_the_split_and_stay_where_they_lie(tmp_path: Path) -> None:
    made = prepare(saved(tmp_path / "in", a_test=5, a_train=30, b_test=6, b_train=20), tmp_path / "out")
    assert made.understood.rows == {"train": 50, "test": 11}
    assert made.understood.split == {"kind": "file", "why": "by the names of the files, train and test"}
    assert [Path(line).name for line in made.train.read_text().splitlines()] == ["a_train.npy", "b_train.npy"]


@pytest.mark.parametrize("counts", [{"test": 9, "more": 30}, {"train": 9, "train_2": 9}, {"test": 9, "val": 9}])
def test_files_that_are_not_all_parts_of_both_kinds_are_no_split(tmp_path: Path, counts: dict[str, int]) -> None:
    assert inspect(saved(tmp_path / "in", **counts)).split["kind"] == "random"


def test_several_sets_of_idx_files_are_not_mixed(tmp_path: Path) -> None:
    for name in ("digits-train", "digits-test", "letters-train", "letters-test"):
        (tmp_path / f"emnist-{name}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + b"\0\0\0\x04" * 3 + bytes(64))
    with pytest.raises(DataError, match=r"several sets \(emnist-digits, emnist-letters\).*name the files of one"):
        inspect(tmp_path)
    letters = [tmp_path / f"emnist-letters-{part}-images-idx3-ubyte" for part in ("train", "test")]
    assert inspect(letters).split["kind"] == "file"
