"""LMDB's file without its library: the records that the library wrote, of any number and size; damage is refused."""

from __future__ import annotations

from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.data.mdb import MdbFile
from deepcae.errors import DataError
from reference import reference_dir


def write(folder: Path, records: dict[bytes, bytes]) -> Path:
    with lmdb.open(str(folder), map_size=2**26) as environment, environment.begin(write=True) as transaction:
        for key, value in records.items():
            transaction.put(key, value)
    return folder / "data.mdb"


def read(path: Path) -> dict[bytes, bytes]:
    file = MdbFile(path)
    return {file.key(number): file.value(number) for number in range(len(file))}


@settings(max_examples=25)
@given(
    st.dictionaries(st.binary(min_size=1, max_size=200), st.binary(max_size=300) | st.integers(1000, 20000).map(bytes))
)
def test_any_records(tmp_path_factory, records):
    found = read(write(tmp_path_factory.mktemp("db"), records))
    assert list(found.items()) == sorted(records.items())


def test_a_deep_tree(tmp_path):
    records = {f"{number:08d}".encode() * 20: bytes([number % 256]) * (number % 900) for number in range(5000)}
    assert read(write(tmp_path / "db", records)) == records


def test_after_changes_the_latest_state_counts(tmp_path):
    path = write(tmp_path, {b"a": b"1", b"b": b"2", b"c": bytes(9000)})
    for number in range(5):
        write(tmp_path, {b"a": bytes([number]) * 5000, b"d": b"4"})
    with lmdb.open(str(tmp_path)) as environment, environment.begin(write=True) as transaction:
        transaction.delete(b"b")
    assert read(path) == {b"a": bytes([4]) * 5000, b"c": bytes(9000), b"d": b"4"}


@pytest.mark.parametrize(
    "path", sorted(reference_dir("files", "db").glob("*_lmdb/data.mdb")), ids=lambda p: p.parent.name
)
def test_caffes_own(path, tmp_path):
    (tmp_path / "data.mdb").write_bytes(path.read_bytes())
    with lmdb.open(str(tmp_path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        assert read(path) == dict(transaction.cursor())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data[:100], "it does not begin as one|lie behind its end"),
        (lambda data: b"x" * 9000, "it does not begin as one"),
        (lambda data: data[:-4096], "is cut off"),
        (lambda data: data.replace(b"\x02\x00", b"\xff\x7f"), "is no readable LMDB|is cut off"),
    ],
    ids=["short", "another file", "cut", "changed"],
)
def test_damage(change, sentence, tmp_path):
    path = write(tmp_path, {f"{n}".encode(): bytes(500) for n in range(50)})
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=sentence):
        MdbFile(path)


def test_keys_with_several_values_are_refused(tmp_path):
    with lmdb.open(str(tmp_path), max_dbs=1) as environment:
        database = environment.open_db(b"named", dupsort=True)
        with environment.begin(write=True, db=database) as transaction:
            transaction.put(b"a", b"1")
    with pytest.raises(DataError, match="a record that is none of Caffe's"):
        MdbFile(tmp_path / "data.mdb")
