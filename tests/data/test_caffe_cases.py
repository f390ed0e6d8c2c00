"""Every data layer against the batches that Caffe made of the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from deepcae.data.source import Feed
from deepcae.errors import DataError
from deepcae.proto.schema import TEST, TRAIN, NetParameter
from reference import reference_dir

FILES = reference_dir("files")


def cases(random: bool) -> list[Any]:
    found = []
    for path in sorted((FILES / "data_layers").glob("*.npz")):
        case = np.load(path)
        if "top_names" in case and bool(case["random"]) == random and path.stem != "leveldb_plain":
            found.append(pytest.param(case, id=path.stem))
    return found


def feed_of(case: Any, seed: int = 0) -> Feed:
    net = text_format.Parse(str(case["prototxt"]), NetParameter())
    arrays = {"m": (case["memory_data"], case["memory_label"])} if "memory_data" in case else None
    return Feed(net.layer, TRAIN if str(case["phase"]) == "TRAIN" else TEST, [FILES], seed, arrays)


def batches(case: Any, feed: Feed, top: str) -> np.ndarray:
    made = [feed.batch(index)[top] for index in range(int(case["n_forward"]))]
    for batch in made:
        assert batch.dtype == np.float32
        assert batch.flags.c_contiguous
        assert batch.shape == feed.shapes[top]
    return np.stack(made)


@pytest.fixture(autouse=True)
def _in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FILES)  # the names in the texts are relative to it


@pytest.mark.parametrize("case", cases(random=False))
def test_batches_are_caffes(case: Any) -> None:
    with feed_of(case) as feed:
        assert feed.tops == tuple(case["top_names"])
        for top in feed.tops:
            want = case[f"batches_{top}"]
            got = batches(case, feed, top)
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("case", [case for case in cases(random=True) if case.id == "hdf5_shuffle"])
def test_shuffled_batches_hold_caffes_rows(case: Any) -> None:
    want = case["batches_label"]
    with feed_of(case, seed=3) as feed:
        got = batches(case, feed, "label")
    np.testing.assert_array_equal(np.sort(got), np.sort(want))
    assert len({tuple(batch) for batch in got}) == len(got)


@pytest.mark.parametrize("case", [case for case in cases(random=True) if case.id == "lmdb_crop_train"])
def test_random_crops_are_windows_of_the_records(case: Any) -> None:
    with feed_of(case) as feed:
        crops = feed.batch(0)["data"]
    net = text_format.Parse(str(case["prototxt"]), NetParameter())
    net.layer[0].ClearField("transform_param")
    with Feed(net.layer, TRAIN, [FILES]) as plain:
        images = plain.batch(0)["data"]
    places = set()
    for crop, image in zip(crops, images, strict=True):
        windows = {
            (h, w, mirror): image[:, h : h + 6, w : w + 6][..., :: -1 if mirror else 1]
            for h in range(images.shape[2] - 5)
            for w in range(images.shape[3] - 5)
            for mirror in (False, True)
        }
        matching = [place for place, window in windows.items() if np.array_equal(window, crop)]
        assert matching
        places.add(matching[0])
    assert {place[2] for place in places} == {False, True}
    assert len({place[:2] for place in places}) > 3


@pytest.mark.skipif(not (FILES / "db" / "img_leveldb").exists(), reason="no LevelDB beside the checkout")
def test_leveldb_is_refused_with_advice() -> None:
    case = np.load(FILES / "data_layers" / "leveldb_plain.npz")
    with pytest.raises(DataError, match=r"layer 'd' \(Data\): db/img_leveldb: LevelDB .* convert to LMDB"):
        feed_of(case)


def test_a_net_may_read_one_lmdb_twice(layer: Any) -> None:
    if not Path("db/img_lmdb").exists():
        pytest.skip("no LMDB beside the checkout")
    text = 'name: "%s" type: "Data" top: "%s" data_param { source: "db/img_lmdb" batch_size: 3 backend: LMDB }'
    with Feed([layer(text % ("a", "x")), layer(text % ("b", "y"))], TRAIN) as feed:
        batch = feed.batch(5)
    np.testing.assert_array_equal(batch["x"], batch["y"])
