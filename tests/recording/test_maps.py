"""Codes and errors of patches stand where the patches were cut, whatever the split and the order of the files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from deepcae.cli.recording import _of_maps
from deepcae.errors import DataError
from deepcae.recording import maps
from deepcae.recording.maps import lay, write_maps
from deepcae.recording.origin import Origins, data_of, origins_of
from deepcae.trained.examples import Examples, open_examples
from deepcae.trained.network import Trained

RNG = np.random.default_rng(5)
Known, Prepared = Callable[..., Trained], Callable[..., Path]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are tested with their arrays, in tests/viz."""
    monkeypatch.setattr(maps._Writing, "pictures", lambda self: None)


def opened(trained: Trained, data: Path) -> tuple[Trained, Examples, Origins]:
    place = data_of(trained, data)
    return trained, open_examples(trained, place), origins_of(place)


def by_hand(stack: np.ndarray, patch: tuple[int, int], stride: tuple[int, int], shift: float) -> tuple[np.ndarray, ...]:
    """Maps of images (n, h, w) whose code is a patch's mean, pixel by pixel."""
    codes, count = np.zeros(stack.shape), np.zeros(stack.shape)
    for n, image in enumerate(stack):
        for y in range(0, stack.shape[1] - patch[0] + 1, stride[0]):
            for x in range(0, stack.shape[2] - patch[1] + 1, stride[1]):
                area = (n, slice(y, y + patch[0]), slice(x, x + patch[1]))
                codes[area] += image[area[1:]].mean()
                count[area] += 1
    with np.errstate(invalid="ignore"):
        codes = codes / count
    return codes, np.where(count > 0, 0.5 * shift**2, np.nan)


@pytest.mark.parametrize("split", ["random", "time", "none"])
@pytest.mark.parametrize(("patch", "stride"), [((4, 5), (4, 5)), ((4, 5), (2, 3)), ((3, 3), (1, 1))])
def test_codes_and_errors_lie_where_the_patches_were_cut(
    split: str, patch: tuple[int, int], stride: tuple[int, int], tmp_path: Path, known: Known, prepared: Prepared
) -> None:
    stack = RNG.random((9, 11, 13), dtype=np.float32)
    np.save(tmp_path / "x.npy", stack)
    sizes = ["--patch", f"{patch[0]}x{patch[1]}", "--stride", f"{stride[0]}x{stride[1]}"]
    data = prepared(tmp_path / "x.npy", *sizes, "--split", split)
    if split == "none":
        (data / "test.txt").write_text("train.h5\n")
    told = write_maps(*opened(known(data, shift=0.25), data), tmp_path / "maps")
    codes, error = by_hand(stack, patch, stride, 0.25)
    np.testing.assert_allclose(np.load(tmp_path / "maps/codes.npy")[:, 0], codes, atol=1e-6)
    np.testing.assert_allclose(np.load(tmp_path / "maps/error.npy"), error, atol=1e-6)
    assert told["bare_pixels"] == np.isnan(codes).sum()
    assert told["mean_error"] == pytest.approx(0.5 * 0.25**2, abs=1e-6)
    for name in ("codes", "error"):
        with tifffile.TiffFile(tmp_path / f"maps/{name}.tif") as file:
            assert file.series[0].axes == {"codes": "TCYX", "error": "TYX"}[name]
            np.testing.assert_array_equal(
                file.asarray().reshape(-1), np.load(tmp_path / f"maps/{name}.npy").reshape(-1)
            )


def test_the_lower_part_that_was_held_out_lies_below(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    stack = RNG.random((2, 20, 8), dtype=np.float32)
    np.save(tmp_path / "x.npy", stack)
    data = prepared(tmp_path / "x.npy", "--patch", "4x4", "--split", "region", "--axes", "nyx")
    told = write_maps(*opened(known(data), data), tmp_path / "maps")
    assert "gap" not in told
    np.testing.assert_allclose(
        np.load(tmp_path / "maps/codes.npy")[:, 0], by_hand(stack, (4, 4), (4, 4), 0)[0], atol=1e-6
    )


def test_the_gap_above_the_part_that_was_held_out_is_named(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    np.save(tmp_path / "x.npy", RNG.random((2, 22, 9), dtype=np.float32))
    data = prepared(tmp_path / "x.npy", "--patch", "4x4", "--split", "region", "--axes", "nyx")
    opened_now = opened(known(data), data)
    told = write_maps(*opened_now, tmp_path / "maps")
    bare = np.isnan(np.load(tmp_path / "maps/error.npy")[0]).all(axis=1)
    first, last = told["gap"]
    assert bare[first : last + 1].all()
    assert not bare[first - 1]
    assert not bare[last + 1]
    assert f"y {first} to {last} is the gap between the patches to train" in "".join(_of_maps(told))
    trained, examples, origins = opened_now
    laid = next(lay(trained, examples, origins, origins.order))
    writing = maps._Writing(trained, origins, tmp_path, origins.order, 1)
    assert f"y {first} to {last}: gap above the held-out part" in writing._title(laid)


def test_each_source_has_files_of_its_own_and_the_table_names_the_images(
    tmp_path: Path, known: Known, prepared: Prepared
) -> None:
    sizes = {"b.npy": (3, 8, 8), "a.npy": (4, 10, 6)}
    stacks = {name: RNG.random(size, dtype=np.float32) for name, size in sizes.items()}
    for name, stack in stacks.items():
        np.save(tmp_path / name, stack)
    data = prepared(tmp_path / "b.npy", tmp_path / "a.npy", "--patch", "4x4", "--stride", "2x2", "--split", "random")
    write_maps(*opened(known(data), data), tmp_path / "maps")
    for number, stack in enumerate(stacks.values()):
        wanted = by_hand(stack, (4, 4), (2, 2), 0)[0]
        np.testing.assert_allclose(np.load(tmp_path / f"maps/00{number}_codes.npy")[:, 0], wanted, atol=1e-6)
    with (tmp_path / "maps/images.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(Path(line["source"]).name, line["row"]) for line in lines] == [
        *(("b.npy", str(row)) for row in range(3)),
        *(("a.npy", str(row)) for row in range(4)),
    ]


def test_each_nth_image_alone_is_laid_out(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    stack = RNG.random((10, 8, 8), dtype=np.float32)
    np.save(tmp_path / "x.npy", stack)
    data = prepared(tmp_path / "x.npy", "--patch", "4x4")
    write_maps(*opened(known(data), data), tmp_path / "maps", every=4)
    wanted = by_hand(stack[::4], (4, 4), (4, 4), 0)[0]
    np.testing.assert_allclose(np.load(tmp_path / "maps/codes.npy")[:, 0], wanted, atol=1e-6)


def test_channels_add_up_in_the_error_and_each_has_its_code(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    stack = RNG.integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", stack)
    data = prepared(tmp_path / "x.npy", "--patch", "4x4", "--axes", "ncyx")
    write_maps(*opened(known(data, "scale: 0.5", shift=1), data), tmp_path / "maps")
    codes, error = np.load(tmp_path / "maps/codes.npy"), np.load(tmp_path / "maps/error.npy")
    assert codes.shape == (5, 3, 8, 8)
    np.testing.assert_allclose(codes[2, 1, :4, 4:], stack[2, 1, :4, 4:].mean() / 2, rtol=1e-5)
    np.testing.assert_allclose(error, 3 * 0.5, rtol=1e-5)


def test_data_that_do_not_say_where_they_come_from_are_told_in_one_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.zeros((3, 1, 4, 4), np.float32)
    with pytest.raises(DataError, match=r"does not say where its rows come from .*deepcae data any") as told:
        origins_of(tmp_path / "x.h5")
    assert "\n" not in str(told.value)


def test_maps_need_room(tmp_path: Path, known: Known, prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", RNG.random((4, 8, 8), dtype=np.float32))
    data = prepared(tmp_path / "x.npy", "--patch", "4x4")
    monkeypatch.setattr("deepcae.recording.stacks.shutil.disk_usage", lambda place: type("", (), {"free": 10}))
    with pytest.raises(DataError, match="GB are free; --every N"):
        write_maps(*opened(known(data), data), tmp_path / "maps")
    assert not list(tmp_path.glob("maps/*"))


def test_what_stood_there_is_kept_and_an_earlier_map_is_replaced(
    tmp_path: Path, known: Known, prepared: Prepared
) -> None:
    np.save(tmp_path / "x.npy", RNG.random((4, 8, 8), dtype=np.float32))
    data = prepared(tmp_path / "x.npy", "--patch", "4x4")
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/codes.npy").write_bytes(b"somebody's")
    with pytest.warns(UserWarning, match="kept as"):
        write_maps(*opened(known(data), data), tmp_path / "maps")
    assert (tmp_path / "maps/codes.npy~").read_bytes() == b"somebody's"
    write_maps(*opened(known(data, gain=2.0), data), tmp_path / "maps")
    assert not (tmp_path / "maps/error.npy~").exists()
