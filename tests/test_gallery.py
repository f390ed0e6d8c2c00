"""The page of pictures: its commands make what it shows. `make docs` runs them; here is what needs no network."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", DOCS / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_picture_lies_where_a_command_writes(gallery: ModuleType) -> None:
    text = gallery.PAGE.read_text(encoding="utf-8")
    outputs = [
        words[words.index(flag) + 1] for words in gallery.commands(text) for flag in ("-o", "--out") if flag in words
    ]
    shown = gallery.pictures(text)
    assert len(shown) == len(set(shown)) > 10
    for name in shown:
        inside = name.removeprefix("_gallery/")
        assert any(inside.startswith((f"{out.removesuffix('.npy')}/", out.removesuffix(".npy"))) for out in outputs), (
            name
        )


def test_the_recording_is_the_same_each_time_and_its_cells_fade(gallery: ModuleType) -> None:
    frames = gallery.recording()
    np.testing.assert_array_equal(frames, gallery.recording())
    assert (frames.shape, frames.dtype) == ((240, 32, 32), np.uint16)
    flat = frames.reshape(240, -1).astype(float)
    flat -= flat.mean(axis=0)
    assert np.square(np.diff(flat, axis=0)).mean() < 1.5 * np.square(flat).mean()  # neighbours resemble each other
