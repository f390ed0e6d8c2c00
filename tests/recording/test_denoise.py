"""Restored stacks: of a net that restores all, the source bit for bit; in its order, type and units."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from deepcae.errors import DataError
from deepcae.recording.denoise import Denoiser, Restored, sources_for, window_of
from deepcae.recording.stacks import require_kind
from deepcae.trained.network import Trained

RNG = np.random.default_rng(8)
Known, Prepared = Callable[..., Trained], Callable[..., Path]


def restored(trained: Trained, data: Path | None, out: Path) -> list[Restored]:
    sources, options = sources_for(trained, data)
    return [
        Denoiser(trained, options).write(source, out if len(sources) == 1 else out.with_name(f"{n}_{out.name}"))
        for n, source in enumerate(sources)
    ]


def read(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.asarray(np.load(path))
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return np.asarray(file["data"])
    return np.asarray(tifffile.imread(path))


def stack_of(dtype: str, shape: tuple[int, ...] = (9, 14, 11)) -> np.ndarray:
    if dtype == "float32":
        return RNG.normal(size=shape).astype(np.float32)
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("ending", [".tif", ".npy", ".h5"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("patch", ["", "4x4 2x3", "5x5 5x5"])
def test_a_net_that_restores_all_gives_the_source_bit_for_bit(
    ending: str, dtype: str, patch: str, tmp_path: Path, known: Known, prepared: Prepared
) -> None:
    stack = stack_of(dtype)
    tifffile.imwrite(tmp_path / "x.tif", stack, photometric="minisblack")
    words = ["--patch", patch.split()[0], "--stride", patch.split()[1]] if patch else []
    data = prepared(tmp_path / "x.tif", *words, "--split", "random")
    scale = "" if dtype == "float32" else "mean_value: 11 scale: 0.0007"
    (told,) = restored(known(data, scale), None, tmp_path / f"out{ending}")
    made = read(tmp_path / f"out{ending}")
    assert (made.dtype, made.shape) == (stack.dtype, stack.shape)
    np.testing.assert_array_equal(made, stack)
    assert told.num_clipped == 0
    assert (told.num_bare > 0) == bool(patch)


def test_only_covered_pixels_change_and_the_others_are_counted(
    tmp_path: Path, known: Known, prepared: Prepared
) -> None:
    stack = stack_of("uint16") // 2
    np.save(tmp_path / "x.npy", stack)
    data = prepared(tmp_path / "x.npy", "--patch", "4x4", "--stride", "3x2")
    (told,) = restored(known(data, "scale: 0.001", shift=0.1), None, tmp_path / "out.npy")
    wanted = stack.copy()
    wanted[:, :13, :10] += 100
    np.testing.assert_array_equal(read(tmp_path / "out.npy"), wanted)
    assert told.num_bare == 9 * (14 * 11 - 13 * 10)


def test_values_beyond_the_type_become_its_ends_and_are_counted(
    tmp_path: Path, known: Known, prepared: Prepared
) -> None:
    stack = stack_of("uint8")
    np.save(tmp_path / "x.npy", stack)
    (told,) = restored(known(prepared(tmp_path / "x.npy"), shift=30), None, tmp_path / "out.npy")
    np.testing.assert_array_equal(read(tmp_path / "out.npy"), np.minimum(stack.astype(int) + 30, 255))
    assert told.num_clipped == (stack > 225).sum() > 0
    share = 100 * told.num_clipped / stack.size
    assert told.clipped == (
        f"{told.num_clipped:,} restored values ({share:.2g} %) were clipped to 0..255, the range of uint8"
    )


def test_other_channels_and_what_a_crop_left_out_stay(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    stack = stack_of("uint8", (6, 3, 10, 12)) // 2
    np.save(tmp_path / "x.npy", stack)
    data = prepared(tmp_path / "x.npy", "--axes", "ncyx", "--channels", "2,0", "--crop", "4x6")
    restored(known(data, shift=7), None, tmp_path / "out.npy")
    wanted = stack.copy()
    wanted[:, [0, 2], 3:7, 3:9] += 7
    np.testing.assert_array_equal(read(tmp_path / "out.npy"), wanted)


def test_axes_lie_as_in_the_source(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    stack = stack_of("uint16", (5, 2, 3, 8, 9))
    tifffile.imwrite(tmp_path / "x.tif", stack, imagej=True, metadata={"axes": "TZCYX"})
    restored(known(prepared(tmp_path / "x.tif")), None, tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert (file.series[0].axes, file.series[0].shape) == ("TZCYX", stack.shape)
        np.testing.assert_array_equal(file.asarray(), stack)


def test_colours_that_stand_last_stand_last(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    stack = stack_of("uint8", (5, 8, 9, 3))
    np.save(tmp_path / "x.npy", stack)
    data = prepared(tmp_path / "x.npy")
    for name in ("out.npy", "out.tif"):
        restored(known(data), None, tmp_path / name)
        np.testing.assert_array_equal(read(tmp_path / name), stack)


def test_each_of_several_sources_and_a_stack_that_is_new(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    stacks = [stack_of("uint8", (4 + n, 6, 7)) for n in range(3)]
    for number, stack in enumerate(stacks):
        np.save(tmp_path / f"x{number}.npy", stack)
    trained = known(prepared(tmp_path / "x0.npy", tmp_path / "x1.npy"))
    restored(trained, None, tmp_path / "out.npy")
    restored(trained, tmp_path / "x2.npy", tmp_path / "2_out.npy")
    for number, stack in enumerate(stacks):
        np.testing.assert_array_equal(read(tmp_path / f"{number}_out.npy"), stack)


def test_the_source_itself_is_never_written_over(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    np.save(tmp_path / "x.npy", stack_of("uint8"))
    before = (tmp_path / "x.npy").read_bytes()
    with pytest.raises(DataError, match="the recording itself"):
        restored(known(prepared(tmp_path / "x.npy"), shift=1), None, tmp_path / "x.npy")
    assert (tmp_path / "x.npy").read_bytes() == before


def test_what_cannot_be_done_is_told(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    np.save(tmp_path / "x.npy", stack_of("uint8"))
    data = prepared(tmp_path / "x.npy", "--resize", "8x8")
    with pytest.raises(DataError, match="changed by --resize, which cannot be undone"):
        restored(known(data), None, tmp_path / "out.npy")
    (tmp_path / "x.npy").unlink()
    with pytest.raises(DataError, match=r"x\.npy: .* is not there; give DATA"):
        restored(known(data), None, tmp_path / "out.npy")
    with pytest.raises(DataError, match=r"not \.png"):
        require_kind(Path("x.png"))


def test_images_of_another_size_are_refused_by_the_size_of_one(
    tmp_path: Path, known: Known, prepared: Prepared
) -> None:
    np.save(tmp_path / "x.npy", stack_of("uint8"))
    np.save(tmp_path / "other.npy", stack_of("uint8", (9, 8, 7)))
    with pytest.raises(DataError, match=r"other\.npy: .* given are rows of shape \[1, 8, 7\]$"):
        restored(known(prepared(tmp_path / "x.npy")), tmp_path / "other.npy", tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()


def test_the_window_is_nowhere_zero_and_highest_in_the_middle() -> None:
    window = window_of((5, 8))
    assert window.min() > 0
    assert window.argmax() // 8 == 2


@pytest.mark.parametrize(
    "told", [{"rate": 12.5, "starting_time": 3.0}, {"timestamps": [0.0, *map(float, range(2, 10))]}, {}]
)
def test_nwb_has_the_stack_and_the_times_of_its_source(
    told: dict[str, Any], tmp_path: Path, known: Known, prepared: Prepared
) -> None:
    pynwb = pytest.importorskip("pynwb")
    stack, source = stack_of("uint16"), tmp_path / "x.nwb"
    if told:
        begun = datetime(2020, 1, 1, tzinfo=UTC)
        file = pynwb.NWBFile(session_description="x", identifier="x", session_start_time=begun)
        file.add_acquisition(pynwb.image.ImageSeries(name="frames", data=stack, unit="a.u.", **told))
        with pynwb.NWBHDF5IO(source, "w") as stream:
            stream.write(file)
    else:
        tifffile.imwrite(source := tmp_path / "x.tif", stack, photometric="minisblack")
    restored(known(prepared(source, "--split", "random"), "scale: 0.001"), None, tmp_path / "out.nwb")
    with pynwb.NWBHDF5IO(tmp_path / "out.nwb", "r") as stream:
        series = stream.read().processing["deepcae"]["restored"]
        np.testing.assert_array_equal(series.data[:], stack)
        assert series.data.dtype == stack.dtype
        if "timestamps" in told:
            assert series.timestamps[:].tolist() == told["timestamps"]
        else:
            assert (series.rate, series.starting_time) == pytest.approx((12.5, 3.0) if told else (1.0, 0.0))
        assert ("tells no times" in series.comments) == (not told)


def test_nwb_refuses_five_axes_before_anything_is_written(tmp_path: Path, known: Known, prepared: Prepared) -> None:
    tifffile.imwrite(tmp_path / "x.tif", stack_of("uint16", (3, 2, 2, 8, 9)), imagej=True, metadata={"axes": "TZCYX"})
    trained = known(prepared(tmp_path / "x.tif", "--split", "random"), "scale: 0.001")
    with pytest.raises(DataError, match="3x2x2x8x9; write"):
        restored(trained, None, tmp_path / "out.nwb")
    assert not (tmp_path / "out.nwb").exists()
