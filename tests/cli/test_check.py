"""`deepcae check`: each mistake at its place, in a useful sentence, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deepcae.cli import main
from deepcae.proto.binary import write_message
from deepcae.proto.schema import BlobProto

BROKEN = sorted(Path(__file__).with_name("broken").glob("*.prototxt"))
NET = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
DATA = (
    'layer {{ name: "d" type: "HDF5Data" top: "d" include {{ {} }}'
    ' hdf5_data_param {{ source: "{}" batch_size: 1 }} }}\n'
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


UNFED = 'layer { name: "r" type: "ReLU" bottom: "nowhere" top: "r" }\n'


def check(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, list[str]]:
    """The exit code and the lines on stdout; nothing may be on stderr."""
    code = main(["check", *argv])
    out, err = capsys.readouterr()
    assert err == ""
    return code, out.splitlines()


def test_there_are_broken_texts_enough() -> None:
    assert len(BROKEN) >= 30


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_broken_text(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first line of each file says where its mistake is, and a phrase of the complaint."""
    text = path.read_text()
    expected = re.match(r"# (\d+:\d+) (.*)\n", text)
    assert expected is not None
    Path("bad.prototxt").write_text(text)
    code, lines = check(capsys, "bad.prototxt")
    nothing_else = ["bad.prototxt: nothing else is wrong, as far as can be told without these data"]
    assert (code, lines[1:]) == (2, nothing_else if path.stem == "missing_data" else []), lines
    assert lines[0].startswith(f"bad.prototxt:{expected[1]}: ")
    assert expected[2] in lines[0]
    assert len(lines[0]) <= 300


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_training_refuses_it_in_one_line_too(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if path.stem.startswith(("solver_", "wrong_net")):
        solver = path
    else:
        solver = Path("s.prototxt")
        solver.write_text(f'net: "{path}" base_lr: 0.1 lr_policy: "fixed" max_iter: 1\n')
    code = main(["train", "--solver", str(solver), "--out", "run", "--quiet"])
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert re.fullmatch(r"error: .+\n", err)


def test_all_problems_of_a_text_are_told_at_once_in_file_order(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text(
        NET
        + 'layer { name: "a" type: "Relu" bottom: "x" top: "a" }\n'
        + 'layer { name: "b" type: "ReLU" bottom: "z" top: "b" }\n'
        + 'layer { name: "c" type: "InnerProduct" bottom: "x" top: "c" inner_product_param { num_output: 0 } }\n'
    )
    code, lines = check(capsys, "n.prototxt")
    assert code == 2
    assert [line.split(":")[1] for line in lines] == ["2", "3", "4"]


def test_a_sound_net_and_solver_pass(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text(NET)
    Path("s.prototxt").write_text('net: "n.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1\n')
    code, lines = check(capsys, "n.prototxt", "s.prototxt")
    assert (code, len(lines)) == (0, 2)
    assert "net is fine" in lines[0]
    assert "solver is fine" in lines[1]
    assert check(capsys, "-q", "n.prototxt") == (0, [])


def test_every_phase_and_stage_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text(
        DATA.format("phase: TRAIN", "a.txt")
        + DATA.format('phase: TEST stage: "one"', "b.txt")
        + DATA.format('phase: TEST stage: "two"', "c.txt")
        + 'layer { name: "r" type: "ReLU" bottom: "d" top: "r" }\n'
    )
    code, lines = check(capsys, "n.prototxt")
    assert code == 2
    assert [line.split(":")[1] for line in lines[:-1]] == ["1", "2", "3"]  # and no complaint of TEST without a stage
    assert "in phase TEST, stage two" in lines[2]


def test_a_stage_that_a_rule_excludes_is_looked_at_too(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text(
        NET
        + 'layer { name: "r" type: "ReLU" bottom: "x" top: "r" include { not_stage: "deploy" } }\n'
        + 'layer { name: "s" type: "ReLU" bottom: "r" top: "s" }\n'
    )
    code, lines = check(capsys, "n.prototxt")
    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith("n.prototxt:3:32: ")
    assert lines[0].endswith("(in phase TRAIN, stage deploy; phase TEST, stage deploy)")


def test_a_phase_without_any_data_is_not_meant(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text(
        NET.replace('top: "x"', 'top: "x" include { phase: TRAIN }')
        + 'layer { name: "r" type: "ReLU" bottom: "x" top: "r" }\n'
    )
    assert check(capsys, "-q", "n.prototxt") == (0, [])


def test_missing_data_that_we_could_make(capsys: pytest.CaptureFixture[str]) -> None:
    Path("m").mkdir()
    text = DATA.format("phase: TRAIN", "data/digits/train.txt").replace('top: "d"', 'top: "data"')
    Path("m/n.prototxt").write_text(text)
    _, lines = check(capsys, "m/n.prototxt")
    assert lines[0].endswith("and m); 'deepcae data digits -o data/digits' makes it")
    assert main(["data", "digits", "-o", "data/digits", "-q"]) == 0
    capsys.readouterr()
    assert check(capsys, "-q", "m/n.prototxt") == (0, [])


@pytest.mark.parametrize("source", ["data/mnist/valid.txt", "mnist/train.h5", "data/cifar/train.txt", "train.txt"])
def test_missing_data_that_no_command_of_ours_makes(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text(DATA.format("phase: TRAIN", source))
    _, lines = check(capsys, "n.prototxt")
    assert lines[0].endswith("(looked in the working directory)")


@pytest.mark.parametrize(
    ("kind", "param", "hint"),
    [
        ("Data", "data_param", "`deepcae convert_imageset` makes an LMDB"),
        ("ImageData", "image_data_param", "image label"),
    ],
)
def test_missing_data_of_other_kinds(kind: str, param: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`deepcae data mnist` writes HDF5 files: it does not help a layer that reads something else."""
    source = "examples/mnist/train.txt"
    Path("n.prototxt").write_text(
        f'layer {{ name: "d" type: "{kind}" top: "x" top: "y" {param} {{ source: "{source}" batch_size: 1 }} }}'
    )
    _, lines = check(capsys, "n.prototxt")
    assert "data mnist" not in lines[0]
    assert hint in lines[0]


def test_a_solver_is_checked_with_its_nets_in_their_states(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text(
        NET + 'layer { name: "r" type: "ReLU" bottom: "y" top: "r" include { stage: "s" } }\n'
    )
    fields = 'net: "n.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 test_iter: 1 test_interval: 1\n'
    Path("s.prototxt").write_text(fields)
    assert check(capsys, "-q", "s.prototxt") == (0, [])
    Path("s.prototxt").write_text(fields + 'test_state { stage: "s" }')
    code, lines = check(capsys, "s.prototxt")
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith("n.prototxt:2:32: ")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text('nane: "n"\n' + NET)
    code, lines = check(capsys, "--json", "n.prototxt")
    assert code == 2
    answer = json.loads(lines[0])
    problem = answer["files"][0]["problems"][0]
    assert answer["ok"] is False
    assert (problem["file"], problem["line"], problem["column"]) == ("n.prototxt", 1, 1)
    assert "did you mean 'name'" in problem["message"]


@pytest.mark.parametrize("content", [None, b"\x00\xff\x80binary", b"\x89HDF\r\n\x1a\n"])
def test_a_file_that_is_no_text(content: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        Path("n.prototxt").write_bytes(content)
    code, lines = check(capsys, "n.prototxt")
    assert code == 2
    assert all(re.match(r"n\.prototxt:\d+:\d+: ", line) for line in lines)


def test_warnings_do_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    Path("old.prototxt").write_text('input: "x"\ninput_dim: 1\ninput_dim: 1\ninput_dim: 2\ninput_dim: 2\n')
    code, lines = check(capsys, "old.prototxt")
    assert code == 0
    assert re.match(r"old\.prototxt:\d+:\d+: warning: ", lines[0])


def test_a_run_is_checked_by_the_texts_that_it_keeps(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = check(capsys, "run")
    assert (code, len(lines)) == (0, 1)
    assert lines[0].startswith("run: run is fine (its fields, ")
    net = run / "net.prototxt"
    net.write_text(net.read_text().replace('bottom: "conv"', 'bottom: "con"', 1))
    code, lines = check(capsys, "run")
    assert code == 2
    assert re.match(r"run/net\.prototxt:\d+:\d+: ", lines[0])
    assert check(capsys, str(model)) == (
        2,
        [f"{model}:1:1: no run there, run.json is missing; `deepcae fit` and `deepcae train` make one"],
    )


def test_oddities_are_warned_of_with_their_states(capsys: pytest.CaptureFixture[str]) -> None:
    odd = 'layer { name: "p" type: "Power" bottom: "x" top: "p" power_param { power: 3 } include { phase: TEST } }\n'
    Path("n.prototxt").write_text(NET.replace('bottom: "y"', 'bottom: "x"') + odd)
    code, lines = check(capsys, "n.prototxt")
    assert code == 0
    warnings = [line for line in lines if "warning" in line]
    assert len(warnings) == 1
    assert re.match(r"n\.prototxt:\d+:\d+: warning: layer 'p' \(Power\): the gradient is not a number", warnings[0])
    assert warnings[0].endswith("(in phase TEST)")
    answer = json.loads(check(capsys, "--json", "n.prototxt")[1][0])
    assert answer["ok"] is True
    assert len(answer["files"][0]["warnings"]) == 1
    assert not any("warning" in line for line in check(capsys, "-q", "n.prototxt")[1])


def test_passes_of_a_solver_are_known_to_the_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    scale = 'layer { name: "s" type: "Scale" bottom: "x" top: "s" scale_param { axis: 0 } loss_weight: 1 }\n'
    Path("n.prototxt").write_text(NET + scale)
    fields = 'net: "n.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 '
    for more, count in (("", 0), ("iter_size: 2", 1)):
        Path("s.prototxt").write_text(fields + more)
        code, lines = check(capsys, "s.prototxt")
        assert code == 0
        assert sum("of 2 passes (iter_size)" in line for line in lines) == count


def test_the_matrix_of_an_infogain_loss_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        'layer { name: "i" type: "Input" top: "x" top: "t" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }\n'
        'layer { name: "l" type: "InfogainLoss" bottom: "x" bottom: "t" top: "l" '
        'infogain_loss_param { source: "H.binaryproto" } }\n'
    )
    Path("sub").mkdir()
    Path("sub/n.prototxt").write_text(text)
    code, lines = check(capsys, "sub/n.prototxt")
    assert (code, len(lines)) == (2, 1)
    assert re.match(
        r"sub/n\.prototxt:2:\d+: layer 'l' \(InfogainLoss\): .*H\.binaryproto: there is no such file", lines[0]
    )
    write_message(Path("sub/H.binaryproto"), BlobProto(num=1, channels=1, height=2, width=2, data=[1, 0, 0, 1]))
    assert "the matrix of 3 classes has 3x3 numbers" in check(capsys, "sub/n.prototxt")[1][0]
    write_message(Path("sub/H.binaryproto"), BlobProto(num=1, channels=1, height=3, width=3, data=[1] * 9))
    assert check(capsys, "-q", "sub/n.prototxt") == (0, [])


LMDB = (
    'layer {{ name: "d" type: "Data" top: "d" include {{ phase: {0} }}'
    ' transform_param {{ mean_file: "mean.binaryproto" }} data_param {{ source: "{0}_lmdb" batch_size: 1 }} }}\n'
)
SOLVER = 'net: "n.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 test_iter: 1 test_interval: 1\n'


def test_a_missing_mean_file_is_told_beside_missing_data(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text(LMDB.format("TRAIN") + LMDB.format("TEST"))
    code, lines = check(capsys, "n.prototxt")
    assert (code, len(lines)) == (2, 5)
    for phase, line in zip(("TRAIN", "TEST"), lines[:4:2], strict=True):
        assert "layer 'd' (Data): no such mean_file 'mean.binaryproto'" in line
        assert line.endswith(f"`deepcae compute_image_mean` makes it of an LMDB (in phase {phase})")
    assert lines[4].startswith("n.prototxt: nothing else is wrong")
    write_message(Path("mean.binaryproto"), BlobProto(num=1, channels=1, height=2, width=2, data=[1] * 4))
    assert "mean_file" not in "".join(check(capsys, "n.prototxt")[1])


@pytest.mark.parametrize("order", [("n.prototxt", "s.prototxt"), ("s.prototxt", "n.prototxt")])
def test_what_is_wrong_in_a_net_is_told_once_beside_its_solver(
    order: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("n.prototxt").write_text(LMDB.format("TRAIN") + LMDB.format("TEST"))
    Path("s.prototxt").write_text(SOLVER)
    code, lines = check(capsys, *order)
    assert (code, sum("no such" in line for line in lines)) == (2, 4)
    assert [line.split(":")[0] for line in lines if ": nothing else is wrong" in line] == list(order)
    Path("s.prototxt").write_text(SOLVER.replace("base_lr: 0.1", "base_lr: -1"))
    (own,) = [line for line in check(capsys, *order)[1] if line.startswith("s.prototxt:1:")]
    assert "base_lr" in own
    files = json.loads(check(capsys, "--json", *order)[1][0])["files"]
    assert {file["file"]: len(file["problems"]) for file in files} == {"n.prototxt": 4, "s.prototxt": 5}


def test_it_is_told_once_too_where_the_solver_names_the_net_by_another_path(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text(LMDB.format("TRAIN") + LMDB.format("TEST") + UNFED)
    for net in ("./n.prototxt", str(Path("n.prototxt").absolute())):
        Path("s.prototxt").write_text(SOLVER.replace("n.prototxt", net))
        code, lines = check(capsys, "n.prototxt", "s.prototxt")
        assert (code, sum("no such" in line for line in lines)) == (2, 4), lines
        assert sum("nowhere" in line for line in lines) == 1, lines


def test_snapshots_that_land_elsewhere_than_with_caffe_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.prototxt").write_text(NET)
    text = 'net: "n.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "{}"\n'
    Path("s.prototxt").write_text(text.format("examples/x"))
    (line,) = check(capsys, "s.prototxt")[1]
    assert "writes runs/s/examples/x_iter_N (snapshot_prefix 'examples/x' counts from the run's folder" in line
    Path("s.prototxt").write_text(text.format("x"))
    (line,) = check(capsys, "s.prototxt")[1]
    assert line.endswith("it writes runs/s/x_iter_N")
