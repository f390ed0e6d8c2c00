"""What people are shown of other people's words: nothing that steers a terminal, nothing that floods it."""

from __future__ import annotations

import re

import pytest

from deepcae.errors import DataError, Place, Problem, SpecError, in_one_line, readable, shortened, shown

STEERING = [
    "\x1b", "\x07", "\x08", "\r", "\x7f", "\x9b", "\x00",
    "\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\ufeff", "\U000e0041",
]  # fmt: skip


@pytest.mark.parametrize("character", STEERING, ids=ascii)
def test_what_steers_a_terminal_is_shown_as_an_escape(character: str) -> None:
    said = shown(f"a{character}b\n\tc")
    assert character not in said
    assert re.fullmatch(r"a\\(x..|u....|U0.......)b\n\tc", said)
    for error in (DataError(f"a{character}b"), SpecError(Problem(f"a{character}b", Place(f"c{character}d", 1, 2)))):
        assert character not in str(error)


@pytest.mark.parametrize("plain", ["déjà vu", "日本語", "a‍b", "می‌خواهم", "½·x² → 0", "\t", "a\nb"])
def test_letters_of_all_languages_stay(plain: str) -> None:
    assert shown(plain) == plain


def test_a_name_begins_no_line_of_its_own() -> None:
    assert in_one_line("a\nerror: b\t") == "a\\nerror: b\\t"
    assert str(Problem("layer 'a\nerror: b': is wrong")) == "layer 'a\\nerror: b': is wrong"


def test_long_lists_tell_how_many_there_are() -> None:
    names = [f"name{k}" for k in range(300)]
    said = readable(f"no blob 'x'; it has {', '.join(names)}; take one")
    assert said == "no blob 'x'; it has name0, name1, name2, name3, name4, … 294 more …, name299; take one"
    few = f"it must be one of {', '.join(names[:10])}"
    assert readable(few) == few


@pytest.mark.parametrize("long", ["x" * 5000, "a " * 5000, ", ".join(map(str, range(5000))), "/" + "y" * 300 + "/z"])
def test_a_line_of_too_many_letters_keeps_both_ends(long: str) -> None:
    said = str(DataError(f"here: {long} is wrong; give --flag"))
    assert len(said) <= 200
    assert said.startswith("here: ")
    assert said.endswith("--flag")


def test_a_short_name_stays_and_of_a_long_one_both_ends() -> None:
    assert shortened("abc") == "abc"
    assert [len(shortened("a" * 100, most)) for most in (60, 40, 7, 3)] == [60, 40, 7, 3]
    assert shortened("a" * 50 + "b" * 50).startswith("aaa")
    assert shortened("a" * 50 + "b" * 50).endswith("bbb")
