"""`deepcae reproduce`: what it answers, writes and refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from deepcae.cli import main
from deepcae.paper.experiment import Experiment
from deepcae.paper.experiments import NAMES, training
from deepcae.paper.runner import Runner
from deepcae.paper.store import Store
from paper.results import result, write_images


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_needs_no_training_needs_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "table2", "table3", "fig3", "--quick", "-o", "out", "-q"]) == 0
    out, err = capsys.readouterr()
    assert (out.count("(quick, 1/10 of the iterations):"), err) == (2, "")
    made = {path.name for path in Path("out").iterdir()}
    assert made == {"table2.md", "table2.csv", "table3.md", "table3.csv", "fig3.png", "table2-table3-fig3.html"}
    page = (Path("out") / "table2-table3-fig3.html").read_text(encoding="utf-8")
    assert page.count("quick, 1/10 of the iterations") >= 3
    assert "74893" in page


def test_programs_are_answered_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "table3", "--json", "-q", "-o", "out"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["tables", "files", "stopped", "failures"]
    assert list(answer["tables"][0]) == ["name", "title", "columns", "rows", "notes"]


def test_a_training_that_fails_costs_neither_tables_nor_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_images(tmp_path / "data")
    with h5py.File(data.train.parent / "train.h5", "a") as file:
        del file["label"]  # which pairs cannot be made without
    argv = ["reproduce", "fig2", "table2", "--quick", "-q", "-o", "out", "--data", str(data.train), str(data.test)]
    assert main(argv) == 1
    out, err = capsys.readouterr()
    assert "74893" in out
    assert [line for line in err.splitlines() if line.startswith("error: siamese-2-seed-1: ")]
    assert {"table2.md", "fig2-table2.html"} <= {path.name for path in Path("out").iterdir()}


def test_a_result_without_its_run_is_told_and_not_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_images(tmp_path / "data")
    store = Store(Path("out"), replace(data, pairs=Path("out/pairs")))
    experiment = training("cae2", 2, 1)
    Path("out/results").mkdir(parents=True)
    store.keep(experiment, {"outcome": "converged"})
    argv = ["reproduce", "fig4", "--no-training", "-q", "-o", "out", "--data", str(data.train), str(data.test)]
    assert main(argv) == 0
    told = capsys.readouterr().err
    assert f"not drawn: fig4: {store.run(experiment)} is missing" in told
    assert str(store.path(experiment)) in told


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["tabel1"], "nothing in the paper is called 'tabel1'; did you mean 'table1'?"),
        (["table7"], f"(there are: {' '.join(NAMES)} all)"),
        (["large" * 50], f"(there are: {' '.join(NAMES)} all)"),
        (["table1"], "data/mnist/train.txt: no such list file; make it with `deepcae data mnist -o data/mnist`"),
        (["table1", "--data", "a.txt", "b.txt"], "a.txt: no such list file"),
    ],
)
def test_complaints_are_one_line(argv: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert complaint in err


def test_where_all_is_there_nothing_was_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_images(tmp_path / "data")
    store = Store(Path("out"), replace(data, pairs=Path("out/pairs")))
    Path("out/results").mkdir(parents=True)
    store.keep(training("cae2", 10, 1), {"outcome": "converged"})
    argv = ["reproduce", "fig7", "--json", "-o", "out", "--data", str(data.train), str(data.test)]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["stopped"] is False
    assert "stopped" not in err


def test_where_nothing_is_trained_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_images(tmp_path / "data")
    more = ["--no-training", "-o", "out", "--data", str(data.train), str(data.test)]
    assert main(["reproduce", "fig7", *more]) == 2
    assert capsys.readouterr() == ("", "error: out: no result yet; leave out --no-training\n")
    assert not Path("out").exists()
    assert main(["reproduce", "fig3", "fig7", *more, "-q"]) == 0  # the one needs none
    assert capsys.readouterr() == ("", "")
    assert {path.name for path in Path("out").iterdir()} == {"fig3.png", "fig3-fig7.html"}


def test_what_lies_ahead_is_told_before_the_first_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(runner: Runner, experiments: Sequence[Experiment]) -> Iterator[None]:
        runner.stopped = True
        yield from ()

    monkeypatch.setattr(Runner, "run", stopped)
    data = write_images(tmp_path / "data")
    store = Store(Path("out"), replace(data, pairs=Path("out/pairs")))
    Path("out/results").mkdir(parents=True)
    store.keep(training("cae2", 10, 1), result("cae2", 10, 1, (94.0, 7.4)))
    argv = ["reproduce", "--jobs", "2", "-o", "out", "--data", str(data.train), str(data.test)]
    assert main([*argv, "fig4", "fig5", "fig6"]) == 0
    first = " ".join(capsys.readouterr().err.split())  # set in lines of the terminal's width
    assert first.startswith(
        "2 trainings, 2 at a time (of 3, the others are there): about 5 min on cores like an AMD EPYC's;"
    )
    assert "`deepcae reproduce fig7`" in first
    assert "a tenth of the iterations: --quick" in first
    assert main([*argv, "fig4", "--quick"]) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "1 training: about 1 min on cores like an AMD EPYC's"
    assert main([*argv, "all"]) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("177 trainings, 2 at a time (of 178, the others are there): about 5.5 hours on")
    for quiet in ([*argv, "fig7"], [*argv, "fig4", "-q"]):  # nothing is ahead; nobody wants to know
        assert main(quiet) == 0
        assert "about" not in capsys.readouterr().err
