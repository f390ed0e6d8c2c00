"""Axes that a person names."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from deepcae.errors import DataError
from deepcae.prepare import Options, Prepared, inspect, prepare


def stored(made: Prepared) -> np.ndarray:
    with h5py.File(made.folder / "train.h5") as file:
        return np.asarray(file["data"])


def test_axes_that_a_person_names_take_the_place_of_the_files(tmp_path: Path) -> None:
    pages = np.random.default_rng(3).integers(0, 999, (12, 10, 8)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "plain.tif", pages, photometric="minisblack")
    tifffile.imwrite(tmp_path / "packed.tif", pages, photometric="minisblack", compression="zlib")
    tifffile.imwrite(tmp_path / "imagej.tif", pages.reshape(3, 4, 10, 8), imagej=True, metadata={"axes": "TZYX"})
    for name in ("plain", "packed"):
        path = tmp_path / f"{name}.tif"
        made = prepare(path, tmp_path / name, Options(axes="cyx", split="none"))
        np.testing.assert_array_equal(stored(made)[0], pages)
        turned = prepare(path, tmp_path / f"{name}-turned", Options(axes="txy", split="none"))
        np.testing.assert_array_equal(stored(turned)[:, 0], pages.swapaxes(1, 2))
        last = prepare(path, tmp_path / f"{name}-last", Options(axes="yxt", split="none"))
        np.testing.assert_array_equal(stored(last)[:, 0], np.moveaxis(pages, -1, 0))
    other = inspect(tmp_path / "imagej.tif", Options(axes="ztyx"))
    assert (other.count, other.shape) == (12, (1, 10, 8))
    channels = inspect(tmp_path / "imagej.tif", Options(axes="tcyx"))
    assert (channels.count, channels.shape) == (3, (4, 10, 8))
    with pytest.raises(DataError, match=r"its axes are 'yx', but it has 3 axes"):
        inspect(tmp_path / "plain.tif", Options(axes="yx"))


def test_pictures_have_no_axes_to_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((10, 8), np.uint8), photometric="minisblack")
    with pytest.raises(DataError, match="picture files tell their axes themselves: leave --axes out"):
        inspect(tmp_path / "a.tif", Options(axes="yx"))
