"""The page: one file, nothing fetched, nothing unescaped, every picture with words for it."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from deepcae.errors import shown
from deepcae.page.html import Folded, Judged, Page, Picture, Section, Table, Text, Tile, render, write

EVIL = "<script>alert('x')</script>\"'&<img src=http://example.org/a.png onerror=x>"
VOID = {"meta", "img", "br", "link"}


class Reader(HTMLParser):
    """Checks that tags nest, and keeps what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def figure(width: float = 3.0) -> Figure:
    page = Figure(figsize=(width, 1))
    page.add_subplot().plot([1, 2])
    return page


def page(words: str = "cae1") -> Page:
    return Page(
        words,
        words,
        [Tile(words, words, words)],
        [
            Section(words, [Picture(words, words, figure()), Picture("wide", "c", figure(7))], words),
            Section("Network", [Table([words, "n"], [[words, "1,234"], ["b", "–"]], ["total", "1,234"], words)]),
            Section("Texts", [Text(words, words), Folded(words, [Text("inner", words)])]),
            Section("Empty", []),
        ],
        [words],
        words,
    )


def test_the_page_is_whole() -> None:
    text = render(page("a < b"))
    reader = Reader(text)
    assert text.startswith("<!DOCTYPE html>")
    assert reader.all("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in reader.all("meta")
    assert len(reader.all("h1")) == 1
    assert [link["href"] for link in reader.all("a")] == ["#s0", "#s1", "#s2"]
    assert [heading["id"] for heading in reader.all("h2")] == ["s0", "s1", "s2"]
    assert "Empty" not in text


def test_nothing_is_fetched() -> None:
    text = render(page())
    addresses = [
        attributes[name]
        for _, attributes in Reader(text).tags
        for name in ("src", "href", "srcset", "data", "action")
        if attributes.get(name)
    ]
    assert len(addresses) == 5
    assert all((address or "").startswith(("data:image/png;base64,", "#")) for address in addresses)
    for way in ("http://", "https://", "url(", "@import", "<script", "<link", "<iframe"):
        assert way not in text
    assert "default-src 'none'" in text


def test_every_word_is_escaped() -> None:
    text = render(page(EVIL))
    reader = Reader(text)
    harmless = "html head meta title style body header h1 p nav a dl div dt dd main section h2 figure img figcaption b"
    harmless += " table caption thead tbody tfoot tr th td details summary pre footer"
    assert {tag for tag, _ in reader.tags} <= set(harmless.split())
    assert all(set(image) == {"alt", "src"} for image in reader.all("img"))
    assert "".join(reader.words).count(EVIL) == 20  # once for every place that `page` puts it


@given(st.text())
def test_any_text_makes_a_page(words: str) -> None:
    words = words.replace("\r", " ")
    reader = Reader(render(Page(words, sections=[Section("Texts", [Text("net", words)])])))
    assert shown(words) in "".join(reader.words)


def test_pictures_are_inside_and_described() -> None:
    reader = Reader(render(page("the codes")))
    pictures = reader.all("img")
    assert [picture["alt"] for picture in pictures] == ["the codes. the codes", "wide. c"]
    for picture in pictures:
        source = picture["src"] or ""
        assert base64.b64decode(source.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert [block.get("class") for block in reader.all("figure")] == ["half", None]


def test_numbers_stand_at_the_right_and_names_at_the_left() -> None:
    rows = [["0", "12.5 %", "1,234", "1e-05", "conv1"], ["1", "–", "-3", "2", "2"]]
    reader = Reader(render(Page("t", sections=[Section("s", [Table(list("abcde"), rows)])])))
    assert [cell.get("class") for cell in reader.all("th")] == [None, "number", "number", "number", None]


@pytest.mark.parametrize(
    ("words", "good", "mark", "tone"),
    [
        ("reproduced: +1.2 %, -0.4 %", True, "✓", "good"),
        ("no: 2 of 3 converge", False, "✗", "bad"),
        ("3 of 3 converge; paper: 1 of 3", None, "–", "open"),
    ],
)
def test_a_verdict_is_told_by_mark_word_and_colour(words: str, good: bool | None, mark: str, tone: str) -> None:
    table = Table(["name", "verdict"], [["a", Judged(words, good)]])
    reader = Reader(render(Page("p", sections=[Section("s", [table])])))
    assert reader.all("td")[1] == {"class": tone}
    assert f"{mark} {words}" in [word.replace("\u00a0", " ") for word in reader.words]
    assert not any(" %" in word for word in reader.words)


def test_a_verdict_without_words_has_no_mark_and_no_colour() -> None:
    table = Table(["name", "verdict"], [["a", Judged("", False)]])
    reader = Reader(render(Page("p", sections=[Section("s", [table])])))
    assert reader.all("td")[1] == {}
    assert "✗" not in "".join(reader.words)


def test_equal_data_give_equal_bytes(tmp_path: Path) -> None:
    first = write(page(), tmp_path / "deep" / "a.html")
    second = write(page(), tmp_path / "b.html")
    assert first.read_bytes() == second.read_bytes()
    assert first.read_text(encoding="utf-8") == render(page())


def test_names_that_are_not_unicode_do_not_stop_the_page(tmp_path: Path) -> None:
    """A file name or an old text may hold bytes that are no UTF-8; Python keeps them as lone surrogates."""
    write(Page("run \udcff"), tmp_path / "a.html")
    assert "run ?" in (tmp_path / "a.html").read_text(encoding="utf-8")
