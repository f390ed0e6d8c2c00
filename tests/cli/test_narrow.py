"""Tables on a screen of 80 columns: no line is longer, and no word is cut to nonsense; wide ones stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deepcae.cli import main
from deepcae.cli.duration import Estimate, about
from deepcae.cli.screen import set_in
from deepcae.net.net import Net
from deepcae.solver.run import Run
from deepcae.solver.solver import Solver

TABLES = {
    "summary": "summary run",
    "summary of a text": "summary {model}/long.prototxt",
    "eval": "eval run -q",
    "eval of two": "eval run --against other -q",
    "time": "time --model {model}/long.prototxt --iterations 1 -q",
    "test": "test run --iterations 1 -q",
    "zoo": "zoo",
    "check": "check {model}/long.prototxt",
}
LONG = "a_layer_with_a_rather_long_name"


@pytest.fixture
def told(
    run: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, str], str]:
    """What a command says on stdout where the screen has so many columns."""
    text = (model / "net.prototxt").read_text().replace('"conv"', f'"{LONG}"').replace('"tiny"', '"long"')
    (model / "long.prototxt").write_text(text)
    (model / "other.prototxt").write_text((model / "solver.prototxt").read_text().replace("net.proto", "long.proto"))
    assert main(["train", "--solver", str(model / "other.prototxt"), "--out", "other", "-q"]) == 0

    def tell(command: str, columns: str) -> str:
        monkeypatch.setenv("COLUMNS", columns)
        capsys.readouterr()
        assert main(command.format(model=model).split()) == 0
        return capsys.readouterr().out

    return tell


@pytest.mark.parametrize("letters", range(40, 60))
def test_names_of_any_length_leave_room_for_the_other_columns(
    letters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = ("inception_3a/" + "and_so_on_" * 9)[:letters]
    text = f'''layer {{ name: "data" type: "Input" top: "data"
        input_param {{ shape {{ dim: 10 dim: 192 dim: 128 dim: 128 }} }} }}
    layer {{ name: "{name}" type: "Convolution" bottom: "data" top: "c"
        convolution_param {{ num_output: 64 kernel_size: 1 }} }}'''
    (tmp_path / "net.prototxt").write_text(text)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["summary", str(tmp_path / "net.prototxt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    (row,) = [line for line in lines if "Convolution" in line]
    assert row.split()[1:] == ["Convolution", "10×64×128×128", "12,352"]
    assert row.startswith("inception_3a/")


def test_what_goes_on_below_a_total_stands_below_its_value(told: Callable[[str, str], str]) -> None:
    totals = told("summary {model}/long.prototxt", "40").rstrip().rpartition("\n\n")[2].splitlines()
    width = len(totals[0]) - len(totals[0].split()[-1])
    assert {len(line) - len(line.lstrip()) for line in totals if line.startswith(" ")} == {width}, totals


def test_every_table_fits_into_80_columns(told: Callable[[str, str], str]) -> None:
    for name, command in TABLES.items():
        narrow, wide = told(command, "80"), told(command, "200")
        if not command.startswith("check"):  # its lines are places and sentences, for programs too
            assert max(map(len, narrow.splitlines())) <= 80, name
        cut = [word for line in narrow.splitlines() for word in line.split() if word.endswith("…") and len(word) < 8]
        assert not cut, name
        figures = {word for word in wide.split() if word.replace(".", "").isdigit() and len(word) > 5}
        if "time" not in command:  # another measurement
            assert figures <= set(narrow.split()), name


def test_what_flows_where_is_told_in_narrow_tables_too(told: Callable[[str, str], str]) -> None:
    narrow = told(TABLES["summary of a text"], "80")
    assert "    up, flat → entropy" in narrow
    assert "below a layer: bottoms → tops" in narrow
    assert f"data → {LONG}" not in narrow  # goes without saying
    assert f"data → {LONG}" in told(TABLES["summary of a text"], "200")


JSON = {
    "draw": "draw {model}/net.prototxt -o net.svg",
    "encode": "encode run -o c.h5",
    "decode": "decode run c.h5 -o i.h5",
    "embed": "embed c.h5 -o m.csv --method pca",
    "layers": "layers run -o l.png",
    "plot": "plot run -o s.png",
    "parse_log": "parse_log run/train.log .",
}


def test_what_writes_files_answers_programs(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in JSON.items():
        assert main([*command.format(model=model).split(), "--json"]) == 0, name
        out, err = capsys.readouterr()
        answered = json.loads(out)
        assert "wrote" not in err, name
        files = answered.get("files") or [answered["file"]] if name != "parse_log" else [answered["train"]["file"]]
        assert all(Path(file).exists() for file in files), name


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_how_long_a_training_takes() -> None:
    clock = Clock()
    estimate = Estimate(0, 5000, 500, clock)
    clock.now = 3.0  # a test of three seconds, then steps of 20 ms
    estimate.tested()
    said = []
    for done in range(1, 200):
        clock.now += 0.5 if done == 1 else 0.02  # the first one makes things ready
        said.append(estimate.stepped(done))
    (told,) = filter(None, said)
    left = 5000 - 52
    assert told == f"about {about(left * 0.02 + 9 * 3)} for 5,000 iterations, 20 ms each"
    assert "about 2 min" in told


def test_a_short_training_is_not_told_of() -> None:
    clock = Clock()
    estimate = Estimate(0, 100, 0, clock)
    for done in range(1, 101):
        clock.now += 0.05
        assert estimate.stepped(done) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(11, "10 s"), (62, "60 s"), (150, "2 min"), (3600, "60 min"), (7000, "1.9 h"), (90_000, "25 h")],
)
def test_a_guess_has_few_digits(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_lines_of_a_name_go_on_below_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "    shown as   " + "values " * 20 + "end"
    monkeypatch.setenv("COLUMNS", "60")
    first, *others = set_in(line).splitlines()
    assert first.startswith("    shown as   values")
    assert all(other.startswith(" " * 15 + "values") for other in others)
    assert max(map(len, [first, *others])) <= 60
    assert (" ".join([first, *others])).split() == line.split()
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert set_in(line) == line, "in a file it is one line"


def test_objects_show_themselves(run: Path, model: Path) -> None:
    solver = Solver(model / "solver.prototxt", overrides="type: 'Adam'")
    assert repr(solver).startswith("Solver(net: tiny, iteration: 0 of 6, type: Adam, base_lr 0.1, lr_policy fixed")
    assert "<tr><th>iteration</th><td>0 of 6</td></tr>" in solver._repr_html_()
    found = Run(run)
    assert repr(found).startswith("Run(folder: run, net: tiny, weights: iteration ")
    assert "test: entropy " in repr(found)
    assert "<th>folder</th><td>run</td>" in found._repr_html_()
    net = Net(model / "net.prototxt", "TEST", seed=0)
    assert "<th>code</th><td>code</td>" in net._repr_html_()
    assert "<th>input data</th><td>4x1x6x6</td>" in net._repr_html_()
    for each in (solver, found, net):
        assert len(each._repr_html_()) < 2000
