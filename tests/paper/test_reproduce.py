"""`deepcae reproduce`: what it answers, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepcae.cli import main


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
    assert list(answer) == ["tables", "files", "stopped"]
    assert list(answer["tables"][0]) == ["name", "title", "columns", "rows", "notes"]


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["tabel1"], "nothing in the paper is called 'tabel1'; did you mean 'table1'?"),
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
