"""Databases of images and their means, as Caffe's convert_imageset and compute_image_mean make them."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepcae.atomic import whole_file, whole_folder
from deepcae.cli import main
from deepcae.data import records
from deepcae.data.images import decode
from deepcae.data.imageset import Settings, convert_imageset
from deepcae.data.lmdb import DatumRows
from deepcae.data.mean import compute_image_mean, write_mean
from deepcae.data.records import new_lmdb, pixels_datum
from deepcae.data.resize import resize
from deepcae.data.source import Feed
from deepcae.errors import DataError
from deepcae.proto.binary import read_blob
from deepcae.proto.schema import TRAIN, Datum
from reference import reference_dir

lmdb = pytest.importorskip("lmdb", reason="the lmdb package is optional")
MakeLayer = Callable[[str], Any]
LAYER = 'name: "d" type: "Data" top: "data" top: "label" data_param { source: "db" backend: LMDB batch_size: %d }'


def contents(path: Path) -> list[tuple[bytes, Any]]:
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return [(key, Datum.FromString(value)) for key, value in transaction.cursor()]


def write_images(folder: Path, sizes: list[tuple[int, int]]) -> np.ndarray | list[np.ndarray]:
    """Files a0.png, a1.png, … with a list of them; the pixels as R, G, B (H, W, 3)."""
    generator = np.random.default_rng(5)
    pixels = [generator.integers(0, 256, (height, width, 3), np.uint8) for height, width in sizes]
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"a{number}.png")
    (folder / "list.txt").write_text("".join(f"a{number}.png {10 * number}\n" for number in range(len(sizes))))
    return pixels


@pytest.fixture
def images(tmp_path: Path) -> list[np.ndarray]:
    return list(write_images(tmp_path, [(5, 7)] * 4))


def test_the_records_are_those_that_caffe_wrote(tmp_path: Path) -> None:
    """Same keys, same messages, field by field."""
    files = reference_dir("files")
    shutil.copytree(files / "images", tmp_path / "images")
    pictures = tmp_path / "images" / "sub"
    names = [f"pic{n}.png" if n % 2 == 0 else f"sub/pic{n}.png" for n in range(6)]
    assert pictures.is_dir()
    number = convert_imageset(f"{tmp_path}/images/", tmp_path / "images" / "list_rel.txt", tmp_path / "db")
    shutil.copytree(files / "db" / "imageset_lmdb", tmp_path / "theirs")
    ours, theirs = contents(tmp_path / "db"), contents(tmp_path / "theirs")
    assert number == len(ours) == 6
    assert [key.decode() for key, _ in ours] == [f"{n:08d}_{name}" for n, name in enumerate(names)]
    assert ours == theirs
    assert sorted(path.name for path in (tmp_path / "db").iterdir()) == ["data.mdb"]


def test_a_data_layer_reads_the_images_pixels(tmp_path: Path, layer: MakeLayer, images: list[np.ndarray]) -> None:
    convert_imageset(f"{tmp_path}/", tmp_path / "list.txt", tmp_path / "db")
    batch = Feed([layer(LAYER % 4)], TRAIN, [tmp_path]).batch(0)
    np.testing.assert_array_equal(batch["data"], np.stack([im[..., ::-1].transpose(2, 0, 1) for im in images]))
    np.testing.assert_array_equal(batch["label"], [0, 10, 20, 30])


def test_gray_resized_and_encoded(tmp_path: Path, images: list[np.ndarray]) -> None:
    def made(name: str, **settings: Any) -> list[Any]:
        convert_imageset(f"{tmp_path}/", tmp_path / "list.txt", tmp_path / name, Settings(**settings))
        return [datum for _, datum in contents(tmp_path / name)]

    gray = made("gray", gray=True)[0]
    red, green, blue = np.moveaxis(images[0].astype(int), -1, 0)
    assert (gray.channels, gray.height, gray.width) == (1, 5, 7)
    assert list(gray.data) == ((9797 * red + 19234 * green + 3737 * blue) >> 15).ravel().tolist()

    small = made("small", height=3, width=4)[1]
    color = images[1][..., ::-1].transpose(2, 0, 1)
    assert (small.channels, small.height, small.width) == (3, 3, 4)
    assert small.data == resize(color, 3, 4).tobytes()

    as_they_are = made("encoded", encoded=True)
    assert [d.data for d in as_they_are] == [(tmp_path / f"a{n}.png").read_bytes() for n in range(4)]
    assert all(d.encoded and d.label == 10 * n for n, d in enumerate(as_they_are))

    for kind in ("bmp", "PNG"):
        again = made(f"as_{kind}", encode_type=kind, height=3, width=4)[1]
        np.testing.assert_array_equal(decode(again.data, None, ""), resize(color, 3, 4))
    jpeg = made("jpg", encode_type="jpg")[0]
    assert jpeg.data.startswith(b"\xff\xd8")


def test_shuffling_keeps_every_image_with_its_label_and_follows_the_seed(
    tmp_path: Path, images: list[np.ndarray]
) -> None:
    orders = []
    for name, seed in (("one", 1), ("same", 1), ("other", 4)):
        convert_imageset(f"{tmp_path}/", tmp_path / "list.txt", tmp_path / name, shuffle=True, seed=seed)
        found = contents(tmp_path / name)
        assert [key[:8] for key, _ in found] == [b"%08d" % n for n in range(4)]
        for key, datum in found:
            number = int(key.decode()[10])
            assert datum.label == 10 * number
            assert datum.data == images[number][..., ::-1].transpose(2, 0, 1).tobytes()
        orders.append([datum.label for _, datum in found])
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a0.png", r"list.txt:5: needs an image file, a blank and an integer label, not 'a0.png'"),
        ("a0.png seven", r"list.txt:5: needs an image file"),
        ("a0.png 99999999999", r"list.txt:5: needs an image file"),
        ("gone.png 1", r"list.txt:5: .*gone.png: no such file"),
        ("list.txt 1", r"list.txt:5: .*list.txt: is no readable image"),
        ("b.png 1", r"list.txt:5: b.png is of size \[3, 2, 2\], the first image of \[3, 5, 7\]"),
    ],
)
def test_a_bad_line_is_named_and_leaves_no_database(
    tmp_path: Path, images: list[np.ndarray], line: str, message: str
) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "b.png")
    with (tmp_path / "list.txt").open("a") as file:
        file.write(line + "\n")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(DataError, match=message):
        convert_imageset(f"{tmp_path}/", tmp_path / "list.txt", tmp_path / "db", Settings(check_size=True))
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"height": 3}, "resize_height and resize_width are given both or not at all"),
        ({"encode_type": "gif89"}, "encode_type is one of jpg, .*, not 'gif89'"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Settings(**settings)


def test_an_existing_database_is_not_touched(tmp_path: Path, images: list[np.ndarray]) -> None:
    convert_imageset(f"{tmp_path}/", tmp_path / "list.txt", tmp_path / "db")
    before = (tmp_path / "db" / "data.mdb").read_bytes()
    with pytest.raises(DataError, match="db: exists already; databases are not overwritten"):
        convert_imageset(f"{tmp_path}/", tmp_path / "list.txt", tmp_path / "db")
    assert (tmp_path / "db" / "data.mdb").read_bytes() == before


def test_an_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with new_lmdb(tmp_path / "db") as writer:
            writer.put("a", pixels_datum(np.zeros((1, 2, 2), np.uint8)))
            writer.flush()
            assert os.listdir(tmp_path), "it is being written"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_a_map_grows_with_its_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "FIRST_MAP", 2**15)
    pixels = np.arange(4096, dtype=np.uint8).reshape(1, 64, 64)
    with new_lmdb(tmp_path / "db") as writer:
        for number in range(2500):
            writer.put(f"{number:08d}", pixels_datum(pixels, number))
    assert writer.number == 2500
    rows = DatumRows(tmp_path / "db", ("data", "label"))
    assert rows.total == 2500
    np.testing.assert_array_equal(rows.read(slice(2498, 2500))["label"], [2498, 2499])


def test_a_key_that_lmdb_cannot_hold(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="has 600 bytes; LMDB takes 511"),
        new_lmdb(tmp_path / "db") as writer,
    ):
        writer.put("x" * 600, Datum())


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "made") as folder:
        (folder / "file").write_text("x")
        assert not (tmp_path / "made").exists()
    assert (tmp_path / "made" / "file").read_text() == "x"
    with pytest.raises(FileExistsError) as refused, whole_folder(tmp_path / "made"):
        pass
    assert refused.value.errno == errno.EEXIST
    with pytest.raises(FileExistsError), whole_folder(tmp_path / "late") as folder:
        (tmp_path / "late").mkdir()
    assert sorted(os.listdir(tmp_path)) == ["late", "made"]


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_what_cannot_be_made_is_told_by_the_name_that_was_given(tmp_path: Path, whole: Any) -> None:
    target = tmp_path / ("n" * 300)
    with pytest.raises(OSError, match="File name too long") as refused, whole(target):
        pytest.fail("nothing can be written there")
    assert refused.value.filename == str(target)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["img", "color"])
def test_the_mean_is_caffes_byte_by_byte(tmp_path: Path, name: str) -> None:
    folder = reference_dir("files", "db")
    shutil.copytree(folder / f"{name}_lmdb", tmp_path / "db")
    told: list[tuple[int, int]] = []
    write_mean(tmp_path / "ours", compute_image_mean(tmp_path / "db", lambda *at: told.append(at)))
    assert (tmp_path / "ours").read_bytes() == (folder / f"{name}_mean.binaryproto").read_bytes()
    assert told[-1][0] == told[-1][1] > 0


def test_the_mean_is_numpys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepcae.data.mean.ROWS", 7)
    pixels = np.random.default_rng(1).integers(0, 256, (23, 3, 4, 5), np.uint8)
    with new_lmdb(tmp_path / "db") as writer:
        for number, image in enumerate(pixels):
            writer.put(f"{number:08d}", pixels_datum(image))
    mean = compute_image_mean(tmp_path / "db")
    np.testing.assert_array_equal(mean, pixels.mean(axis=0, dtype=np.float64).astype(np.float32))
    write_mean(tmp_path / "mean.binaryproto", mean)
    blob = read_blob(tmp_path / "mean.binaryproto")
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 3, 4, 5)


def test_the_mean_of_images_of_two_sizes_names_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepcae.data.mean.ROWS", 1)
    with new_lmdb(tmp_path / "db") as writer:
        for number, size in enumerate([(1, 2, 2), (1, 2, 2), (1, 1, 2)]):
            writer.put(f"{number:08d}", pixels_datum(np.zeros(size, np.uint8)))
    with pytest.raises(DataError, match=r"record 2 .*is of size \[1, 1, 2\], others of \[1, 2, 2\]"):
        compute_image_mean(tmp_path / "db")


def test_a_full_disk_is_no_wrong_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """LMDB's library has errors of its own, without a number."""

    def full(*args: object, **settings: object) -> None:
        raise lmdb.DiskError(f"mdb_put: {os.strerror(errno.ENOSPC)}")

    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save("a.png")
    Path("list.txt").write_text("a.png 0\n")
    monkeypatch.setattr(lmdb, "open", full)
    assert main(["convert_imageset", "./", "list.txt", "db"]) == 1
    assert capsys.readouterr().err == "error: db: cannot be written: No space left on device\n"
    assert not Path("db").exists()
