"""Codes go to disk and come back, in every format; what is damaged or foreign is refused in one sentence."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import loadmat, savemat

from deepcae.codes import files, writers
from deepcae.errors import DataError

ENDINGS = (".h5", ".npz", ".csv", ".mat")
RNG = np.random.default_rng(3)
CODES = (RNG.normal(size=(7, 3)) * 10.0 ** RNG.integers(-20, 20, size=(7, 3))).astype(np.float32)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2])
ABOUT = {"net": "cae1", "iterations": 20000, "lr": 0.006}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_saved_is_loaded(tmp_path: Path, ending: str) -> None:
    path = files.save(tmp_path / f"codes{ending}", CODES, LABELS, ABOUT)
    back = files.load(path)
    np.testing.assert_array_equal(back.codes, CODES)
    assert back.codes.dtype == np.float32
    assert back.labels is not None
    np.testing.assert_array_equal(back.labels, LABELS)
    assert back.labels.dtype.kind == "i"
    assert back.attributes == ({} if ending == ".csv" else ABOUT)


@pytest.mark.parametrize("ending", ENDINGS)
def test_codes_need_no_labels(tmp_path: Path, ending: str) -> None:
    back = files.load(files.save(tmp_path / f"codes{ending}", CODES[:, :1]))
    assert back.labels is None
    np.testing.assert_array_equal(back.codes, CODES[:, :1])


@pytest.mark.parametrize("ending", [".h5", ".npz", ".mat"])
def test_maps_keep_their_shape(tmp_path: Path, ending: str) -> None:
    maps = RNG.normal(size=(4, 2, 3, 5)).astype(np.float32)
    np.testing.assert_array_equal(files.load(files.save(tmp_path / f"maps{ending}", maps)).codes, maps)


def test_csv_lays_maps_out_in_rows(tmp_path: Path) -> None:
    maps = np.arange(8, dtype=np.float32).reshape(2, 2, 2, 1)
    path = files.save(tmp_path / "maps.csv", maps, np.array([7, 8]))
    assert path.read_text() == "code_1,code_2,code_3,code_4,label\n0,1,2,3,7\n4,5,6,7,8\n"


@given(hnp.arrays(np.float32, (3, 2), elements=st.floats(width=32, allow_nan=False)))
def test_csv_keeps_every_single_precision_number(tmp_path_factory: pytest.TempPathFactory, codes: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("csv") / "codes.csv"
    np.testing.assert_array_equal(files.load(files.save(path, codes)).codes, codes)


def test_csv_keeps_double_precision(tmp_path: Path) -> None:
    codes = np.array([[1 / 3, -2 / 3e20], [1.0, 0.1]])
    np.testing.assert_array_equal(files.load(files.save(tmp_path / "codes.csv", codes)).codes, codes)


def test_csv_keeps_names_of_classes(tmp_path: Path) -> None:
    back = files.load(files.save(tmp_path / "codes.csv", CODES[:2], np.array(["a,b", 'say "x"'])))
    assert back.labels is not None
    assert back.labels.tolist() == ["a,b", 'say "x"']


def test_matlab_sees_columns_and_a_struct(tmp_path: Path) -> None:
    seen = loadmat(files.save(tmp_path / "codes.mat", CODES, LABELS, ABOUT), simplify_cells=False)
    assert seen["codes"].shape == (7, 3)
    assert seen["labels"].shape == (7, 1)
    assert seen["attributes"]["net"][0, 0] == "cae1"


def test_mat_refuses_what_it_cannot_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "MAT_LIMIT", CODES.nbytes - 1)
    with pytest.raises(DataError, match=r"codes\.mat: codes take .* GiB.*less than 2 GiB per variable.*save as \.h5"):
        files.save(tmp_path / "codes.mat", CODES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.save(tmp_path / f"codes{ending}", CODES)
    before = path.read_bytes()

    @contextmanager
    def full(job: writers.Job) -> Iterator[writers.Put]:
        with whole(job) as put:
            yield put
        job.temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    whole = writers.WRITERS[ending]
    monkeypatch.setitem(writers.WRITERS, ending, full)
    with pytest.raises(DataError, match=r"cannot be written: .*No space left"):
        files.save(path, CODES * 2)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("labels", [None, LABELS, LABELS / 4, np.array(["a", "b", "c", "d", "e", "longer", "é,"])])
def test_blocks_make_the_file_that_all_at_once_makes(tmp_path: Path, ending: str, labels: np.ndarray | None) -> None:
    whole, blocks = tmp_path / f"whole{ending}", tmp_path / f"blocks{ending}"
    files.save(whole, CODES, labels, ABOUT)
    with files.writing(blocks, len(CODES), ABOUT) as write:
        for rows in (slice(0, 3), slice(3, 4), slice(4, 7)):
            write(CODES[rows], None if labels is None else labels[rows])
        assert not blocks.exists()
    if ending != ".mat":  # which tells the time
        assert blocks.read_bytes() == whole.read_bytes()
    back, wanted = files.load(blocks), files.load(whole)
    np.testing.assert_array_equal(back.codes, wanted.codes)
    np.testing.assert_array_equal(back.labels, wanted.labels)  # type: ignore[arg-type]
    assert sorted(tmp_path.iterdir()) == [blocks, whole]


@pytest.mark.parametrize("ending", ENDINGS)
def test_blocks_that_break_off_leave_nothing(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"codes{ending}"

    def interrupted() -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), files.writing(path, 14) as write:
        write(CODES, LABELS), write(interrupted(), LABELS)
    with pytest.raises(ValueError, match="7 of 14 rows"), files.writing(path, 14) as write:
        write(CODES, LABELS)
    with pytest.raises(DataError, match="2 labels for 7 codes"), files.writing(path, 14) as write:
        write(CODES, LABELS[:2])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_codes_are_read_in_slices(tmp_path: Path, ending: str) -> None:
    path = files.save(tmp_path / f"codes{ending}", CODES, LABELS, ABOUT)
    with files.reading(path) as found:
        assert (len(found.codes), found.codes.shape, found.codes.dtype) == (7, (7, 3), np.float32)
        np.testing.assert_array_equal(found.codes[2:5], CODES[2:5])
        np.testing.assert_array_equal(found.labels, LABELS)  # type: ignore[arg-type]
        assert found.attributes == files.load(path).attributes
    path.write_bytes(b"garbage")
    with pytest.raises(DataError, match=r"codes\."), files.reading(path):
        pass
    with pytest.raises(DataError, match=r"no such file"), files.reading(tmp_path / f"none{ending}"):
        pass


def test_other_names_and_no_attributes(tmp_path: Path) -> None:
    for ending in (".h5", ".npz"):
        with files.writing(tmp_path / f"x{ending}", 7, names=("data", "label")) as write:
            write(CODES, LABELS)
    assert sorted(np.load(tmp_path / "x.npz")) == ["data", "label"]
    with h5py.File(tmp_path / "x.h5") as file:
        assert (sorted(file), dict(file.attrs)) == (["data", "label"], {})


def test_unknown_endings_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"kept as \.h5, \.npz, \.csv, \.mat, .*, not \.cvs; did you mean \.csv\?"):
        files.save(tmp_path / "codes.cvs", CODES)
    with pytest.raises(DataError, match="not a file without ending"):
        files.load(tmp_path / "codes")


def test_counts_must_agree(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 labels for 7 codes"):
        files.save(tmp_path / "codes.h5", CODES, LABELS[:3])
    with pytest.raises(DataError, match=r"shape \(7,\); expected one row per example"):
        files.save(tmp_path / "codes.h5", CODES[:, 0])


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("content", [b"", b"\x00\xffgarbage" * 9, b"PK\x03\x04broken", b"code_1,label\n1,2,3\n"])
def test_damaged_files_are_refused_by_name(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"bad{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.") as error:
        files.load(path)
    assert "\n" not in str(error.value)


def test_missing_files_and_datasets_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.h5: no such file"):
        files.load(tmp_path / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = CODES
    with pytest.raises(DataError, match="has no 'codes'; it holds 'data'"):
        files.load(tmp_path / "other.h5")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "fired"),))  # type: ignore[return-value]

    path = tmp_path / "bomb.npz"
    np.savez(path, codes=np.array([[Bomb()]], dtype=object))
    with pytest.raises(DataError):
        files.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("codes", pickle.dumps(Bomb()))
    with pytest.raises(DataError):
        files.load(path)
    assert not (tmp_path / "fired").exists()


def test_links_out_of_the_file_are_refused(tmp_path: Path) -> None:
    files.save(tmp_path / "codes.h5", CODES)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["codes"] = h5py.ExternalLink("codes.h5", "/codes")
    with pytest.raises(DataError, match="'codes' is a link to elsewhere"):
        files.load(tmp_path / "link.h5")


@pytest.mark.parametrize("ending", [".h5", ".npz", ".csv"])
def test_equal_codes_give_equal_bytes(tmp_path: Path, ending: str) -> None:
    first = files.save(tmp_path / f"a{ending}", CODES, LABELS, ABOUT).read_bytes()
    assert files.save(tmp_path / f"b{ending}", CODES, LABELS, ABOUT).read_bytes() == first


WORDS = np.array(["cat", "dög", "cat", "", "elephant", "fox", "gnu"])


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_of_classes_are_kept(tmp_path: Path, ending: str) -> None:
    back = files.load(files.save(tmp_path / f"codes{ending}", CODES, WORDS))
    assert back.labels is not None
    assert back.labels.tolist() == WORDS.tolist()


def test_labels_in_matlabs_cells_are_words(tmp_path: Path) -> None:
    savemat(tmp_path / "cells.mat", {"codes": CODES, "labels": np.array([[word] for word in WORDS], dtype=object)})
    labels = files.load(tmp_path / "cells.mat").labels
    assert labels is not None
    assert labels[1] == "dög"
    files.save(tmp_path / "codes.h5", CODES, labels)


def test_a_file_without_codes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("code_1,code_2,label\n")
    with pytest.raises(DataError, match=r"none\.csv: holds no codes \(their shape is \[0, 2\]\)"):
        files.load(tmp_path / "none.csv")


def test_csv_of_a_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_bytes("\ufeffcode_1,label\r\n1,ü\r\n\r\n2,b\r\n\r\n".encode())
    back = files.load(tmp_path / "sheet.csv")
    assert back.codes.tolist() == [[1], [2]]
    assert back.labels is not None
    assert back.labels.tolist() == ["ü", "b"]
    (tmp_path / "short.csv").write_text("code_1,code_2\n1,2\n\n1\n")
    with pytest.raises(DataError, match=r"short\.csv:4: 1 columns; the header has 2"):
        files.load(tmp_path / "short.csv")


def test_csv_keeps_numbers_beyond_single_precision(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("code_1,code_2\n1e300,1\n2,1e-300\n")
    assert files.load(tmp_path / "wide.csv").codes.tolist() == [[1e300, 1], [2, 1e-300]]
