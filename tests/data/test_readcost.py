"""Rows that cost far more than they are, where they are read in random order: told by `check` and `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deepcae.cli import main
from deepcae.data import h5file, joined, kept, open_rows
from deepcae.data.axes import axes_of, oriented
from deepcae.data.contents import contents_of
from deepcae.data.named import Named
from deepcae.data.stored import Pictures
from deepcae.prepare import Options, inspect, prepare, understood

IMAGES = np.random.default_rng(0).integers(0, 255, (400, 1, 16, 16)).astype(np.uint8)
NET = """
name: "plain"
layer { name: "data" type: "HDF5Data" top: "data" hdf5_data_param { source: "x.txt" batch_size: 10 SHUFFLE } }
layer { name: "code" type: "InnerProduct" bottom: "data" top: "code" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "code" bottom: "code" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 1 display: 0 snapshot: 0'


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is small enough to be kept in memory."""
    monkeypatch.setattr(kept, "MEMORY_LIMIT", 0)
    monkeypatch.setattr(kept, "BLOCK", 20 * 4 * 256)  # 20 images
    monkeypatch.setattr(joined, "LARGEST_BLOCK", 100 * 4 * 256)
    monkeypatch.setattr(h5file, "cache_of", lambda dataset: 25_600)
    monkeypatch.chdir(tmp_path)


def write(chunks: Any, packing: str | None = None, **others: np.ndarray) -> Path:
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("data", data=IMAGES, chunks=chunks, compression=packing)
        for name, values in others.items():
            file.create_dataset(name, data=values, chunks=True)
    Path("x.txt").write_text("x.h5\n")
    return Path("x.txt")


@pytest.mark.parametrize(
    ("chunks", "packing", "count", "shuffled", "in_order"),
    [
        (None, None, 10, "", ""),
        ((1, 1, 16, 16), "gzip", 10, "", ""),
        ((8, 1, 16, 16), "gzip", 10, "", ""),  # eight times as much is worth it
        ((100, 1, 16, 16), "gzip", 10, "10 kB in place of 0.256 kB", ""),  # all of it once in a batch
        ((100, 1, 16, 16), None, 10, "10 kB in place of 0.256 kB", ""),
        ((100, 1, 16, 16), "gzip", 100, "", ""),
        ((40, 1, 16, 16), "gzip", 2, "10 kB in place of 0.256 kB", ""),
        ((200, 1, 16, 16), None, 10, "", ""),  # larger than HDF5's cache: of what is not packed a part is read
        ((400, 1, 16, 16), "gzip", 10, "10 kB in place of 0.256 kB", ""),  # in order the chunk is kept
        ((1, 1, 2, 2), "gzip", 10, "", ""),
    ],
)
def test_what_is_unpacked_in_vain_is_told(
    chunks: Any, packing: str | None, count: int, shuffled: str, in_order: str
) -> None:
    rows = contents_of(write(chunks, packing)).rows()
    for told, wanted in ((rows.cost_note(count, True), shuffled), (rows.cost_note(count, False), in_order)):
        assert bool(told) == bool(wanted)
        assert wanted in told
        if told:
            assert "x.h5: dataset 'data' is stored in chunks of " + "x".join(map(str, chunks)) in told


def test_chunks_across_very_many_images_are_dear_in_order_too() -> None:
    rows = contents_of(write((400, 1, 2, 2), "gzip")).rows()
    note = rows.cost_note(10, False)  # 64 chunks, of which one is kept
    assert "each row read costs 5.12 kB in place of 0.256 kB" in note
    assert "each row read in random order costs 10 kB" in rows.cost_note(10, True)


def test_other_storages() -> None:
    zarr = pytest.importorskip("zarr")
    zarr.create_array("z.zarr", data=IMAGES, chunks=(400, 1, 16, 16))
    zarr.create_array("y.zarr", data=IMAGES, chunks=(4, 1, 16, 16))
    np.savez_compressed("x.npz", data=IMAGES)
    np.save("x.npy", IMAGES)
    note = open_rows("z.zarr").cost_note(10, False)  # nothing is kept
    assert "in chunks of 400x1x16x16, so each row read costs" in note
    assert open_rows("y.zarr").cost_note(10, True) == ""
    assert "x.npz is stored in one packed piece, so each row read in random" in open_rows("x.npz").cost_note(10, True)
    assert open_rows("x.npz").cost_note(10, False) == ""  # unpacked as it comes
    assert open_rows("x.npy").cost_note(10, True) == ""


def test_what_changes_an_array_on_the_way_costs_as_much() -> None:
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("data", data=IMAGES[:, 0], chunks=(100, 16, 16))
    rows = contents_of(Path("x.h5")).rows()
    array = rows._files.parts[0].arrays["data"]
    turned = oriented(array, axes_of(array.shape))
    for each in (Pictures(array), turned):
        assert (each.alone, each.keeps) == (array.alone, array.keeps) == (100 * 256, True)


@pytest.mark.parametrize("axes", ["nyx", "yxn", "ynx"])
def test_of_axes_with_names_those_of_an_image_count(axes: str) -> None:
    sizes, parts = {"n": 400, "y": 16, "x": 12}, {"n": 100, "y": 8, "x": 12}
    shape, chunks = [sizes[name] for name in axes], [parts[name] for name in axes]
    array = Named("x", axes, shape, np.dtype(np.uint8), lambda key: np.zeros(0, np.uint8), chunks=chunks)
    assert array.alone == 2 * 100 * 8 * 12
    assert Named("x", axes, shape, np.dtype(np.uint8), lambda key: np.zeros(0, np.uint8)).alone == 16 * 12


def test_small_labels_in_a_chunk_are_no_matter() -> None:
    assert contents_of(write((1, 1, 16, 16), label=np.arange(400.0))).rows().cost_note(10, True) == ""


def test_what_is_kept_in_memory_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MEMORY_LIMIT", 2**20)
    assert contents_of(write((400, 1, 16, 16), "gzip")).rows().cost_note(10, True) == ""


@pytest.mark.parametrize("shuffle", [True, False])
def test_check_and_train_tell_it_and_what_to_do_helps(shuffle: bool, capsys: pytest.CaptureFixture[str]) -> None:
    write((400, 1, 16, 16), "gzip")
    Path("net.prototxt").write_text(NET.replace("SHUFFLE", "shuffle: true" if shuffle else ""))
    Path("s.prototxt").write_text(SOLVER)
    remark = (
        "each row read in random order costs 10 kB in place of 0.256 kB: `deepcae data any x.txt -o NEW.h5` rewrites"
    )
    for argv in (["check", "s.prototxt"], ["check", "net.prototxt"], ["train", "--solver", "s.prototxt", "--out", "r"]):
        assert main(argv) == 0
        said = "".join(capsys.readouterr())
        assert (remark in said) == shuffle
        if argv[0] == "check" and shuffle:
            assert "net.prototxt:3:69: warning: layer 'data' (HDF5Data): x.h5: dataset 'data' is stored in" in said
    if shuffle:
        assert main(["data", "any", "x.txt", "-o", "new.h5"]) == 0
        Path("net.prototxt").write_text(NET.replace("x.txt", "new.txt").replace("SHUFFLE", "shuffle: true"))
        capsys.readouterr()
        assert main(["check", "net.prototxt"]) == 0
        assert "costs" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(("chunks", "copied"), [(None, False), ((1, 1, 16, 16), False), ((100, 1, 16, 16), True)])
def test_dear_files_are_copied_and_not_listed_and_the_disk_s_room_is_told(
    chunks: Any, copied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(understood, "LARGE", 10**5)
    write(chunks)
    found = inspect("x.h5", Options(split="none"))
    assert ("disk       102 kB are written" in "\n".join(found.lines())) == copied
    assert found.copied == (IMAGES.nbytes if copied else 0)
    told: list[str] = []
    prepare("x.h5", "out", Options(split="none"), tell=lambda each: told.extend(each.lines()))
    assert Path("out/train.h5").exists() == copied
    assert any(line.startswith("disk") for line in told) == copied
    prepare("x.h5", "new.h5", tell=lambda each: told.extend(each.lines()))
    assert "disk       102 kB are written" in told[-1]
    np.testing.assert_array_equal(open_rows("new.h5").read(slice(0, 400))["data"], IMAGES)
