"""`deepcae summary`, `upgrade`, `zoo`, `data`: texts and data sets in and out."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae import zoo
from deepcae.cli import main
from deepcae.proto.binary import read_weights
from deepcae.proto.read import read_net
from reference import reference_dir

V1 = """name: "old"
input: "data" input_dim: 2 input_dim: 1 input_dim: 4 input_dim: 4
layers { name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip" blobs_lr: 1 blobs_lr: 2
  inner_product_param { num_output: 3 } }
"""


def answer(capsys: pytest.CaptureFixture[str], *argv: str) -> dict:  # type: ignore[type-arg]
    assert main(list(argv)) == 0
    out, _ = capsys.readouterr()
    assert len(out.splitlines()) == 1
    answered: dict = json.loads(out)  # type: ignore[type-arg]
    return answered


def test_summary_as_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "summary", str(model / "net.prototxt"), "--phase", "TRAIN", "--json")
    assert found["name"] == "tiny"
    assert found["inputs"] == []
    assert found["outputs"] == ["entropy", "l2"]  # Caffe's order
    assert found["parameters"] == 2 * 9 + 2 + 32 * 2 + 2 + 2 * 36 + 36
    assert found["blobs"]["data"] == [8, 1, 6, 6]
    assert found["blobs"]["code"] == [8, 2]
    assert found["blobs"]["entropy"] == []
    types = [layer["type"] for layer in found["layers"]]
    assert types[:3] == ["HDF5Data", "Split", "Convolution"]
    assert found["layers"][1] == {
        "name": "data_train_0_split",
        "type": "Split",
        "bottoms": ["data"],
        "tops": ["data_train_0_split_0", "data_train_0_split_1"],
        "parameters": 0,
    }
    assert sum(layer["parameters"] for layer in found["layers"]) == found["parameters"]


def test_summary_needs_no_data(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The loss tells the shape of the missing input's pixels; the text tells the rest."""
    (model / "net.prototxt").write_text(
        'layer { name: "d" type: "HDF5Data" top: "data" hdf5_data_param { source: "gone.txt" batch_size: 5 } }\n'
        'layer { name: "z" type: "DummyData" top: "z" dummy_data_param { shape { dim: 5 dim: 3 } } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "z" top: "ip" inner_product_param { num_output: 7 } }\n'
        'layer { name: "l" type: "EuclideanLoss" bottom: "ip" bottom: "data" top: "l" }\n'
    )
    found = answer(capsys, "summary", str(model / "net.prototxt"), "--json")
    assert found["parameters"] == 28
    assert found["blobs"]["data"] == [5, 7]


def test_summary_for_people(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(model / "net.prototxt"), "-phase", "TEST"]) == 0
    out = capsys.readouterr().out
    assert "InnerProduct" in out
    assert "_split" not in out
    assert f"{2 * 9 + 2 + 32 * 2 + 2 + 2 * 36 + 36}" in out


def test_summary_of_a_solver_says_what_to_give(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(model / "solver.prototxt")]) == 2
    assert "is a solver, and a network is wanted; its network is 'net.prototxt'" in capsys.readouterr().err


def test_upgrade_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.prototxt"
    old.write_text(V1)
    assert main(["upgrade", str(old)]) == 0
    out, err = capsys.readouterr()
    new = tmp_path / "new.prototxt"
    new.write_text(out)
    assert read_net(new).message == read_net(old).message
    assert read_net(new).notes == []
    assert f"{old}:" in err
    assert old.read_text() == V1


def test_upgrade_to_a_file_and_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.prototxt", tmp_path / "sub" / "new.prototxt"
    old.write_text(V1)
    assert main(["upgrade", str(old), str(new)]) == 0
    assert main(["upgrade", str(old), "--in_place"]) == 0
    assert capsys.readouterr().out == ""
    assert old.read_text() == new.read_text() != V1


def test_upgrade_of_a_solver(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "s.prototxt"
    old.write_text('net: "n" solver_type: ADAM base_lr: 1\n')
    assert main(["upgrade", str(old)]) == 0
    out, _ = capsys.readouterr()
    assert 'type: "Adam"' in out
    assert "solver_type" not in out


def test_an_upgrade_that_changes_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = tmp_path / "n.prototxt"
    net.write_text('name: "n"\n')
    assert main(["upgrade", str(net)]) == 0
    assert "today's syntax already" in capsys.readouterr().err


def test_a_text_of_today_stays_byte_for_byte(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    net = tmp_path / "n.prototxt"
    net.write_bytes(text := b"\xef\xbb\xbfname: 'n'\t# \xff\r\n\r\n")
    assert main(["upgrade", str(net)]) == 0
    assert capsysbinary.readouterr().out == text
    assert main(["upgrade", str(net), "-o", str(tmp_path / "copy")]) == 0
    assert main(["upgrade", str(net), "--in-place"]) == 0
    assert net.read_bytes() == (tmp_path / "copy").read_bytes() == text


def test_upgrade_keeps_comments_of_any_encoding(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "n.prototxt").write_bytes(b"layers { type: RELU } # gr\xfcn\n")
    assert main(["upgrade", str(tmp_path / "n.prototxt")]) == 0
    assert capsysbinary.readouterr().out == b'layer {\n  type: "ReLU"\n}  # gr\xfcn\n'


def test_upgrade_of_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = reference_dir("files", "legacy_model", "v1.caffemodel"), tmp_path / "new.caffemodel"
    assert main(["upgrade", str(old)]) == 2
    assert "give OUT or --in-place" in capsys.readouterr().err
    assert main(["upgrade", str(old), str(new)]) == 0
    assert "the syntax is that of 2014" in capsys.readouterr().err
    assert read_weights(new) == read_weights(old)
    assert main(["upgrade", str(new), str(tmp_path / "again")]) == 0
    assert "today's syntax already" in capsys.readouterr().err
    assert (tmp_path / "again").read_bytes() == new.read_bytes()


def test_upgrade_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (old := tmp_path / "s.prototxt").write_text("solver_type: ADAM\n")
    assert main(["upgrade", str(old), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    sentence = 'solver_type: ADAM read as type: "Adam"'
    assert found["changes"] == [{"line": 1, "column": 1, "message": sentence}]
    assert (found["kind"], found["text"], found["written"]) == ("solver", 'type: "Adam"\n', None)


def test_the_zoo_lists_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names[:7] == [
        "classic-300", "classic-500", "classic-1000", "classic-2000", "classic-3000", "cae1", "cae2",
    ]  # fmt: skip
    assert names == [*zoo.names(), "design"]


def test_the_zoo_writes_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lists = ["mnist/train.txt", "mnist/test.txt"]
    assert main(["zoo", "cae1", "--dims", "2", "--data", *lists, "-o", "mine"]) == 0
    assert "deepcae train --solver mine/solver.prototxt" in capsys.readouterr().out
    found = answer(capsys, "summary", "mine/net.prototxt", "--phase", "TEST", "--json")
    assert found["parameters"] == 74893  # Table II
    assert found["outputs"] == ["cross_entropy_loss", "l2_error"]
    assert "max_iter: 20000" in Path("mine/solver.prototxt").read_text()


def test_the_zoo_keeps_a_text_that_somebody_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["zoo", "cae1", "-o", "mine"]) == 0
    assert {path.name for path in Path("mine").iterdir()} == {"net.prototxt", "solver.prototxt"}
    written = Path("mine/net.prototxt").read_text()
    Path("mine/net.prototxt").write_text(f"{written}# mine")
    capsys.readouterr()
    assert main(["zoo", "cae1", "-o", "mine"]) == 0
    assert capsys.readouterr().err == "what stood there before is kept: mine/net.prototxt~\n"
    assert Path("mine/net.prototxt~").read_text() == f"{written}# mine"
    assert Path("mine/net.prototxt").read_text() == written


def test_a_classifier_has_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["zoo", "cae2-classifier", "--dims", "7"]) == 0
    assert capsys.readouterr().err == "network 'cae2-classifier' has classes and no code; --dims changes nothing\n"


def test_the_zoo_names_its_page_and_a_folder_that_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/cae1").mkdir(parents=True)
    assert main(["zoo", "cae1", "-o", "mine/cae1"]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.endswith("--out runs/cae1-2")
    assert Path(last.rpartition(": ")[2]).read_text().startswith("# cae1\n")


def test_the_zoo_leaves_a_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/mine").mkdir(parents=True)
    Path("runs/mine/run.json").write_text("{}")
    assert main(["zoo", "cae1", "-o", "runs/mine"]) == 2
    assert capsys.readouterr().err == "error: runs/mine: holds a run, which would lose its texts; give another -o\n"
    assert [path.name for path in Path("runs/mine").iterdir()] == ["run.json"]


def test_the_zoo_quotes_the_command_it_advises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["zoo", "cae1", "-o", "my net"]) == 0
    wanted = "deepcae train --solver 'my net/solver.prototxt' --out 'runs/my net'"
    wrote, missing, _ = capsys.readouterr().out.splitlines()
    assert wrote.endswith(f"; next: {wanted}")
    assert missing.startswith("before that: my net/net.prototxt:")
    assert "no such file" in missing
    assert missing.endswith("; --data TRAIN TEST names other list files")


@pytest.mark.parametrize("missing", ["train", "test", "the file in train"])
def test_other_lists_are_offered_where_one_is_missing(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "digits", "-o", "d", "-q"]) == 0
    Path(f"d/{missing}.txt").unlink(missing_ok=True)
    if missing.startswith("the file"):
        Path("d/train.txt").write_text("nowhere.h5\n")
    capsys.readouterr()
    code = main(["zoo", "cae1", "--data", "d/train.txt", "d/test.txt", "-o", "mine"])
    found = capsys.readouterr()
    if missing.startswith("the file"):
        assert (code, "nowhere.h5" in found.err) == (2, True)
        return
    problem = found.out.splitlines()[1]
    assert problem.startswith("before that: mine/net.prototxt:")
    assert f"no such file '../d/{missing}.txt'" in problem
    assert problem.endswith("; --data TRAIN TEST names other list files")


def test_data_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "data", "digits", "-o", str(tmp_path / "d"), "--json")["rows"]
    assert rows == {"train": 1500, "test": 297}
    for name, count in rows.items():
        with h5py.File(tmp_path / "d" / f"{name}.h5") as file:
            data, label = file["data"][()], file["label"][()]
        assert (data.shape, data.dtype, len(label)) == ((count, 1, 28, 28), np.float32, count)
        assert (data.min(), data.max()) == (0, 1)
        assert (tmp_path / "d" / f"{name}.txt").read_text().split() == [f"{name}.h5"]
