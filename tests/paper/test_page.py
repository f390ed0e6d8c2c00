"""The page of the paper: one file, every table and figure in it, nothing fetched, nothing unescaped."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from deepcae.page.html import Folded, Judged, Picture
from deepcae.paper.drawing import Drawing
from deepcae.paper.page import page, write
from deepcae.paper.table import Table

EVIL = "<script>alert('x')</script>\"'&<img src=http://example.org/a.png onerror=x>"
LOSSES = Table(
    "table4",
    "Table IV",
    "auto-encoders",
    ("network", "paper", "ours", "verdict"),
    [["cae1", "18.71", "18.50", Judged("reproduced: -1.1 %", True)], ["cae2", "16.85", "18.99", "no: +12.7 %"]],
    ["Means of three runs.", "Lower is better."],
)
RUNS = Table("runs", "Table IV", "each run", ("network", "loss"), [["cae1", "18.50"]], under="table4")


def figure(width: float = 3.45) -> Figure:
    drawn = Figure(figsize=(width, 1))
    drawn.add_subplot().plot([1, 2])
    return drawn


class Reader(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def drawing(name: str, heading: str, about: str = "") -> Drawing:
    return Drawing(name, heading, about, figure())


def text_of(tmp_path: Path, title: str, intro: str, tables: list[Table], drawings: list[Drawing]) -> str:
    return write(tmp_path / "deep" / "page.html", title, intro, tables, drawings).read_text(encoding="utf-8")


def test_one_file_holds_every_table_and_figure(tmp_path: Path) -> None:
    drawings = [drawing("fig1", "Fig. 1", "codes"), *(drawing("fig7", "Fig. 7", f"digit {k}") for k in (0, 1))]
    text = text_of(tmp_path, "The paper", "All of it.", [LOSSES, RUNS], drawings)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["page.html"]
    reader = Reader(text)
    for words in ("The paper", "All of it.", "Auto-encoders.", "Lower is better.", "18.71", "18.99", *LOSSES.columns):
        assert words in reader.words
    assert re.findall(r"<h2[^>]*>([^<]*)", text) == ["Table IV", "Figures", "Fig. 7"]
    pictures = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert [picture["alt"] for picture in pictures] == ["Fig. 1. Codes.", "Fig. 7. Digit 0.", "Fig. 7. Digit 1."]
    assert all((picture["src"] or "").startswith("data:image/png;base64,") for picture in pictures)
    for way in ("http://", "https://", "url(", "@import", "<script", "<link", "<iframe"):
        assert way not in text


def test_every_word_is_escaped(tmp_path: Path) -> None:
    table = Table(EVIL, EVIL, EVIL, [EVIL] * 8, [[*[EVIL] * 7, Judged(EVIL, None)]], [EVIL])
    more = [Table(EVIL, EVIL, EVIL, [EVIL], [[EVIL]], under=EVIL)]
    text = text_of(tmp_path, EVIL, EVIL, [table, *more], [drawing(EVIL, EVIL, EVIL), drawing("", EVIL, EVIL)])
    reader = Reader(text)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert all(set(attributes) == {"alt", "src"} for tag, attributes in reader.tags if tag == "img")
    assert EVIL in reader.words


def test_the_verdict_of_a_cell_decides_its_colour_not_its_words(tmp_path: Path) -> None:
    rows = [[Judged("no", True), "no", Judged("", False)], [Judged("same", False), "same", Judged("yes: all", None)]]
    text = text_of(tmp_path, "", "", [Table("t", "T", "", ("a", "verdict", "c"), rows)], [])
    cells = [attributes for tag, attributes in Reader(text).tags if tag == "td"]
    assert [cell.get("class") for cell in cells] == ["good", None, None, "bad", None, "open"]


@pytest.mark.parametrize("about", ["losses", "the same: with a colon, Table V", ""])
def test_pictures_of_a_table_stand_under_it_and_its_runs_are_folded_away(about: str) -> None:
    sections = page("", "", [LOSSES, RUNS], [drawing("table4", "Table IX", about), drawing("fig2", "Fig. 2")]).sections
    assert [section.title for section in sections] == ["Table IV", "Figures"]
    _, picture, folded = sections[0].blocks
    assert isinstance(picture, Picture)
    assert picture.title == "Table IX"
    assert isinstance(folded, Folded)
    assert folded.name == "Table IV: each run"


def test_what_belongs_to_a_table_that_is_not_wanted_has_its_own_section() -> None:
    sections = page("", "", [RUNS], [drawing("table1", "Table I", str(k)) for k in range(2)]).sections
    assert [(section.title, len(section.blocks)) for section in sections] == [("Table IV", 1), ("Table I", 2)]


def test_a_wide_table_names_each_cell(tmp_path: Path) -> None:
    columns = [f"column {number}" for number in range(9)]
    text = text_of(tmp_path, "", "", [Table("t", "T", "", columns, [["x"] * 9]), RUNS], [])
    cells = [attributes for tag, attributes in Reader(text).tags if tag == "td"]
    assert [cell.get("data-name") for cell in cells] == [*columns, None, None]


def test_a_picture_in_the_page_is_small_and_its_paper_white(tmp_path: Path) -> None:
    drawn = figure()
    rng = np.random.default_rng(0)
    drawn.axes[0].scatter(rng.random(5000), rng.random(5000), s=2, c=rng.random((5000, 3)), alpha=0.8)
    text = text_of(tmp_path, "", "", [], [Drawing("fig1", "Fig. 1", "", drawn)])
    (data,) = re.findall(r"base64,([^\"]+)", text)
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert len(picture.getcolors() or ()) in range(1, 257)
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
