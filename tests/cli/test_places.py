"""What stands where a command writes: a named file is replaced; where the name is ours alone, a foreign one is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepcae.atomic import MARK, foreign_kept, whole_file
from deepcae.cli import main
from deepcae.errors import DeepcaeWarning
from deepcae.proto.read import read_solver
from deepcae.solver.begin import solver_text
from deepcae.solver.nets import choose_nets, keep_to

LOG = "Iteration 0, lr = 0.1\n    Train net output #0: loss = 1\n    Test net output #0: loss = 2\n"


@pytest.fixture
def run(model: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A finished run in `run`."""
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "-q"]) == 0
    capsys.readouterr()
    Path("log").write_text(LOG)
    Path("out").mkdir()
    return Path("run")


# (command, a name of its own in a folder)
UNNAMED = [
    (["plot", "run", "-o", "out", "--what", "curves"], "out/curves.png"),
    (["plot", "run", "--what", "curves"], "run/curves.png"),
    (["report", "run"], "run/report.html"),
    (["draw", "run"], "run/net.svg"),
    (["draw", "run", "--format", "dot"], "run/net.dot"),
    (["parse_log", "log", "out"], "out/log.train"),
    (["parse_log", "log", "out"], "out/log.test"),
]
NAMED = [
    (["plot", "run", "-o", "out/a.png", "--what", "curves"], "out/a.png"),
    (["plot", "run", "-o", "out/a.pdf", "--what", "curves"], "out/a.pdf"),
    (["report", "run", "-o", "out/a.html"], "out/a.html"),
    (["draw", "run", "-o", "out/a.svg"], "out/a.svg"),
    (["encode", "run", "-o", "out/a.csv"], "out/a.csv"),
    (["upgrade", "run/net.prototxt", "out/a.prototxt"], "out/a.prototxt"),
]


@pytest.mark.parametrize(("argv", "name"), UNNAMED)
@pytest.mark.usefixtures("short_page")
def test_under_a_name_that_nobody_gave_a_foreign_file_is_kept(
    argv: list[str], name: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text("mine")
    assert main([*argv, "-q"]) == 0
    assert f"warning: {name} was not made by deepcae; it is kept as {name}~" in capsys.readouterr().err
    assert Path(f"{name}~").read_text() == "mine"
    made = Path(name).read_bytes()
    Path(name).write_bytes(made + b"\n" + MARK.encode() if name.endswith(("png", "svg", "html", "dot")) else made)
    assert main([*argv, "-q"]) == 0  # its own is replaced, if it has changed
    assert capsys.readouterr().err == ""
    assert not Path(f"{name}~2").exists()


@pytest.mark.parametrize(("argv", "name"), NAMED)
@pytest.mark.usefixtures("short_page")
def test_a_named_file_is_replaced_and_a_link_of_its_name_not_followed(argv: list[str], name: str, run: Path) -> None:
    argv = argv if argv[0] == "upgrade" else [*argv, "-q"]
    Path(name).write_text("old")
    assert main(argv) == 0
    assert Path(name).read_bytes() != b"old"
    Path("else").write_text("mine")
    Path(name).unlink()
    os.symlink("../else", name)
    assert main(argv) == 0
    assert Path("else").read_text() == "mine"
    assert not Path(name).is_symlink()
    assert not list(Path("out").glob("*~"))


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_carry_their_mark(ending: str, run: Path) -> None:
    assert main(["plot", "run", "-o", f"out/a.{ending}", "--what", "curves", "-q"]) == 0
    assert MARK.encode() in Path(f"out/a.{ending}").read_bytes()


def test_equal_files_and_links_are_not_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("same")
    with foreign_kept(), whole_file(target) as new:
        new.write_text("same")
    with pytest.warns(DeepcaeWarning, match="kept as"), foreign_kept(), whole_file(target) as new:
        new.write_text("else")
    with whole_file(target) as new:  # outside, names are given
        new.write_text("more")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "a.txt~"]


def test_a_text_in_the_runs_folder_may_name_files_as_caffe_does(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the working directory, though the run's folder is the text's own."""
    monkeypatch.chdir(model.parent)
    text = (model / "solver.prototxt").read_text().replace('"net.prototxt"', '"model/net.prototxt"')
    (model / "solver.prototxt").write_text(text)
    document, _ = solver_text(Path("model/solver.prototxt"), Path("model"), [])
    assert choose_nets(document)[0].document.message.name == "tiny"


def test_texts_of_ones_own_come_before_those_of_the_working_directory(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("net.prototxt").write_text("layer { nonsense }")
    own = keep_to(read_solver(model / "solver.prototxt"), model)
    assert choose_nets(own)[0].document.message.name == "tiny"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("argv", [["plot", "run", "--what", "curves"], ["draw", "run", "-o", "a.png"]])
def test_a_pipe_in_the_place_of_matplotlibs_settings_is_not_waited_for(argv: list[str], run: Path) -> None:
    os.mkfifo("matplotlibrc")
    command = [sys.executable, "-c", "import sys; from deepcae.cli import main; sys.exit(main())", *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "matplotlibrc: is a pipe (FIFO), not a file" in done.stderr


@pytest.mark.parametrize("argv", [["embed", "a.npz"], ["encode", "run", "a.npz"], ["draw"]])
def test_what_a_command_reads_it_does_not_write_over(
    argv: list[str], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path("a.npz") if argv != ["draw"] else Path("run/net.prototxt")
    if out.suffix == ".npz":
        out.write_bytes(b"what it reads")
    before = out.read_bytes()
    Path("link").symlink_to(out)
    read = [*argv, "link"] if argv == ["draw"] else argv
    assert main([*read, "-o", f"./{out}"]) == 2
    error = capsys.readouterr().err
    assert error == f"error: {out}: is read by this command, which would write over it: give another --out\n"
    assert out.read_bytes() == before


def test_a_text_may_be_brought_up_to_date_where_it_stands(run: Path) -> None:
    text = Path("old.prototxt")
    text.write_text(
        'layers { name: "a" type: DUMMY_DATA top: "a" dummy_data_param { num: 1 channels: 1 height: 1 width: 1 } }'
    )
    assert main(["upgrade", str(text), "-o", str(text)]) == 0
    assert 'type: "DummyData"' in text.read_text()
