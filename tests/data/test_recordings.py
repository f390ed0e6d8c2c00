"""NWB, movies, MATLAB's files and HDF5 of any layout: written by their own libraries, and read back equal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from deepcae.data.contents import contents_of, open_rows
from deepcae.errors import DataError
from deepcae.prepare import Options, inspect, prepare

MOVIE = np.arange(30 * 8 * 6, dtype=np.uint16).reshape(30, 8, 6)
RANDOM = np.random.default_rng(0)


def read(path: Path, name: str = "data") -> np.ndarray:
    rows = contents_of(path).rows([name])
    return rows.read(slice(0, rows.total))[name]


def prepared(path: Path, out: Path, **options: Any) -> np.ndarray:
    prepare(path, out / "x.h5", Options(**options))
    with h5py.File(out / "x.h5") as file:
        return file["data"][()]  # type: ignore[no-any-return]


# NWB


def nwb(path: Path, *series: Any) -> Path:
    from pynwb import NWBHDF5IO, NWBFile

    file = NWBFile("a session", "id", datetime(2026, 1, 1, tzinfo=UTC))
    for each in series:
        file.add_acquisition(each)
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
    return path


def image_series(name: str, data: np.ndarray | None, **how: Any) -> Any:
    from pynwb.image import ImageSeries

    return ImageSeries(name=name, data=data, unit="n.a.", rate=10.0, **how)


def two_photon(name: str, data: np.ndarray) -> Any:
    from pynwb.device import Device
    from pynwb.ophys import ImagingPlane, OpticalChannel, TwoPhotonSeries

    plane = ImagingPlane(
        name="plane", optical_channel=OpticalChannel(name="c", description="d", emission_lambda=500.0), description="d",
        device=Device(name="microscope"), excitation_lambda=600.0, indicator="GFP", location="V1",
    )  # fmt: skip
    return TwoPhotonSeries(name=name, data=data, imaging_plane=plane, unit="n.a.", rate=10.0)


@pytest.mark.filterwarnings("ignore::Warning")  # pynwb's own, of a session without a subject or a device
def test_nwb(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(nwb(tmp_path / "a.nwb", image_series("camera", MOVIE)))[:, 0], MOVIE)
    path = nwb(tmp_path / "b.nwb", image_series("camera", MOVIE), image_series("eye", MOVIE[:, ::-1]))
    assert sorted(contents_of(path).names) == ["acquisition/camera", "acquisition/eye"]
    np.testing.assert_array_equal(read(path, "acquisition/eye")[:, 0], MOVIE[:, ::-1])
    with pytest.raises(DataError, match=r"which array holds the images.*acquisition/camera"):
        inspect(path)
    assert inspect(path, Options(dataset="acquisition/eye")).split["kind"] == "blocks"
    volumes = MOVIE.reshape(10, 8, 6, 3)
    assert "24 images" not in " ".join(inspect(nwb(tmp_path / "c.nwb", image_series("c", volumes))).notes)
    np.testing.assert_array_equal(read(tmp_path / "c.nwb"), volumes.transpose(0, 3, 1, 2))  # colours
    outside = image_series("o", None, external_file=["a.avi"], format="external", starting_frame=[0], num_samples=9)
    with pytest.raises(DataError, match=r"the frames of acquisition/o are in other files"):
        open_rows(nwb(tmp_path / "d.nwb", outside))
    with pytest.raises(DataError, match="holds no images of an acquisition"):
        open_rows(nwb(tmp_path / "e.nwb"))


def series_by_hand(path: Path, data: np.ndarray, kind: str = "TwoPhotonSeries", **how: Any) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("acquisition/plane")
        group.attrs["neurodata_type"] = kind
        group.create_dataset("data", data=data, **how)
    return path


def test_planes_of_a_volume_are_images_and_axes_may_be_given(tmp_path: Path) -> None:
    volumes = MOVIE.reshape(10, 8, 6, 3)
    path = series_by_hand(tmp_path / "a.nwb", volumes)
    np.testing.assert_array_equal(read(path)[:, 0], volumes.transpose(0, 3, 1, 2).reshape(30, 8, 6))
    turned = prepared(series_by_hand(tmp_path / "b.nwb", MOVIE), tmp_path, axes="txy")
    np.testing.assert_array_equal(turned[:, 0], MOVIE.swapaxes(1, 2))
    assert any("taken to be height x width" in note for note in inspect(tmp_path / "b.nwb").notes)


def test_links_in_nwb_are_not_followed(tmp_path: Path) -> None:
    series_by_hand(tmp_path / "a.nwb", MOVIE)
    with h5py.File(tmp_path / "b.nwb", "w") as file:
        file.create_group("acquisition")["plane"] = h5py.ExternalLink("a.nwb", "acquisition/plane")
    with pytest.raises(DataError, match="holds no images of an acquisition"):
        open_rows(tmp_path / "b.nwb")


# Costly chunks


def test_chunks_that_make_an_image_dear_are_seen_told_and_rewritten_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepcae.prepare import costly, sources

    monkeypatch.setattr(costly, "BLOCK", 20_000)
    monkeypatch.setattr(sources, "BLOCK", 20_000)
    movie = RANDOM.integers(0, 4000, (200, 30, 22), np.uint16)
    path = series_by_hand(tmp_path / "a.nwb", movie, chunks=(90, 7, 5), compression="gzip")
    understood = inspect(path)
    told = next(note for note in understood.notes if "stored in chunks" in note)
    assert "stored in chunks of 90x7x5: one image lies in 25 of them, 158 kB would be unpacked for each" in told
    reads: list[Any] = []
    original = costly.Named.fetch if hasattr(costly.Named, "fetch") else None
    assert original is None  # an attribute of each: counted at the dataset instead
    from deepcae.data.h5file import H5Array

    part = H5Array.part
    monkeypatch.setattr(H5Array, "part", lambda self, key: reads.append(key) or part(self, key))
    made = prepare(path, tmp_path / "out")
    with h5py.File(tmp_path / "out" / "train.h5") as train, h5py.File(tmp_path / "out" / "test.h5") as test:
        order = np.argsort(np.concatenate([train["origin/row"], test["origin/row"]]))
        np.testing.assert_array_equal(np.concatenate([train["data"], test["data"]])[order, 0], movie)
    assert made.understood.split["kind"] == "blocks"
    rewriting = reads[costly.SAMPLE :]  # the first look at some chunks; then each once
    covered = np.zeros(movie.shape, int)
    for key in rewriting:
        covered[key] += 1
    assert (covered == 1).all()
    assert len(rewriting) < 60  # of 75 chunks: as many at a time as there is room for
    for key in rewriting:
        assert all(each.start % chunk == 0 for each, chunk in zip(key, (90, 7, 5), strict=True))
    assert {each.name for each in (tmp_path / "out").iterdir()} == {
        "train.h5", "test.h5", "train.txt", "test.txt", "all.txt", "images.json"
    }  # fmt: skip


@pytest.mark.parametrize("chunks", [None, (10, 8, 6), (1, 8, 6), (30, 8, 6), True])
def test_other_chunks_are_no_matter(chunks: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=MOVIE, chunks=chunks)
    assert not any("chunks" in note for note in inspect(tmp_path / "a.h5").notes)
    np.testing.assert_array_equal(prepared(tmp_path / "a.h5", tmp_path)[:, 0], MOVIE)


# HDF5 and numpy's files of any layout


LAYOUTS: dict[str, tuple[Any, Any]] = {
    "nyx": (lambda images: images[:, 0], {}),
    "nyxc": (lambda images: np.moveaxis(images, 1, -1), {}),
    "cyxn": (lambda images: np.moveaxis(images, 0, -1), {"axes": "cyxn"}),
    "yxnc": (lambda images: images.transpose(2, 3, 0, 1), {"axes": "yxnc"}),
    "NCXY": (lambda images: images.swapaxes(2, 3), {"axes": "NCXY"}),
}


@pytest.mark.parametrize("ending", [".npy", ".h5", ".zarr", ".npz"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, ending: str, tmp_path: Path) -> None:
    images = RANDOM.integers(0, 256, (12, 3, 20, 16), np.uint8)
    lay, options = LAYOUTS[layout]
    path, array = tmp_path / f"a{ending}", np.ascontiguousarray(lay(images))
    if ending == ".npy":
        np.save(path, array)
    elif ending == ".npz":
        np.savez_compressed(path, array)
    elif ending == ".h5":
        with h5py.File(path, "w") as file:
            file["some/images"] = array
    else:
        import zarr

        zarr.create_array(str(path), shape=array.shape, chunks=array.shape, dtype=array.dtype)[:] = array
    expected = images[:, :1] if layout == "nyx" else images
    np.testing.assert_array_equal(prepared(path, tmp_path, **options), expected)


def test_two_readings_are_not_guessed_at(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((20, 3, 9, 3), np.uint8))
    with pytest.raises(DataError, match=r"which axis is what\? Give --axes"):
        inspect(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", RANDOM.normal(size=(50, 7)))
    assert any("50 flat rows of 7 values, no images" in note for note in inspect(tmp_path / "b.npy").notes)


def test_of_several_arrays_one_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", first=MOVIE, second=MOVIE[:, :4], third=np.zeros(3))
    with pytest.raises(DataError, match=r"Name one with --dataset: first \[30, 8, 6\], second \[30, 4, 6\]"):
        inspect(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"has no array 'fourth'; it holds first"):
        inspect(tmp_path / "a.npz", Options(dataset="fourth"))
    assert inspect(tmp_path / "a.npz", Options(dataset="second")).shape == (1, 4, 6)


def test_trials_of_behavenet_follow_one_another(tmp_path: Path) -> None:
    trials = RANDOM.integers(0, 256, (7, 5, 2, 8, 6), np.uint8)
    with h5py.File(tmp_path / "data.hdf5", "w") as file:
        for number, trial in enumerate(trials):
            file[f"images/trial_{number:04d}"] = trial
            file[f"neural/trial_{number:04d}"] = np.zeros((5, 9))
            file[f"masks/trial_{number:04d}"] = np.ones(trial.shape, np.uint8)
    made = prepare(tmp_path / "data.hdf5", tmp_path / "out")
    assert made.understood.count == 35
    assert any("masks are not applied" in note for note in made.understood.notes)
    with h5py.File(tmp_path / "out" / "train.h5") as file:
        np.testing.assert_array_equal(file["data"][()], trials[:6].reshape(30, 2, 8, 6))
        assert file["origin/sources"][2].decode().endswith("data.hdf5: images/trial_0002")
    assert made.understood.split["kind"] == "file"
    assert inspect(tmp_path / "data.hdf5", Options(dataset="images/trial_0003")).count == 5


def test_masks_of_behavenet_are_applied_where_that_is_asked_for(tmp_path: Path) -> None:
    trials = RANDOM.integers(0, 256, (3, 5, 2, 8, 6), np.uint8)
    masks = RANDOM.integers(0, 2, trials.shape, np.uint8)
    path = tmp_path / "data.hdf5"
    with h5py.File(path, "w") as file:
        for number, trial in enumerate(trials):
            file[f"images/trial_{number:04d}"] = trial
            file[f"masks/trial_{number:04d}"] = masks[number]
    made = prepare(path, tmp_path / "out", Options(masks=True, split="none"))
    assert any("masks are applied" in note for note in made.understood.notes)
    assert made.understood.options["masks"] is True
    with h5py.File(tmp_path / "out" / "train.h5") as file:
        assert file["data"].dtype == np.uint8
        np.testing.assert_array_equal(file["data"][()], (trials * masks).reshape(15, 2, 8, 6))
    with h5py.File(path, "r+") as file:
        file["masks/trial_0001"][2] = 255
    with pytest.raises(DataError, match=r"trial_0001': a mask's values must lie within 0\.\.1"):
        prepare(path, tmp_path / "odd", Options(masks=True, split="none"))
    with h5py.File(path, "r+") as file:
        del file["masks/trial_0001"]
        file["masks/trial_0001"] = masks[1, :, :1]
    with pytest.raises(DataError, match=r"masks have shape \[5, 1, 8, 6\], the images \[5, 2, 8, 6\]"):
        inspect(path, Options(masks=True))
    np.save(tmp_path / "a.npy", trials[0])
    Image.fromarray(trials[0, 0, 0]).save(tmp_path / "a.png")
    for name in ("a.npy", "a.png"):
        with pytest.raises(DataError, match="leave --masks out"):
            inspect(tmp_path / name, Options(masks=True))


# MATLAB


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64", "float32", "int16"])
def test_mat(packed: bool, dtype: str, tmp_path: Path) -> None:
    images = RANDOM.integers(0, 200, (8, 8, 30)).astype(dtype)  # h, w, n
    scipy.io.savemat(tmp_path / "a.mat", {"stack": images, "t": np.arange(30)}, do_compression=packed)
    assert sorted(contents_of(tmp_path / "a.mat").names) == ["stack", "t"]
    np.testing.assert_array_equal(read(tmp_path / "a.mat", "stack")[:, 0], np.moveaxis(images, -1, 0))
    np.testing.assert_array_equal(read(tmp_path / "a.mat", "t"), np.arange(30))
    assert contents_of(tmp_path / "a.mat").rows(["stack"]).dtypes["stack"] == np.dtype(dtype)
    made = prepared(tmp_path / "a.mat", tmp_path)
    np.testing.assert_array_equal(made[:, 0], np.moveaxis(images, -1, 0))


def test_axes_of_mat_are_asked_for_where_the_shape_does_not_tell(tmp_path: Path) -> None:
    images = RANDOM.integers(0, 200, (5, 9, 7), np.uint8)
    scipy.io.savemat(tmp_path / "a.mat", {"x": images})
    with pytest.raises(DataError, match=r"x is 5x9x7: which axis is what\? Give --axes, as yxn or nyx"):
        inspect(tmp_path / "a.mat")
    for axes, expected in (("yxn", np.moveaxis(images, -1, 0)), ("nyx", images)):
        np.testing.assert_array_equal(prepared(tmp_path / "a.mat", tmp_path / axes, axes=axes)[:, 0], expected)
    colours = RANDOM.integers(0, 200, (8, 9, 3, 11), np.uint8)
    scipy.io.savemat(tmp_path / "b.mat", {"x": colours})
    np.testing.assert_array_equal(read(tmp_path / "b.mat"), colours.transpose(3, 2, 0, 1))
    scipy.io.savemat(tmp_path / "c.mat", {"x": colours[:, :, 0, 0]})
    np.testing.assert_array_equal(read(tmp_path / "c.mat"), colours[:, :, 0, 0])  # rows of values


def test_mat_of_7_3_is_hdf5_with_its_axes_turned(tmp_path: Path) -> None:
    images = RANDOM.integers(0, 200, (8, 8, 30), np.uint8)
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["stack"] = images.T
    content = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + content[128:])
    np.testing.assert_array_equal(read(tmp_path / "a.mat", "stack")[:, 0], np.moveaxis(images, -1, 0))
    np.testing.assert_array_equal(prepared(tmp_path / "a.mat", tmp_path, axes="xyn")[:, 0], images.transpose(2, 1, 0))


@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("packed", [True, False])
def test_a_truncated_mat_is_told(part: float, packed: bool, tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"x": RANDOM.normal(size=(8, 8, 30))}, do_compression=packed)
    content = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(content[: int(len(content) * part)])
    with pytest.raises(DataError, match=r"a\.mat: is damaged \(it is truncated"):
        read(tmp_path / "a.mat")


def test_mat_without_numbers_is_told(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"s": "words", "c": {"x": 1}, "z": np.array([[1j, 2]])})
    with pytest.raises(DataError, match="holds no arrays of numbers"):
        open_rows(tmp_path / "a.mat")


# Movies


def movie(path: Path, frames: np.ndarray, codec: str, pixels: str, source: str, **options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format=source)))
        container.mux(stream.encode())
    return path


GREY = RANDOM.integers(0, 256, (40, 16, 32), np.uint8)
DEEP = RANDOM.integers(0, 65536, (40, 16, 32), np.uint16)
COLOURS = RANDOM.integers(0, 256, (40, 16, 32, 3), np.uint8)
EXACT = {
    "ffv1, grey": ("a.mkv", GREY, "ffv1", "gray", "gray"),
    "ffv1, 16 bits": ("a.mkv", DEEP, "ffv1", "gray16le", "gray16le"),
    "ffv1, colours": ("a.avi", COLOURS, "ffv1", "bgr0", "rgb24"),
    "raw": ("a.avi", GREY, "rawvideo", "gray", "gray"),
}


@pytest.mark.parametrize("kind", EXACT)
def test_a_movie_is_read_frame_by_frame(kind: str, tmp_path: Path) -> None:
    name, frames, *how = EXACT[kind]
    path = movie(tmp_path / name, frames, *how)
    expected = frames[:, None] if frames.ndim == 3 else np.moveaxis(frames, -1, 1)
    np.testing.assert_array_equal(read(path), expected)
    order = RANDOM.permutation(40)[:12]
    np.testing.assert_array_equal(open_rows(path, ["data"]).read(order)["data"], expected[order])
    np.testing.assert_array_equal(prepared(path, tmp_path, every=7), expected[::7])


def test_any_frame_of_a_movie_with_frames_between_is_the_one_of_its_number(tmp_path: Path) -> None:
    frames = np.repeat(np.arange(50, dtype=np.uint8)[:, None, None] * 5, 32, 1).repeat(32, 2)
    path = movie(tmp_path / "a.mp4", frames, "libx264", "yuv420p", "gray", g="12", bf="3", crf="1")
    told = read(path)[:, 0, 16, 16]
    assert np.abs(told - frames[:, 16, 16]).max() <= 3  # in order, none left out, none twice
    source = open_rows(path, memory_limit=0)
    for number in (49, 0, 23, 24, 12, 11, 37, 1):
        assert source.read(np.array([number]))["data"][0, 0, 16, 16] == told[number]
    assert inspect(path).split["kind"] == "blocks"
    assert any("--grey" in note for note in inspect(path).notes)


def test_a_movie_that_is_damaged_or_none_is_told(tmp_path: Path) -> None:
    def damaged(codec: str, pixels: str) -> Path:
        content = movie(tmp_path / "a.mkv", GREY, codec, pixels, "gray").read_bytes()
        half = len(content) // 2
        (tmp_path / "c.mkv").write_bytes(content[:half] + bytes(400) + content[half + 400 :])
        return tmp_path / "c.mkv"

    (tmp_path / "b.mkv").write_bytes(b"no movie" * 100)
    with pytest.raises(DataError, match=r"b\.mkv: is damaged, or no movie"):
        open_rows(tmp_path / "b.mkv")
    with pytest.raises(DataError, match=r"c\.mkv: rows 0 to .* cannot be read"):
        read(damaged("libx264", "yuv420p"))
    assert any("4 frames seem to be missing" in note for note in inspect(damaged("ffv1", "gray")).notes)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile a.mkv\n")  # names another file
    with pytest.raises(DataError, match=r"list\.mp4: is damaged, or no movie"):
        open_rows(tmp_path / "list.mp4")
