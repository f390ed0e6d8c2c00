"""The neighbours of an image by its code: found in blocks, the nearest first, by index or by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepcae.errors import DataError
from deepcae.recording.nearest import index_of, nearest
from deepcae.recording.origin import Origins, origins_of
from deepcae.trained import passes
from deepcae.trained.examples import open_examples
from deepcae.trained.network import Trained

Known, Prepared = Callable[..., Trained], Callable[..., Path]


def names_of(origins: Origins) -> list[str]:
    assert origins.names is not None
    return [str(name) for name in origins.names]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty pictures, each of one grey level: their codes are these levels."""
    levels = np.random.default_rng(2).permutation(200)[:40]
    (tmp_path / "in").mkdir()
    for number, level in enumerate(levels.tolist()):
        Image.fromarray(np.full((6, 7), level, np.uint8)).save(tmp_path / "in" / f"{number:03}.png")
    return tmp_path / "in"


@pytest.mark.parametrize("batches", [1, 16])
def test_the_nearest_are_found_whatever_the_blocks(
    batches: int, pictures: Path, known: Known, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "BATCHES", batches)
    monkeypatch.setattr(passes, "SMALLEST", 8)
    monkeypatch.setattr(passes, "LARGEST", 8)
    data = prepared(pictures, "--split", "random")
    trained, origins = known(data), origins_of(data / "all.txt")
    levels = np.array([np.asarray(Image.open(pictures / name))[0, 0] for name in names_of(origins)], float)
    for of in (0, 17, 39):
        found = nearest(trained, open_examples(trained, data / "all.txt"), of, 5)
        apart = np.abs(levels - levels[of])
        apart[of] = np.inf
        np.testing.assert_allclose(found.distance, np.sort(apart)[:5], rtol=1e-5)
        assert of not in found.index
    assert index_of(origins, "003.png") == names_of(origins).index("003.png")
    with pytest.raises(DataError, match="has no row 40"):
        nearest(trained, open_examples(trained, data / "all.txt"), 40, 5)
    with pytest.raises(DataError, match=r"no image is called 'x\.png'"):
        index_of(origins, "x.png")
