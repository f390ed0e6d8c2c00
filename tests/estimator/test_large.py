"""Arrays larger than memory: what is held of them, what is rewritten, and how many images are held out."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deepcae.data.axes import axes_of
from deepcae.data.heldout import enough
from deepcae.errors import DeepcaeWarning
from deepcae.estimator import fair
from deepcae.estimator.fitting import Fit, Settings
from deepcae.estimator.given import Mapped, map_of, opened
from deepcae.prepare import costly

IMAGES = np.random.default_rng(0).integers(0, 255, (300, 12, 8, 3)).astype(np.uint8)


def resident(held: mmap.mmap) -> int:
    """Bytes of a map that are in this process's memory."""
    start = np.frombuffer(held, np.uint8).ctypes.data
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0]:
            first, last = (int(word, 16) for word in words[0].split("-"))
            inside = first <= start < last
        elif inside and words[0] == "Rss:":
            return int(words[1]) * 1024
    raise AssertionError("no such map")


@pytest.mark.parametrize("layout", ["whole", "slice", "plain"])
def test_what_was_read_of_a_memory_map_leaves_memory(tmp_path: Path, layout: str) -> None:
    np.save(tmp_path / "x.npy", np.arange(2**20, dtype=np.float32).reshape(-1, 16, 16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    given = {"whole": mapped, "slice": mapped[5:], "plain": np.asarray(mapped)}[layout]
    rows, base = opened(given, "X"), 5 if layout == "slice" else 0
    assert isinstance(rows, Mapped)
    assert not rows.is_ready
    for found, wanted in (
        (rows.read(0, 4000), mapped[base : base + 4000]),
        (rows.pick(np.array([9, 3000, 1])), mapped[base + np.array([9, 3000, 1])]),
        (rows.part((slice(7, 9), slice(None), slice(2, 4))), mapped[base + 7 : base + 9, :, 2:4]),
    ):
        np.testing.assert_array_equal(found, wanted)
    rows.read(0, 4000)
    held = map_of(given)
    assert held is not None
    assert resident(held) < 2**20  # of 4 MiB


def test_a_map_with_changes_of_one_s_own_keeps_them(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 16, 16), np.float32))
    changed = np.load(tmp_path / "x.npy", mmap_mode="c")
    changed[2] = 7
    assert map_of(changed) is None
    assert opened(changed, "X").read(2, 3).mean() == changed[2].mean() == 7


def stored(folder: Path, chunks: Any) -> Any:
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=IMAGES, chunks=chunks)
    return h5py.File(folder / "x.h5")["x"]


@pytest.mark.parametrize(
    ("chunks", "block", "in_any_order", "in_order"),
    [
        ((100, 2, 2, 3), 2**20, True, False),  # in order, all of the chunks that hold some images are read at once
        ((100, 2, 2, 3), 2**10, True, True),
        ((100, 12, 8, 3), 2**20, True, False),
        ((1, 12, 8, 3), 2**20, False, False),
        (None, 2**20, False, False),
    ],
)
def test_images_whose_chunks_hold_many_are_rewritten_once_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunks: Any, block: int, in_any_order: bool, in_order: bool
) -> None:
    monkeypatch.setattr(fair, "MEMORY_LIMIT", 0)
    monkeypatch.setattr(costly, "BLOCK", block)
    rows = opened(stored(tmp_path, chunks), "X")
    axes, wanted = axes_of(rows.shape), IMAGES.transpose(0, 3, 1, 2)
    for at_random, dear in ((True, in_any_order), (False, in_order)):
        if dear:
            with pytest.warns(DeepcaeWarning, match=r"^X is stored in chunks of 100x.*rewritten once, 86 kB, in "):
                found = fair.fairly(rows, axes, at_random)
        else:
            found = fair.fairly(rows, axes, at_random)
        assert isinstance(found, fair.Rewritten) == dear
        np.testing.assert_array_equal(found.read(3, 90), wanted[3:90])
        np.testing.assert_array_equal(found.pick(np.array([299, 0, 120])), wanted[[299, 0, 120]])
        found.close()


def test_few_images_are_read_into_memory_instead(tmp_path: Path) -> None:
    rows = opened(stored(tmp_path, (100, 12, 8, 3)), "X")
    assert not isinstance(fair.fairly(rows, axes_of(rows.shape), True), fair.Rewritten)


def test_a_disk_without_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fair, "Rewritten", full)
    monkeypatch.setattr(costly, "BLOCK", 2**10)
    rows = opened(stored(tmp_path, (100, 2, 2, 3)), "X")
    with pytest.warns(DeepcaeWarning), pytest.raises(ValueError, match=r"No space left on device\); TMPDIR names"):
        fair.fairly(rows, axes_of(rows.shape), False)


def test_of_very_many_images_enough_are_held_out() -> None:
    settings = Settings(2, "auto", None, None, None, None, "cpu", 0.1, None, None, 0)
    for shape in ((700_000, 2, 2), (400_000, 2, 2), (3000, 1024, 1024)):
        rows = opened(np.broadcast_to(np.uint8(1), shape), "X")
        held = Fit(settings, rows)._parts().held_out
        assert len(held) == min(shape[0] // 10, enough(shape[1] * shape[2]))
    assert [enough(size) for size in (4, 2000, 64 * 64, 2**20)] == [50_000, 50_000, 24_414, 100]
