"""Caffe's spellings of flags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcae.cli.argv import FOR_ALL, SWITCHES, normalise, require_no_empty
from deepcae.errors import DataError

names = st.from_regex(r"[a-z][a-z0-9]+([-_][a-z0-9]+)*", fullmatch=True).filter(
    lambda name: name != "gpu" and name.replace("_", "-") not in {*SWITCHES, *(switch[2:] for switch in FOR_ALL)}
)
values = st.text(min_size=0, max_size=12)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("train -solver s.prototxt -gpu 0", "train --solver s.prototxt --device cuda:0"),
        ("train --solver=s.prototxt --gpu=1", "train --solver s.prototxt --device cuda:1"),
        ("train -solver s --snapshot latest", "train --solver s --snapshot latest"),
        ("train -weights=a,b -sighup_effect none", "train --weights a,b --sighup-effect none"),
        ("test -model m -weights w -iterations 50", "test --model m --weights w --iterations 50"),
        ("test -phase TEST -level 1 -stage a,b", "test --phase TEST --level 1 --stage a,b"),
        ("train -gpu all", "train --device cuda"),
        ("train --gpu -1", "train --device cpu"),
        ("encode r -o x.h5 -q", "encode r -o x.h5 -q"),
        ("encode r -o=x.h5", "encode r -o x.h5"),
        ("-help", "--help"),
        ("-h", "-h"),
        ("x --in_place", "x --in-place"),
        ("x --json y --quiet z", "x --json y --quiet z"),
        ("convert_imageset -gray -check_size r/ l d", "convert_imageset --gray --check-size r/ l d"),
        ("x --shuffle=true --encoded=1 -gray=false y", "x --shuffle --encoded y"),
        ("x --gray=maybe", "x --gray=maybe"),
        ("layers r --index -1", "layers r --index -1"),
        ("x -5 -.5", "x -5 -.5"),
        ("x - y", "x - y"),
        ("x --solver", "x --solver"),
        ("x -gpu", "x --device"),
        ("x -- -solver --a_b", "x -- -solver --a_b"),
        ("check n.prototxt -allow_python_layers", "--allow-python-layers check n.prototxt"),
        ("train -x y --allow-writes-elsewhere=1 -q", "--allow-writes-elsewhere train -x y -q"),
        ("x --allow-writes-elsewhere --allow-python-layers", "--allow-python-layers --allow-writes-elsewhere x"),
        ("x --solver --allow-python-layers", "x --solver --allow-python-layers"),
        ("zoo cae1 --data a_b.txt c_d.txt", "zoo cae1 --data a_b.txt c_d.txt"),
    ],
)
def test_spellings(written: str, meant: str) -> None:
    assert normalise(written.split()) == meant.split()


def test_a_value_is_never_taken_for_a_flag() -> None:
    assert normalise(["--set", "-base_lr: 1 x=y", "--set=max_iter: 3 # --a_b=c"]) == [
        "--set",
        "-base_lr: 1 x=y",
        "--set",
        "max_iter: 3 # --a_b=c",
    ]


@given(
    st.lists(
        st.text(max_size=8)
        | st.sampled_from(
            ["-solver", "--x_y=1", "-o", "--", "-gpu=0", "--json", "-allow_python_layers", "-allow-writes-elsewhere"]
        )
    )
)
def test_is_idempotent(argv: list[str]) -> None:
    once = normalise(argv)
    assert normalise(once) == once


@pytest.mark.parametrize(
    "words", [["fit", ""], ["fit", "x", "-o", ""], ["plot", "run", "--data", ""], ["fit", "--data="]]
)
def test_an_empty_word_is_not_taken_for_the_working_directory(words: list[str]) -> None:
    with pytest.raises(DataError, match="an argument is empty"):
        require_no_empty(words)
    require_no_empty([word + "." if word.endswith("=") else word or "." for word in words])
    require_no_empty(["train", "--solver", "s", "--set", ""])
    require_no_empty(["convert_imageset", "--shuffle=false", "folder/", "list.txt", "db"])


@given(names, values)
def test_all_four_spellings_are_one(name: str, value: str) -> None:
    wanted = ["--" + name.replace("_", "-"), value]
    for written in ([f"-{name}", value], [f"--{name}", value], [f"-{name}={value}"], [f"--{name}={value}"]):
        assert normalise(written) == wanted


@given(st.lists(st.from_regex(r"[^-].*", fullmatch=True)))
def test_plain_words_stay(words: list[str]) -> None:
    assert normalise(words) == words
