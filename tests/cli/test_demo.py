"""`deepcae demo`: a fit of digits, made short."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from deepcae.cli import main

SHORT = ["--threads", "1", "--set", "max_iter: 4 test_interval: 2 test_iter: 1 display: 1"]


@pytest.mark.usefixtures("short_page")
def test_the_demo_leads_from_nothing_to_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def plot(run: Path, out: Path, **options: object) -> None:
        out.mkdir()
        (out / "codes.png").touch()

    monkeypatch.setattr("deepcae.cli.plot.plot", plot)
    said = []
    for _ in range(2):
        assert main(["demo", "-o", "d", *SHORT]) == 0
        out, err = capsys.readouterr()
        assert out == ""
        said.append(err.splitlines())
        assert len(said[-1]) < 40  # calm: no log lines
    first, again = said
    assert first[1].split() == shlex.split("deepcae fit d/images --dims 2 --minutes 1 -o d")
    assert [line[:3] for line in first if "/5 " in line] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert first[-2].endswith("open d/report.html")
    assert any("all of this was there before" in line for line in again)
    made = {path.name for path in Path("d").iterdir()}
    assert made >= {"images", "data", "model", "codes.csv", "report.html", "design_iter_4.caffemodel", "train.log"}
    assert len(list(Path("d/images/7").glob("*.png"))) == 179


def test_a_folder_of_others_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d/images").mkdir(parents=True)
    Path("d/images/mine.png").write_bytes(b"mine")
    assert main(["demo", "-o", "d", *SHORT]) == 2
    assert "d/images: holds other files than the digits" in capsys.readouterr().err
    assert [path.name for path in Path("d").rglob("*")] == ["images", "mine.png"]
