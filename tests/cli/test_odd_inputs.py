"""Names that are somebody's words, and inputs that are no files: told in a line, waited for never."""

from __future__ import annotations

import ast
import os
import re
import socket
import time
from pathlib import Path

import numpy as np
import pytest

import deepcae
from deepcae.cli import main
from deepcae.codes.files import save

EVIL = "e\x1b]0;title\x07\u202evil[bold]\x9b31m"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NET = """name: "NAME"
layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 3 dim: 2 } data_filler { value: 4 } } }
layer { name: "fcNAME" type: "InnerProduct" bottom: "x" top: "yNAME" inner_product_param { num_output: 2 } }
layer { name: "l" type: "EuclideanLoss" bottom: "yNAME" bottom: "x" top: "lossNAME" }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 2 snapshot_prefix: "s" display: 1
test_iter: 1 test_interval: 2 """


def octal(name: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in name.encode())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET.replace("NAME", octal(EVIL)))
    Path("solver.prototxt").write_text(SOLVER)
    return tmp_path


def test_no_name_steers_the_terminal_the_log_or_the_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, solver = "net.prototxt", "solver.prototxt"
    said = ""
    for argv in (
        ["check", net, solver], ["summary", net], ["train", "--solver", solver, "-o", "run"],
        ["train", "--solver", solver, "-o", "all", "--runs", "2", "--batched"], ["test", "run"], ["report", "run"],
        ["time", "--model", net, "--iterations", "1"],
        ["plot", "run", "--what", "curves"], ["draw", net, "-o", "n.svg"],
        ["upgrade", net, "-o", "up.prototxt"],
    ):  # fmt: skip
        assert main(argv) == 0, argv
        captured = capsys.readouterr()
        said += captured.out + captured.err
    said += Path("run/train.log").read_text()
    assert not STEERING.search(said), ascii(STEERING.search(said))
    assert "vil" in said  # it is told, and legible
    page = Path("run/report.html").read_text()
    assert not STEERING.search(page)


def test_complaints_about_such_names_are_legible_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("net.prototxt").read_text().replace('bottom: "x" top', f'bottom: "{octal("gone" + EVIL)}" top')
    for name in ("net.prototxt", f"n{EVIL.replace('/', '')}.prototxt"):
        Path(name).write_text(text)
        assert main(["check", name]) == 2
        assert main(["summary", name]) == 2
    assert main(["check", f"absent{EVIL}.prototxt"]) == 2
    captured = capsys.readouterr()
    assert not STEERING.search(captured.out + captured.err)


def test_commands_speak_through_the_screen_alone() -> None:
    folder = Path(deepcae.__file__).parent / "cli"
    for path in folder.glob("*.py"):
        if path.name != "screen.py":
            calls = [
                ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
            ]
            assert "print" not in calls, path


LONG = "n" * 3000


@pytest.mark.timeout(1200)
def test_names_of_3000_letters_and_1000_outputs_are_drawn_at_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = [
        f'layer {{ name: "{LONG}{k}" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "{LONG}{k}" }}'
        for k in range(1000)
    ]
    Path("net.prototxt").write_text("\n".join([NET.replace("NAME", "").rpartition("layer {")[0], *layers]))
    Path("solver.prototxt").write_text(SOLVER.replace("display: 1", "display: 2"))
    assert main(["train", "--solver", "solver.prototxt", "-o", "run", "-q"]) == 0
    began = time.process_time()
    assert main(["report", "run", "-q"]) == 0  # the curves, too
    assert main(["draw", "net.prototxt", "-o", "n.svg", "-q"]) == 0
    assert time.process_time() - began < 150  # an hour and more without bounds


@pytest.fixture(params=["fifo", "folder", "socket", "device"])
def no_file(request: pytest.FixtureRequest, here: Path) -> str:
    name = f"odd-{request.param}"
    if request.param == "fifo":
        os.mkfifo(name)
    elif request.param == "folder":
        Path(name).mkdir()
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(name)
    else:
        name = "/dev/zero"
    return name


def test_what_is_no_file_is_refused_in_a_sentence(no_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--solver", "solver.prototxt", "-o", "run", "-q"]) == 0
    save("codes.h5", np.zeros((4, 2), np.float32), np.arange(4))
    capsys.readouterr()
    for number, argv in enumerate((
        ["check", no_file], ["summary", no_file], ["train", "--solver", no_file], ["upgrade", no_file],
        ["train", "--solver", "solver.prototxt", "-o", "b", "--weights", no_file],
        ["train", "--solver", "solver.prototxt", "-o", "b", "--snapshot", no_file],
        ["train", "--solver", "solver.prototxt", "-o", "b", "--set", f'net: "{no_file}"'],
        ["test", "--model", "net.prototxt", "--weights", no_file], ["encode", "run", no_file, "-o", "c.h5"],
        ["embed", no_file, "-o", "m.csv"], ["eval", no_file], ["parse_log", no_file, "."],
        ["compute_image_mean", no_file, "m.binaryproto"], ["convert_imageset", ".", no_file, "db"],
        ["draw", no_file, "-o", "n.svg"], ["time", "--model", no_file], ["convert", "net.prototxt", no_file],
    )):  # fmt: skip
        code = main(argv)
        said = capsys.readouterr()
        lines = (said.err + said.out).splitlines()
        is_run = no_file == "odd-folder" and argv[0] in ("check", "summary", "embed")
        assert code == 2 or is_run, (argv, code, lines)
        assert lines, argv
        assert not any("unexpected " in line or "Traceback" in line for line in lines), (number, argv, lines)
        assert all(len(line) <= 260 for line in lines), (argv, lines)


@pytest.mark.parametrize("kind", ["HDF5Data", "ImageData", "Data"])
def test_a_pipe_among_the_data_is_refused(here: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    Path("list.txt").write_text("pipe\n" if kind == "HDF5Data" else "pipe 0\n")
    for source in ("pipe", "list.txt"):
        field = {"HDF5Data": "hdf5_data_param", "ImageData": "image_data_param", "Data": "data_param"}[kind]
        backend = "backend: LMDB" if kind == "Data" else ""
        layer = (
            f'layer {{ name: "d" type: "{kind}" top: "x" {field} {{ source: "{source}" batch_size: 1 {backend} }} }}'
        )
        Path("net.prototxt").write_text(layer + NET.partition("\nlayer")[0].replace("NAME", "n"))
        assert main(["check", "net.prototxt"]) == 2
        said = capsys.readouterr()
        assert "unexpected" not in said.err + said.out
