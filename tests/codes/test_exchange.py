"""Codes in files of other people's tools: what they read, and what comes back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.cli import main
from deepcae.codes import files, h5adread, varwords
from deepcae.errors import DataError, DeepcaeWarning

ENDINGS = (".parquet", ".h5ad")
CODES = np.random.default_rng(3).normal(size=(7, 3)).astype(np.float32)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2])
ABOUT = {"net": "cae1", "iterations": 20000, "lr": 0.006, "best": True}
COLUMNS = {
    "source": np.array(["b.tif", "a.tif", "é", "a.tif", "b.tif", "", "a.tif"]),
    "row": np.arange(7)[::-1].copy(),
    "time": np.arange(7) / 3,
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("labels", [None, LABELS, LABELS / 4, np.array([*"abcabc", "longer"])])
def test_what_is_saved_is_loaded_in_blocks_and_whole(ending: str, labels: np.ndarray | None, tmp_path: Path) -> None:
    whole, blocks = tmp_path / f"whole{ending}", tmp_path / f"blocks{ending}"
    files.save(whole, CODES, labels, ABOUT, COLUMNS)
    with files.writing(blocks, len(CODES), ABOUT) as write:
        for rows in (slice(0, 3), slice(3, 4), slice(4, 7)):
            part = {name: values[rows] for name, values in COLUMNS.items()}
            write(CODES[rows], None if labels is None else labels[rows], part)
    for back in (files.load(whole), files.load(blocks)):
        np.testing.assert_array_equal(back.codes, CODES)
        assert back.codes.dtype == np.float32
        assert back.attributes == ABOUT
        assert (back.labels is None) == (labels is None)
        if labels is not None:
            np.testing.assert_array_equal(back.labels, labels)  # type: ignore[arg-type]
        assert set(back.columns) == set(COLUMNS)
        for name, values in COLUMNS.items():
            np.testing.assert_array_equal(back.columns[name], values)
    assert sorted(tmp_path.iterdir()) == [blocks, whole]


@pytest.mark.parametrize("ending", ENDINGS)
def test_maps_of_codes_are_laid_out_in_rows(ending: str, tmp_path: Path) -> None:
    maps = np.arange(12, dtype=np.float32).reshape(2, 2, 3, 1)
    np.testing.assert_array_equal(files.load(files.save(tmp_path / f"m{ending}", maps)).codes, maps.reshape(2, 6))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("content", [b"", b"PAR1", b"no such file" * 20])
def test_damaged_files_are_told_in_one_line(ending: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"codes{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="codes") as caught:
        files.load(path)
    assert "\n" not in str(caught.value)
    whole = files.save(tmp_path / f"whole{ending}", CODES, LABELS).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a readable"):
        files.load(path)


def test_pandas_reads_parquet_as_it_is(tmp_path: Path) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(files.save(tmp_path / "c.parquet", CODES, LABELS, ABOUT, COLUMNS))
    assert table.column_names == ["code_1", "code_2", "code_3", *COLUMNS, "label"]
    assert table["source"].to_pylist() == COLUMNS["source"].tolist()
    assert str(table.schema.field("code_1").type) == "float"


def test_columns_of_any_kind_are_read_or_left_out(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    words = pa.array(["u", "v", None, "u"])
    table = {"code_1": [1.0, 2, 3, 4], "word": words, "class": words.dictionary_encode(), "n": [1, 2, 3, 4]}
    more = {"list": [[1], [2, 3], [], None], "raw": [b"x", b"\xff", None, b""], "ok": [True, None, False, True]}
    pyarrow.parquet.write_table(pa.table({**table, **more}), tmp_path / "a.parquet", row_group_size=3)
    found = files.load(tmp_path / "a.parquet").columns
    assert {name: values.tolist() for name, values in found.items()} == {
        "word": ["u", "v", "", "u"],
        "class": ["u", "v", "", "u"],
        "n": [1, 2, 3, 4],
        "ok": ["True", "", "False", "True"],
    }


def test_parquet_of_other_programs(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    path = tmp_path / "other.parquet"
    pyarrow.parquet.write_table(pa.table({"word": ["x", None], "code_1": [1.0, 2.0], "n": [1, 2]}), path)
    back = files.load(path)
    np.testing.assert_array_equal(back.codes, [[1], [2]])
    assert back.columns["word"].tolist() == ["x", ""]
    pyarrow.parquet.write_table(pa.table({"word": ["x"]}), path)
    with pytest.raises(DataError, match=r"no columns 'code_1', 'code_2', \.\.\.; it has word"):
        files.load(path)


def test_without_the_library_a_line_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for call in (lambda path: files.save(path, CODES), lambda path: (path.write_bytes(b"PAR1"), files.load(path))):
        with pytest.raises(DataError, match=r"need pyarrow, .*pip install 'deepcae\[export\]'"):
            call(tmp_path / "c.parquet")


def test_an_h5ad_file_is_laid_out_as_its_format_is_published(tmp_path: Path) -> None:
    with h5py.File(files.save(tmp_path / "c.h5ad", CODES, LABELS, ABOUT, COLUMNS)) as file:
        told = {
            name: (item.attrs["encoding-type"], item.attrs["encoding-version"])
            for name, item in [("", file), *((name, file[name]) for name in file), ("source", file["obs/source"])]
        }
        assert told[""] == ("anndata", "0.1.0")
        assert told["X"] == ("array", "0.2.0")
        assert told["obs"] == told["var"] == ("dataframe", "0.2.0")
        assert told["source"] == ("categorical", "0.2.0")
        for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
            assert told[name] == ("dict", "0.1.0")
        assert [name.decode() for name in file["var/_index"]] == ["code_1", "code_2", "code_3"]
        assert [name.decode() for name in file["obs"].attrs["column-order"]] == [*COLUMNS, "label"]


def test_a_map_lies_beside_its_codes_in_h5ad(tmp_path: Path) -> None:
    codes = files.save(tmp_path / "codes.h5ad", CODES, LABELS, ABOUT, COLUMNS)
    assert main(["embed", str(codes), "--method", "pca", "-o", str(tmp_path / "map.h5ad"), "--quiet"]) == 0
    with h5py.File(tmp_path / "map.h5ad") as file:
        np.testing.assert_array_equal(file["X"], CODES)
        points = file["obsm/X_pca"][:]
    back = files.load(tmp_path / "map.h5ad")
    np.testing.assert_array_equal(back.codes, points)
    assert points.shape == (7, 2)
    assert back.attributes["method"] == "pca"
    np.testing.assert_array_equal(back.columns["source"], COLUMNS["source"])


def test_words_of_variable_length_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As anndata writes them."""
    path = files.save(tmp_path / "c.h5ad", CODES, None, ABOUT, COLUMNS)
    with h5py.File(path, "a") as file:
        group = file["obs"].create_group("leiden")
        group["categories"] = np.array(["ä", "one"], object)
        group["codes"] = np.array([0, 1, 1, 0, 1, 0, -1], np.int8)
        file["obs/words"] = np.array(["x", "yes"] * 3 + [""], object)
        file["obs/few"] = np.array(["x"] * 6, object)
        file["obs/away"] = h5py.ExternalLink(str(path), "obs/words")
    back = files.load(path)
    assert back.columns["leiden"].tolist() == ["ä", "one", "one", "ä", "one", "ä", ""]
    assert back.columns["words"].tolist() == ["x", "yes"] * 3 + [""]
    assert not {"few", "away"} & set(back.columns)
    monkeypatch.setattr(h5adread, "read_words", lambda path, names: {})  # as where the other process was ended
    with pytest.warns(DeepcaeWarning, match="words of 'leiden' cannot be read; its numbers are taken"):
        back = files.load(path)
    assert back.columns["leiden"].tolist() == [0, 1, 1, 0, 1, 0, -1]
    assert "words" not in back.columns


def test_a_file_that_ends_the_reader_of_words_ends_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.h5ad").write_bytes(b"no HDF5")
    assert varwords.read_words(tmp_path / "a.h5ad", ["obs/x"]) == {}


@pytest.mark.parametrize("ending", ENDINGS)
def test_commands_read_what_was_written(ending: str, tmp_path: Path) -> None:
    codes = str(files.save(tmp_path / f"codes{ending}", np.repeat(CODES, 3, 0), np.repeat(LABELS % 2, 3), ABOUT))
    picture = tmp_path / "map.png"
    assert main(["embed", codes, "--method", "pca", "-o", str(tmp_path / f"map{ending}"), "--quiet"]) == 0
    assert main(["plot", str(tmp_path / f"map{ending}"), "-o", str(picture), "--quiet"]) == 0
    assert picture.stat().st_size > 1000
    assert main(["eval", "--codes", codes, codes, "--quiet"]) == 0


def test_tensorboard_gets_a_line_for_each_code(tmp_path: Path) -> None:
    path = tmp_path / "c.projector"
    words = COLUMNS | {"source": np.array(["a\tb", "line\nend", "", "d", "e", "f", "g"])}
    files.save(path, CODES, LABELS, ABOUT, words)
    vectors = np.loadtxt(path / "tensors.tsv", delimiter="\t", dtype=np.float32)
    np.testing.assert_array_equal(vectors, CODES)
    lines = [line.split("\t") for line in (path / "metadata.tsv").read_text().splitlines()]
    assert lines[0] == ["source", "row", "time", "label"]
    assert [line[0] for line in lines[1:4]] == ["a b", "line end", " "]
    assert [int(line[3]) for line in lines[1:]] == LABELS.tolist()
    config = (path / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "tensors.tsv"' in config
    assert 'metadata_path: "metadata.tsv"' in config
    with pytest.raises(DataError, match="is there already, and is left alone"):
        files.save(path, CODES * 2)
    np.testing.assert_array_equal(np.loadtxt(path / "tensors.tsv", delimiter="\t", dtype=np.float32), CODES)
    with pytest.raises(DataError, match="is for other programs, and is not read back"):
        files.load(path)
    assert list(tmp_path.iterdir()) == [path]


def test_one_column_for_tensorboard_has_no_head_and_none_no_file(tmp_path: Path) -> None:
    files.save(tmp_path / "one.projector", CODES, LABELS)
    assert (tmp_path / "one.projector/metadata.tsv").read_text().split() == list(map(str, LABELS))
    files.save(tmp_path / "none.projector", CODES)
    assert not (tmp_path / "none.projector/metadata.tsv").exists()
    assert "metadata" not in (tmp_path / "none.projector/projector_config.pbtxt").read_text()
    with pytest.raises(ValueError, match="7 of 9"), files.writing(tmp_path / "half.projector", 9) as write:
        write(CODES)
    assert not (tmp_path / "half.projector").exists()


@pytest.mark.parametrize(
    ("time", "wanted"),
    [
        (np.arange(7) / 4, {"starting_time": 0.0, "rate": 4.0}),
        (np.array([0, 1, 2, 4, 8, 9, 10.5]), {"timestamps": [0, 1, 2, 4, 8, 9, 10.5]}),
        (np.array([0, 1, 1, 2, 3, 4, 5.0]), None),
        (np.array([5, 4, 3, 2, 1, 0, -1.0]), None),
        (np.array([0, 1, 2, np.nan, 4, 5, 6]), None),
        (None, None),
    ],
)
def test_nwb_holds_a_series_where_time_grows_and_else_a_table(
    time: np.ndarray | None, wanted: dict | None, tmp_path: Path
) -> None:
    import pynwb

    columns = {**COLUMNS, "name": np.array([*"gfedcba"])}
    columns.pop("time")
    columns |= {} if time is None else {"time": time}
    path = files.save(tmp_path / "c.nwb", CODES, LABELS, ABOUT, columns)
    with pynwb.NWBHDF5IO(path, "r") as stream:
        file = stream.read()
        module = file.processing["deepcae"]
        table = module["codes" if wanted is None else "images"]
        if wanted is None:
            np.testing.assert_array_equal(np.array(table["code"].data), CODES)
        else:
            series = module["codes"]
            np.testing.assert_array_equal(series.data[:], CODES)
            for name, value in wanted.items():
                np.testing.assert_allclose(np.asarray(getattr(series, name)), value)
        assert json.loads(file.notes) == ABOUT
        assert list(table["source"].data) == COLUMNS["source"].tolist()
        assert list(table["image_name"].data) == [*"gfedcba"]
        assert table["label"].data[:].tolist() == LABELS.tolist()
        assert pynwb.validate(io=stream) == []
    with pytest.raises(DataError, match="is not read back"):
        files.load(path)
