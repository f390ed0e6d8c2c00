"""Records and image lists that are damaged or do not fit."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepcae.data.images import decode
from deepcae.data.source import Feed, shapes
from deepcae.errors import DataError
from deepcae.proto.schema import TRAIN, Datum

lmdb = pytest.importorskip("lmdb", reason="the lmdb package is optional")
MakeLayer = Callable[[str], Any]
DATA = 'name: "d" type: "Data" top: "data" top: "label" data_param { source: "db" backend: LMDB batch_size: 2 }'
IMAGES = 'name: "d" type: "ImageData" top: "data" top: "label" image_data_param { source: "list.txt" batch_size: 2 %s}'


def write_db(folder: Path, values: list[bytes]) -> Path:
    with lmdb.open(str(folder / "db"), map_size=2**24) as environment, environment.begin(write=True) as transaction:
        for number, value in enumerate(values):
            transaction.put(b"%08d" % number, value)
    return folder


def datum(size: tuple[int, int, int] = (1, 2, 3), label: int = 0, content: bytes | None = None) -> bytes:
    channels, height, width = size
    pixels = bytes(channels * height * width) if content is None else content
    return Datum(channels=channels, height=height, width=width, data=pixels, label=label).SerializeToString()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "db: holds no record"),
        (
            [datum(content=b"12345")],
            r"record 0 \(key b'00000000'\): says it is of size \[1, 2, 3\], but holds 5",
        ),
        ([datum(), datum((1, 3, 2))], r"record 1 .*: is of size \[1, 3, 2\], others of \[1, 2, 3\]"),
        ([datum(), b"\xff\xff"], r"record 1 .*: is no Datum"),
        ([Datum(encoded=True, data=b"no image").SerializeToString()], r"record 0 .*: is no readable image"),
    ],
)
def test_broken_records(tmp_path: Path, layer: MakeLayer, values: list[bytes], message: str) -> None:
    folder = write_db(tmp_path, values)
    with pytest.raises(DataError, match=message):
        Feed([layer(DATA)], TRAIN, [folder]).batch(0)


def test_an_lmdb_of_an_old_text_that_names_no_backend(tmp_path: Path, layer: MakeLayer) -> None:
    folder = write_db(tmp_path, [datum()])
    with pytest.raises(DataError, match=r"db: is an LMDB, but the text means LevelDB .*; say backend: LMDB"):
        Feed([layer(DATA.replace("backend: LMDB", ""))], TRAIN, [folder])


def test_a_database_that_is_missing_cut_off_or_none(tmp_path: Path, layer: MakeLayer) -> None:
    assert shapes(layer(DATA), TRAIN, [tmp_path]) is None
    (tmp_path / "db").mkdir()
    with pytest.raises(DataError, match=r"db: is no LMDB \(it has no data.mdb\)"):
        shapes(layer(DATA), TRAIN, [tmp_path])
    (tmp_path / "db" / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(DataError, match="db: is no readable LMDB"):
        shapes(layer(DATA), TRAIN, [tmp_path])
    (tmp_path / "db" / "data.mdb").unlink()
    write_db(tmp_path, [datum((1, 100, 100))] * 20)
    file = tmp_path / "db" / "data.mdb"
    os.truncate(file, file.stat().st_size // 8192 * 4096)
    with pytest.raises(DataError, match=r"data.mdb: is cut off: \d+ bytes, \d+ are in use"):
        shapes(layer(DATA), TRAIN, [tmp_path])


def test_settings_that_cannot_be(tmp_path: Path, layer: MakeLayer) -> None:
    folder = write_db(tmp_path, [datum()])
    both = DATA + " transform_param { force_color: true force_gray: true }"
    with pytest.raises(DataError, match="force_color and force_gray cannot both be set"):
        Feed([layer(both)], TRAIN, [folder])
    with pytest.raises(DataError, match="1 or 2 tops, data and label, not 3"):
        Feed([layer(DATA + ' top: "more"')], TRAIN, [folder])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3)).save(tmp_path / "a b.png")
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(tmp_path / "c.png")
    (tmp_path / "list.txt").write_text("a b.png 7\na b.png -2\n")
    return tmp_path


def test_image_lists_are_split_at_the_last_blank_and_found_beside_the_list(pictures: Path, layer: MakeLayer) -> None:
    with Feed([layer(IMAGES % "")], TRAIN, [pictures]) as feed:
        batch = feed.batch(0)
    assert batch["label"].tolist() == [7, -2]
    rgb = np.arange(24).reshape(2, 4, 3)
    np.testing.assert_array_equal(batch["data"][0], rgb[..., ::-1].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        ("", "", "list.txt: lists no image"),
        ("c.png 1\nc.png\n", "", r"list.txt:2: needs an image file, a blank and an integer label, not 'c.png'"),
        ("c.png 1\nc.png x\n", "", "list.txt:2: needs an image file"),
        ("lost.png 1\n", "", "lost.png: no such file"),
        ("list.txt 1\n", "", "list.txt: is no readable image"),
        ("c.png 1\na b.png 1\n", "", r"a b.png: is of size \[3, 2, 4\], the first image of \[3, 3, 3\]; new_height"),
        ("c.png 1\n", "new_height: 2", "new_height and new_width must be given both or not at all"),
    ],
)
def test_image_refusals(pictures: Path, layer: MakeLayer, content: str, more: str, message: str) -> None:
    (pictures / "list.txt").write_text(content)
    with pytest.raises(DataError, match=message):
        Feed([layer(IMAGES % more)], TRAIN, [pictures]).batch(0)


def test_color_is_chosen_or_kept(pictures: Path) -> None:
    gray, colored = pictures / "c.png", pictures / "a b.png"
    assert [decode(gray, choice, "").shape[0] for choice in (True, False, None)] == [3, 1, 1]
    assert [decode(colored, choice, "").shape[0] for choice in (True, False, None)] == [3, 1, 3]


def test_rand_skip_begins_anywhere_below_it_as_the_seed_says(pictures: Path, layer: MakeLayer) -> None:
    (pictures / "list.txt").write_text("".join(f"c.png {label}\n" for label in range(8)))
    first = []
    for seed in range(20):
        with Feed([layer(IMAGES % "rand_skip: 3")], TRAIN, [pictures], seed) as feed:
            labels = np.concatenate([feed.batch(index)["label"] for index in range(5)]).astype(int)
        assert labels.tolist() == [(labels[0] + k) % 8 for k in range(len(labels))]
        first.append(int(labels[0]))
    assert set(first) == {0, 1, 2}
    with pytest.raises(DataError, match=r"rand_skip 4000000000 skips .* images here, but the list has 8"):
        Feed([layer(IMAGES % "rand_skip: 4000000000")], TRAIN, [pictures])


def test_no_picture_starts_another_program() -> None:
    """PostScript is read by running Ghostscript, which pillow would do."""
    with pytest.raises(DataError, match=r"p: is no readable image"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", None, "p")
