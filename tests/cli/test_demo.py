"""`deepcae demo`: the whole main job, made short."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepcae.cli import main


def test_the_demo_leads_from_nothing_to_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    short = "max_iter: 4 test_interval: 2 test_iter: 1 display: 1"
    for again in (False, True):  # in the same folder: it begins anew
        if again:  # its pictures are those that the first time made
            request.getfixturevalue("short_page")
            monkeypatch.setattr("deepcae.cli.plot.plot", lambda *arguments, **options: None)
        assert main(["demo", "-o", "d", "--threads", "1", "--set", short]) == 0
        out, err = capsys.readouterr()
        assert out == ""
        steps = [line for line in err.splitlines() if not line.startswith(" ")]
        assert [line[:3] for line in steps[:5]] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
        assert steps[-1].endswith("open d/report.html")
        assert len(err.splitlines()) < 30  # calm: no log lines
    made = {path.name for path in Path("d").iterdir()}
    assert made >= {"data", "model", "codes.h5", "pictures", "report.html", "cae1_iter_4.caffemodel", "train.log"}
