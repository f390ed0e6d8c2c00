"""Arrays from foreign .npy and .npz files: what numpy wrote comes back; claims are checked, nothing is unpickled."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deepcae.npy import Spool, array_from, arrays_from

KINDS = st.sampled_from(["<f4", ">f8", "u1", "<i8", "?", "<U3", "S4"])


def saved(array: np.ndarray) -> bytes:
    np.save(buffer := io.BytesIO(), array)
    return buffer.getvalue()


@given(KINDS.flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, min_side=0))), st.booleans())
def test_what_numpy_wrote_comes_back(array, in_fortran_order):
    array = np.asfortranarray(array) if in_fortran_order else array
    found = array_from(saved(array))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (saved(np.zeros((2, 3), "u1"))[:-1], r"shape \[2, 3\] of uint8 is told, and 5 bytes are there"),
        (saved(np.zeros((2, 3), "u1")).replace(b"(2, 3)", b"(9**9)"), "."),
        (saved(np.zeros(2, "u1")).replace(b"(2,)", b"(-2,)".ljust(4)[:4] + b""), "."),
        (saved(np.array([None], dtype=object)), "Python objects, which are never unpickled"),
        (b"\x93NUMPY\x01\x00", "."),
        (b"", "."),
    ],
)
def test_what_is_wrong_is_a_value_error(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        array_from(data)


def test_an_archive_gives_what_is_wanted_and_all_names(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(3), y=np.eye(2), z=np.array([None], dtype=object))
    found, names = arrays_from(tmp_path / "a.npz", ("y", "w"))
    np.testing.assert_array_equal(found["y"], np.eye(2))
    assert (list(found), names) == (["y"], ["x", "y", "z"])


def test_a_claim_beyond_what_deflate_can_do_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(10))
    data = (tmp_path / "a.npz").read_bytes()
    size = (10).to_bytes(4, "little")
    at = data.rindex(size + b"\x05\x00")  # the size in the directory, before the length of the name
    (tmp_path / "a.npz").write_bytes(data[:at] + (2**31 - 1).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(ValueError, match="says it has 2147483647 bytes"):
        arrays_from(tmp_path / "a.npz", ["x"])


@given(
    KINDS.flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, min_side=1))), st.sampled_from("CF")
)
def test_a_spool_writes_what_savez_writes(tmp_path_factory, array, order):
    folder = tmp_path_factory.mktemp("spool")
    np.savez_compressed(folder / "whole.npz", x=array)
    with Spool(folder) as spool, zipfile.ZipFile(folder / "blocks.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for block in np.array_split(array.copy(order), 3) if array.ndim else [array]:
            if block.size:
                spool.add(block)
        spool.into(archive, "x")
    assert (folder / "blocks.npz").read_bytes() == (folder / "whole.npz").read_bytes()
    assert len(list(folder.iterdir())) == 2
