"""`deepcae data`: what is written, where MNIST is found, and what a broken download is told."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deepcae.cli import main
from deepcae.data import datasets, mnist
from deepcae.data.load import load_images, read_all
from deepcae.data.source import Feed
from deepcae.errors import DataError
from deepcae.proto.schema import TRAIN
from reference import mnist_dir

NUMBERS = np.random.default_rng(0)


def idx(magic: int, array: np.ndarray) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in (magic, *array.shape)) + array.astype(np.uint8).tobytes()


CONTENTS = {
    "train-images-idx3-ubyte": idx(2051, NUMBERS.integers(0, 256, (30, 28, 28))),
    "train-labels-idx1-ubyte": idx(2049, NUMBERS.integers(0, 3, 30)),
    "t10k-images-idx3-ubyte": idx(2051, NUMBERS.integers(0, 256, (8, 28, 28))),
    "t10k-labels-idx1-ubyte": idx(2049, NUMBERS.integers(0, 3, 8)),
}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small MNIST in `data/mnist`, an empty cache, and its checksums in place of the true ones."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(mnist, "FILES", {name: hashlib.sha256(data).hexdigest() for name, data in CONTENTS.items()})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DEEPCAE_DATA", raising=False)
    return tmp_path


def test_mnist_is_found_in_the_named_folder_its_subfolder_and_the_cache(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert datasets.find_mnist() is None
    for named in (places / "data", places / "data" / "mnist"):
        monkeypatch.setenv("DEEPCAE_DATA", str(named))
        assert datasets.find_mnist() == places / "data" / "mnist"
    monkeypatch.setenv("DEEPCAE_DATA", str(places / "nowhere"))
    shutil.copytree(places / "data" / "mnist", mnist.cache_folder())
    assert datasets.find_mnist() == places / "cache" / "deepcae" / "mnist"


def test_files_may_be_unzipped_and_dotted(tmp_path: Path) -> None:
    for name, content in CONTENTS.items():
        (tmp_path / name.replace("-idx", ".idx")).write_bytes(content)
    assert datasets.write_mnist(tmp_path / "out", tmp_path) == {"train": 30, "test": 8}


def test_mnist_is_written_as_the_paper_used_it(places: Path, layer: Any) -> None:
    out = places / "out"
    assert datasets.write_mnist(out, places / "data" / "mnist") == {"train": 30, "test": 8}
    assert sorted(path.name for path in out.iterdir()) == ["test.h5", "test.txt", "train.h5", "train.txt"]
    assert (out / "train.txt").read_text() == "train.h5\n"
    with h5py.File(out / "train.h5") as file:
        data = file["data"]
        assert (data.shape, data.dtype, data.chunks) == ((30, 1, 28, 28), np.float32, None)
        assert (file["label"].shape, file["label"].dtype) == ((30,), np.float32)
        pixels = np.frombuffer(CONTENTS["train-images-idx3-ubyte"][16:], np.uint8).reshape(30, 1, 28, 28)
        np.testing.assert_array_equal(data[:], pixels / np.float32(255))
    text = 'name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "%s" batch_size: 7 }'
    with Feed([layer(text % (out / "test.txt"))], TRAIN) as feed:
        labels = np.concatenate([feed.batch(index)["label"] for index in range(8)])
    np.testing.assert_array_equal(labels[:8], np.frombuffer(CONTENTS["t10k-labels-idx1-ubyte"][8:], np.uint8))


def test_a_download_is_checked_and_kept(places: Path) -> None:
    good, bad = places / "good", places / "bad"
    shutil.copytree(places / "data" / "mnist", good)
    shutil.copytree(good, bad)
    (bad / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"something else"))
    (bad / "train-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    (bad / "train-images-idx3-ubyte.gz").unlink()
    mirrors = tuple(f"{folder.as_uri()}/" for folder in (places / "none", bad, good))
    folder = mnist.fetch_mnist(mirrors)
    assert folder == mnist.cache_folder() == datasets.find_mnist()
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.gz" for name in CONTENTS)
    assert datasets.write_mnist(places / "out") == {"train": 30, "test": 8}


def test_a_failed_download_gives_advice_and_leaves_nothing(places: Path) -> None:
    bad = places / "bad"
    bad.mkdir()
    (bad / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataError, match=r"set DEEPCAE_DATA .*`deepcae data digits` .*is not MNIST's") as caught:
        mnist.fetch_mnist((f"{bad.as_uri()}/",))
    assert "\n" not in str(caught.value)
    assert not mnist.cache_folder().exists()


def test_the_mirrors_true_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mnist_dir()
    if folder is None:
        pytest.skip("no MNIST beside the checkout")
    for name, checksum in mnist.FILES.items():
        assert mnist._checksum((folder / f"{name}.gz").read_bytes()) == checksum


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t10k-labels-idx1-ubyte",
            idx(2049, np.zeros(7)),
            r"\[8, 28, 28\] and t10k-labels \[7\] do not fit",
        ),
        ("t10k-images-idx3-ubyte", b"abcd", "t10k-images-idx3-ubyte.gz: is no IDX file"),
    ],
)
def test_a_folder_that_holds_something_else(places: Path, name: str, content: bytes, message: str) -> None:
    folder = places / "data" / "mnist"
    (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=message):
        datasets.write_mnist(places / "out", folder)
    with pytest.raises(DataError, match="has no train-images-idx3-ubyte"):
        datasets.write_mnist(places / "out", places)


def test_digits_fill_the_frame_in_a_fixed_split(tmp_path: Path) -> None:
    assert datasets.write_digits(tmp_path) == {"train": 1500, "test": 297}
    images, labels = load_images(tmp_path / "train.txt")
    assert images.shape == (1500, 1, 28, 28)
    assert (images.min(), images.max()) == (0, 1)
    assert labels is not None
    assert np.bincount(labels.astype(int)).min() >= 145  # stratified: every digit about 150 times
    tests, test_labels = load_images(tmp_path / "test.h5")
    assert test_labels is not None
    assert len({image.tobytes() for image in np.concatenate([images, tests])}) == 1797  # none is in both
    small = images.reshape(-1, 4, 7, 4, 7).mean((2, 4))
    centres = np.array([small[labels == digit].mean(0).ravel() for digit in range(10)])
    tests = tests.reshape(-1, 4, 7, 4, 7).mean((2, 4)).reshape(297, 16)
    nearest = np.argmin(((tests[:, None] - centres) ** 2).sum(2), 1)
    assert (nearest == test_labels).mean() > 0.7  # the labels belong to the images

    first = (tmp_path / "train.h5").read_bytes()
    datasets.write_digits(tmp_path)
    assert (tmp_path / "train.h5").read_bytes() == first


def test_pairs_join_images_of_the_same_part(places: Path) -> None:
    datasets.write_mnist(places / "single", places / "data" / "mnist")
    counts = datasets.write_pairs(places / "pairs", places / "single", seed=1)
    assert counts == {"train": 30, "test": 8}
    for name in counts:
        images, labels = load_images(places / "single" / f"{name}.h5")
        assert labels is not None
        pairs = read_all(places / "pairs" / f"{name}.txt", "pair_data")
        assert pairs.shape == (counts[name], 2, 28, 28)
        numbers = {image.tobytes(): number for number, image in enumerate(images)}
        found = np.array([[numbers[half.tobytes()] for half in pair] for pair in pairs])
        similar = (labels[found[:, 0]] == labels[found[:, 1]]).astype(np.float32)
        np.testing.assert_array_equal(read_all(places / "pairs" / f"{name}.txt", "sim"), similar)
    first = (places / "pairs" / "train.h5").read_bytes()
    datasets.write_pairs(places / "pairs", places / "single", seed=1)
    assert (places / "pairs" / "train.h5").read_bytes() == first
    datasets.write_pairs(places / "pairs", places / "single", seed=2)
    assert (places / "pairs" / "train.h5").read_bytes() != first


def test_pairs_of_the_named_sets(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPCAE_DATA", str(places / "data"))
    assert datasets.write_pairs(places / "pairs") == {"train": 30, "test": 8}
    assert datasets.write_pairs(places / "pairs", "digits") == {"train": 1500, "test": 297}
    assert 0.05 < read_all(places / "pairs" / "train.h5", "sim").mean() < 0.15
    with pytest.raises(DataError, match=r"train.h5: no such file"):
        datasets.write_pairs(places / "pairs", places / "nowhere")


@pytest.mark.parametrize("name", ["train.h5", "train.txt", "test.h5", "test.txt"])
def test_commands_replace_no_file_that_holds_something_else(
    places: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = places / "out"
    out.mkdir()
    (out / name).write_text("somebody's")
    argv = ["data", "mnist", "--source", str(places / "data" / "mnist"), "-o", str(out)]
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert f"{out}: {name} would be replaced by something else" in said
    assert "--overwrite" in said
    assert [path.read_text() for path in out.iterdir()] == ["somebody's"]
    assert main([*argv, "--overwrite"]) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(argv) == 0  # the same again
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert len(before) == 4


@pytest.mark.parametrize("command", ["pairs", "subset", "digits"])
def test_no_command_replaces_its_own_source(places: Path, command: str) -> None:
    source = places / "source"
    datasets.write_mnist(source, places / "data" / "mnist")
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    options = {"pairs": [], "subset": ["--count", "6"], "digits": None}[command]
    given = [] if options is None else ["--source", str(source), *options]
    assert main(["data", command, *given, "-o", str(source)]) == 2
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    assert main(["data", command, *given, "-o", str(source), "--overwrite"]) == 0


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets.write_digits(tmp_path)
    before = (tmp_path / "train.h5").read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(DataError, match=r"train.h5 cannot be written there .*no space left"):
        datasets.write_digits(tmp_path)
    assert (tmp_path / "train.h5").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 4


def test_real_mnist(tmp_path: Path) -> None:
    folder = mnist_dir()
    if folder is None:
        pytest.skip("no MNIST beside the checkout")
    assert datasets.write_mnist(tmp_path, folder) == {"train": 60000, "test": 10000}
    images, labels = load_images(tmp_path / "test.txt")
    assert labels is not None
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(labels.astype(int)).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert images.max() == 1
    assert read_all(tmp_path / "train.h5").mean() == pytest.approx(0.1306604, rel=1e-5)


def drawn(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    with h5py.File(folder / f"{name}.h5") as file:
        return file["data"][()].reshape(len(file["data"]), -1), file["label"][()]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    datasets.write_digits(folder)
    return folder


def test_a_subset_has_as_many_of_each_class_and_keeps_what_is_held_out_apart(digits: Path, tmp_path: Path) -> None:
    assert datasets.write_subset(tmp_path, 103, digits, seed=3, held_out=200) == {"train": 103, "heldout": 200}
    images, labels = drawn(tmp_path, "train")
    held, of_held = drawn(tmp_path, "heldout")
    assert set(np.bincount(labels.astype(int))) == {10, 11}
    assert set(np.bincount(of_held.astype(int))) <= {19, 20, 21}
    everything = dict(zip(map(bytes, drawn(digits, "train")[0]), drawn(digits, "train")[1], strict=True))
    assert [everything[bytes(image)] for image in images] == list(labels)
    assert len({bytes(image) for image in [*images, *held]}) == 303
    assert (tmp_path / "heldout.txt").read_text() == "heldout.h5\n"


def test_a_smaller_subset_is_the_beginning_of_a_larger_one_by_the_same_seed(digits: Path, tmp_path: Path) -> None:
    for name, count, seed in (("small", 20, 1), ("large", 60, 1), ("other", 20, 2)):
        datasets.write_subset(tmp_path / name, count, digits, seed)
    small, large, other = (drawn(tmp_path / name, "train")[0] for name in ("small", "large", "other"))
    np.testing.assert_array_equal(small, large[:20])
    assert not np.array_equal(small, other)
    assert not (tmp_path / "small" / "heldout.h5").exists()


@pytest.mark.parametrize(("count", "held_out"), [(0, 0), (1501, 0), (1500, 1), (5, -1)])
def test_a_subset_of_more_than_there_is_is_refused(digits: Path, tmp_path: Path, count: int, held_out: int) -> None:
    sentence = f"^{count} and {held_out} held-out images cannot be drawn from .*: it has 1500 to train with"
    with pytest.raises(DataError, match=sentence):
        datasets.write_subset(tmp_path / "none", count, digits, held_out=held_out)
    assert not (tmp_path / "none").exists()


def test_a_subset_from_the_command_line(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "few"
    given = ["data", "subset", "--source", str(digits), "-o", str(out)]
    assert main([*given, "--count", "30", "--held-out", "7", "-q"]) == 0
    assert [len(drawn(out, name)[1]) for name in ("train", "heldout")] == [30, 7]
    assert main([*given, "--count", "9999"]) == 2
    assert "9999 and 0 held-out images cannot be drawn from" in capsys.readouterr().err
