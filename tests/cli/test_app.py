"""The front door as a whole: every command's help, what is loaded for it, exit codes, errors of one line."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands import COMMANDS
from deepcae.cli import exits, main
from deepcae.cli.argv import SWITCHES
from deepcae.cli.screen import answer
from deepcae.errors import DataError, LayerError, Place, Problem, SnapshotError, SpecError, TrainingError


def python(code: str, *argv: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, timeout=120, **kwargs)


def test_the_commands_of_the_fixed_interface_are_there() -> None:
    found = {" ".join(words) for words in COMMANDS}
    own = {f"data {kind}" for kind in ("images", "tiff", "nwb", "npy", "zarr", "video", "nifti", "any")}
    data = {"data mnist", "data digits", "data pairs", "data subset"} | own
    looking = {"encode", "decode", "embed", "eval", "explore", "layers", "plot", "report", "reproduce"}
    texts = {"summary", "check", "draw", "upgrade", "convert", "zoo"}
    tools = {"convert_imageset", "compute_image_mean", "extract_features", "parse_log"}
    assert found == data | looking | texts | tools | {
        "train",
        "test",
        "time",
        "demo",
        "fit",
        "map",
        "denoise",
        "neighbours",
    }


def test_every_command_answers_programs() -> None:
    lacking = [
        words for words, command in COMMANDS.items() if not any("--json" in each.opts for each in command.params)
    ]
    assert not lacking


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    out, err = capsys.readouterr()
    assert "Usage: deepcae " + " ".join(words) in out
    assert err == ""
    for option in COMMANDS[words].params:
        assert option.param_type_name == "argument" or option.help, f"{option.name} has no help"


def test_who_has_images_comes_first_and_caffe_last(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    named = re.findall(r"^│ (\w+) {2,}\S", out, re.MULTILINE)
    assert named[0] == "fit"
    assert named.index("data") < named.index("encode") < named.index("report") < named.index("train")
    assert named.index("train") < named.index("convert_imageset")
    assert "fit images/ --dims 16 -o run --dry-run\n" in re.sub(" +\n", "\n", out), "a command to copy is in one line"


def test_switches_are_exactly_the_flags_without_a_value() -> None:
    flags = {
        word.removeprefix("--")
        for command in COMMANDS.values()
        for option in command.params
        if getattr(option, "is_flag", False)
        for word in (*option.opts, *option.secondary_opts)
        if word.startswith("--")
    }
    assert flags | {"help", "version"} == SWITCHES


def test_no_two_commands_give_one_option_different_names() -> None:
    """`--out` is `-o` and `--quiet` is `-q`, wherever they stand."""
    shorts: dict[str, set[str]] = {}
    for command in COMMANDS.values():
        for option in command.params:
            names = [word for word in option.opts if word.startswith("-")]
            for short in (word for word in names if len(word) == 2):
                shorts.setdefault(short, set()).update(word for word in names if len(word) > 2)
    assert shorts["-o"] == {"--out"}
    assert shorts["-q"] == {"--quiet"}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"deepcae \d+\.\d+\S*\n", capsys.readouterr().out)


LOADED = "import sys; from deepcae.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
NET = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'


@pytest.mark.parametrize("argv", ["--help", "train --help", "check n.txt", "upgrade n.txt", "summary n.txt", "zoo"])
def test_quick_commands_load_nothing_heavy(argv: str, tmp_path: Path) -> None:
    (tmp_path / "n.txt").write_text(NET)
    loaded = python(LOADED, *argv.split(), cwd=tmp_path).stderr.split()
    assert "deepcae.cli.app" in loaded
    assert not {"torch", "numpy", "h5py", "matplotlib", "sklearn", "scipy"}.intersection(loaded)


def test_importing_the_package_loads_nothing() -> None:
    done = python("import sys, deepcae; deepcae.__all__; print(*sys.modules)")
    assert not [name for name in done.stdout.split() if name.startswith(("deepcae.", "google", "numpy", "torch"))]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ("frobnicate", "No such command 'frobnicate'"),
        ("train --slver x", "--solver"),
        ("train", "give --solver"),
        ("train --solver", "--solver"),
        ("train --solver nowhere.prototxt", "nowhere.prototxt: there is no such file"),
        ("train --solver s --weights a --snapshot b", "give one of them"),
        ("train --solver s --sigint_effect explode", "explode"),
        ("test", "give RUN, or both --model and --weights"),
        ("test nowhere", "no run there"),
        ("test run --model m", "not both"),
        ("test --model m --weights w --iterations 0", "--iterations"),
        ("test --model nowhere.prototxt --weights w", "nowhere.prototxt"),
        ("time", "give --model, or --solver"),
        ("time --model m --solver s", "give --model, or --solver"),
        ("time --solver s --phase TEST", "--solver says how its net is built"),
        ("time --model nowhere.prototxt", "nowhere.prototxt: there is no such file"),
        ("time --solver nowhere.prototxt", "nowhere.prototxt: there is no such file"),
        ("time --model m --iterations 0", "--iterations"),
        ("summary nowhere.prototxt", "nowhere.prototxt: there is no such file"),
        ("summary . ", "no run there"),
        ("summary s --phase DEPLOY", "neither TRAIN nor TEST"),
        ("upgrade nowhere.prototxt", "no such file"),
        ("upgrade a b --in-place", "not both"),
        ("encode nowhere", "out"),
        ("encode nowhere -o c.h5", "no run there"),
        ("encode x.h5 --model m -o c.h5", "both --model and --weights"),
        ("decode nowhere -o c.png", "give RUN and CODES"),
        ("embed nowhere.h5 -o m.h5", "nowhere.h5: no such file"),
        ("embed c.h5 -o m.h5 --method lda", "lda"),
        ("layers nowhere -o p.bmp", ".png"),
        ("plot nowhere.h5 -o p.png", "nowhere.h5: neither a run nor a file of codes"),
        ("plot nowhere.h5 -o p.bmp", ".png"),
        ("report nowhere", "no run there"),
        ("zoo cae9", "did you mean"),
        ("zoo desing", "did you mean 'design'?"),
        ("zoo cae1 --dims many", "--dims"),
        ("data mnist --source nowhere", "nowhere"),
        ("check", "FILE"),
        ("encode r -o c.h5 --device abacus", "'abacus' is unknown"),
        ("encode r -o c.h5 -gpu 0,1", "one GPU"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    argv: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main(argv.split())
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert re.fullmatch(r"error: .+\n", err)
    assert sentence in err


@pytest.mark.parametrize("argv", [[], ["data"]])
def test_a_group_without_a_command_shows_its_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert "Usage: deepcae" in out
    assert err == ""


def place(line: int) -> Place:
    return Place("n.prototxt", line, 3)


@pytest.mark.parametrize(
    ("problem", "code", "lines"),
    [
        (SpecError([Problem("a", place(1)), Problem("b", place(2))]), 2, ["n.prototxt:1:3: a", "n.prototxt:2:3: b"]),
        (LayerError("too\nlong"), 2, ["too long"]),
        (DataError("x.h5: bad"), 2, ["x.h5: bad"]),
        (SnapshotError("y: bad"), 2, ["y: bad"]),
        (TrainingError("iteration 3: nan"), 1, ["iteration 3: nan"]),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "z"), 2, ["z: No such file or directory"]),
        (OSError(errno.ENOSPC, "No space left on device", "z"), 1, ["z: No space left on device"]),
        (MemoryError(), 1, ["out of memory"]),
        (
            ZeroDivisionError("division\nby zero"),
            1,
            ["unexpected ZeroDivisionError: division by zero (please report this; DEEPCAE_TRACEBACK=1 shows where it "
             "happened)"],
        ),
    ],
)  # fmt: skip
def test_what_goes_wrong_becomes_lines_and_a_code(
    problem: Exception,
    code: int,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(argv: object, began: float) -> int:
        raise problem

    monkeypatch.setattr(exits, "dispatch", fail)
    monkeypatch.delenv("DEEPCAE_TRACEBACK", raising=False)
    assert main([]) == code
    assert capsys.readouterr().err.splitlines() == [f"error: {line}" for line in lines]


def test_the_traceback_is_there_for_who_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPCAE_TRACEBACK", "1")
    with pytest.raises(SpecError):
        main(["zoo", "cae9"])


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(argv: object, began: float) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(exits, "dispatch", interrupt)
    assert main([]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_goes_away_is_no_error() -> None:
    """As in `deepcae zoo | head -0`: quiet, with the exit code of a closed pipe."""
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from deepcae.cli import main; sys.exit(main(['zoo']))"
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_answer_is_json_even_where_a_number_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    answer({"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": (2, None)}})
    assert capsys.readouterr().out == '{"a": null, "b": [1.5, null], "c": {"d": [2, null]}}\n'


def test_no_colour_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    main(["train", "--solver", "nowhere"])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
