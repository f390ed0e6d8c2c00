"""Where a file is that a text names, and who hears that the name may mean several."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from deepcae.errors import DeepcaeWarning
from deepcae.proto import lookup
from deepcae.proto.lookup import FIT, MODEL, STORED, once, resolve, told_to


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside the working directory."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    return there


def heard(name: str, *folders: Path) -> list[str]:
    told: list[str] = []
    with told_to(told.append):
        resolve(name, *folders)
    return told


def test_of_two_files_that_differ_it_is_told_which_is_taken(there: Path) -> None:
    Path("list.txt").write_text("a")
    (there / "list.txt").write_text("b")
    with pytest.warns(DeepcaeWarning, match="'list.txt' is taken from the working directory, though .*there/list.txt"):
        assert resolve("list.txt", there) == Path("list.txt")


def test_of_two_folders_of_texts_the_first_is_told(there: Path) -> None:
    for name in ("a", "b"):
        (there / name).mkdir()
        (there / name / "list.txt").write_text(name)
    assert heard("list.txt", there / "a", there / "b") == [
        f"'list.txt' is taken from {there}/a, though {there}/b/list.txt is there, too, and differs; "
        "if that is meant, name it by its whole path, or rename one"
    ]


@pytest.mark.parametrize("size", [1, lookup._BLOCK * lookup._BLOCKS + 5])
def test_equal_files_are_not_told_and_other_bytes_are(there: Path, size: int) -> None:
    for folder in (Path(), there):
        with (folder / "data.h5").open("wb") as file:
            file.truncate(size)
    assert heard("data.h5", there) == []
    with (there / "data.h5").open("r+b") as file:
        file.seek(size - 1)
        file.write(b"x")
    assert len(heard("data.h5", there)) == 1


def test_one_file_by_two_names_is_not_told(there: Path) -> None:
    Path("list.txt").write_text("a")
    (there / "list.txt").symlink_to(Path("list.txt").absolute())
    assert heard("list.txt", there, Path(), Path.cwd()) == []
    assert heard(str(Path("list.txt").absolute()), there) == []


def test_folders_are_told_by_what_lies_in_them(there: Path) -> None:
    for folder in (Path(), there):
        (folder / "lmdb").mkdir()
        (folder / "lmdb" / "data.mdb").write_text("a")
    assert heard("lmdb", there) == []
    (there / "lmdb" / "data.mdb").write_text("b")
    assert len(heard("lmdb", there)) == 1
    (there / "lmdb" / "data.mdb").write_text("longer")
    assert len(heard("lmdb", there)) == 1


def test_of_many_names_the_first_is_told(there: Path) -> None:
    told: list[str] = []
    tell = once(told.append, most=1)
    for name in ("a", "b"):
        Path(name).write_text("1")
        (there / name).write_text("2")
        resolve(name, there, tell=tell)
        resolve(name, there, tell=tell)
    assert len(told) == 1


def test_an_error_has_the_names_with_it(there: Path) -> None:
    Path("a").write_text("1")
    (there / "a").write_text("2")

    def fail() -> None:
        with told_to(lambda sentence: None):
            resolve("a", there)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no") as caught:
        fail()
    assert "'a' is taken from" in caught.value.__notes__[0]


@pytest.mark.parametrize("made", [STORED, f"../{FIT}"])
def test_texts_of_our_own_mean_their_neighbours(made: str, there: Path) -> None:
    folder = there / MODEL
    folder.mkdir()
    for path in (Path("train.h5"), folder / "train.h5"):
        path.write_text(str(path))
    (folder / made).write_text("{}")
    with warnings.catch_warnings(action="error"):
        assert resolve("train.h5", folder) == folder / "train.h5"
        (folder / "train.h5").unlink()
        assert resolve("train.h5", folder) == Path("train.h5")


def test_no_name_is_no_file(there: Path) -> None:
    """A field that is not set: all folders would be what it names."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve("", there) == Path()
