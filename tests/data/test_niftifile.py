"""NIfTI volumes as nibabel writes them: slices, times, scaled values, damage."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from deepcae.data import open_rows
from deepcae.errors import DataError
from deepcae.prepare import inspect


def written(path: Path, values: np.ndarray, slope: float | None = None) -> Path:
    image = nibabel.Nifti1Image(values, np.eye(4))
    if slope is not None:
        image.header.set_slope_inter(slope, 3)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", ["u1", "<i2", ">u2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 3, 2), (5, 4, 3, 1), (5, 4)])
def test_slices_are_rows(ending: str, kind: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    values = (np.arange(np.prod(shape)) % 250).astype(kind).reshape(shape)
    rows = open_rows(written(tmp_path / f"v{ending}", values))
    whole = values.reshape(*shape, *(1,) * (4 - len(shape)))
    wanted = whole.transpose(3, 2, 1, 0).reshape(-1, 1, shape[1], shape[0])  # time after time, slice after slice
    found = rows.read(slice(0, rows.total))["data"]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(rows.read(np.array([rows.total - 1, 0]))["data"], wanted[[-1, 0]])


def test_values_are_in_the_files_units(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    path = tmp_path / "v.nii"
    image = nibabel.Nifti1Image(values * 0.5 + 3, np.eye(4))
    image.header.set_data_dtype(np.int16)
    nibabel.save(image, path)  # which finds a slope of its own
    found = open_rows(path).read(slice(0, 3))["data"]
    np.testing.assert_allclose(found, (values * 0.5 + 3).transpose(2, 1, 0)[:, None], atol=0.01)
    assert any("scaled by its header" in note for note in inspect(path).notes)


def test_what_it_is_is_understood(tmp_path: Path) -> None:
    path = written(tmp_path / "v.nii.gz", np.random.default_rng(1).integers(0, 250, (12, 10, 40)).astype(np.uint8))
    understood = inspect(tmp_path)
    assert (understood.count, understood.shape, understood.split["kind"]) == (40, (1, 10, 12), "blocks")
    assert inspect(path, kind="nifti").count == 40


@pytest.mark.parametrize("keep", [100, 347, 360, 500])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_damage_is_told(keep: int, ending: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"v{ending}", np.random.default_rng(1).integers(0, 250, (20, 20, 9)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"v\.nii") as raised:
        open_rows(path).read(slice(0, 9))
    assert "\n" not in str(raised.value)


def test_no_numbers_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "v.nii", np.zeros((4, 4, 2), np.complex64))
    with pytest.raises(DataError, match="needs numbers"):
        open_rows(path)
