"""The tutorials are carried out: every command and every piece of Python, in the order of the page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from deepcae.cli import fitting, main

PAGES = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^```(shell|python)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_leads_where_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fitting.Fit, "_show", lambda self: None)  # tests/cli/test_fit.py looks at them
    matplotlib.use("agg")
    names: dict[str, Any] = {}
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert blocks
    for kind, text in blocks:
        if kind == "python":
            exec(compile(text, page.name, "exec"), names)
        for line in text.splitlines() if kind == "shell" else ():
            words = shlex.split(re.sub(r"--minutes \S+", "--minutes 0.05", line))
            assert main([word for word in words[1:] if word != "--baselines"]) == 0, line  # which take a while
