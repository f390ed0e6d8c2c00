"""The rule of a processor: committed, measured once and kept, or fixed; and what snapshots keep of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.kernels import choice, libraries, measure, native, processor, products, rulecache
from deepcae.kernels.processor import Processor
from deepcae.kernels.rule import Library, Products, Rule, fixed, known
from deepcae.kernels.rulecache import FoundRule

pytestmark = pytest.mark.skipif(not native.instructions(), reason="deepcae was installed without a C++ compiler")

UNKNOWN = Processor("GenuineIntel", 6, 207, "avx2 avx512f", "Some Xeon", "avx512")
OTHER = Rule(many=Products("mkl", "mkl", "onednn"), rows="onednn", core_pairs=(8, 9, 10), last_channels=(1, 3))


@pytest.fixture(autouse=True)
def unknown_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    before = choice.preference()
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(rulecache, "this_processor", lambda: UNKNOWN)
    monkeypatch.setattr(choice, "_found", {})
    choice.prefer("auto")
    choice.take(None)
    yield
    choice.take(None)
    choice.prefer(before)


@pytest.fixture
def measurings(monkeypatch: pytest.MonkeyPatch) -> list[Rule]:
    """The defaults with which it was measured; each finds OTHER."""
    seen: list[Rule] = []
    monkeypatch.setattr(measure, "measured", lambda default: seen.append(default) or OTHER)
    return seen


def test_an_unknown_processor_is_measured_once(
    measurings: list[Rule], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert choice.rule() == choice.rule() == OTHER
    path = rulecache.path_of(UNKNOWN)
    assert caplog.messages == [
        f"measuring once which kernels are the fastest on this processor; the answer is kept in {path}"
    ]
    monkeypatch.setattr(choice, "_found", {})  # the next process
    assert choice.kernels().found == FoundRule(OTHER, f"measured on this machine, kept in {path}")
    assert measurings == [Rule(rows="mkl")]
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text[: text.index("phase_")], "Unterminated"),
        (lambda text: "", "Expecting value"),
        (lambda text: "[1]", "another processor"),
        (lambda text: "[" * 50_000, "too deeply"),
        (lambda text: text.replace("Xeon", "").replace('"207"', '"208"'), "another processor"),
        (lambda text: text.replace('"onednn"', '"fast"'), "no rule of kernels"),
        (lambda text: text.replace("10", "-10", 1).replace("8,", "8.5,"), "no rule of kernels"),
        (lambda text: text.replace('"rows"', '"lines"'), "no rule of kernels"),
        (lambda text: text.replace('"pixel_pairs": 64', '"pixel_pairs": -1'), "no rule of kernels"),
    ],
)
def test_a_damaged_answer_is_told(
    measurings: list[Rule],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Any,
    why: str,
) -> None:
    choice.rule()
    path = rulecache.path_of(UNKNOWN)
    damaged = change(path.read_text())
    path.write_text(damaged)
    monkeypatch.setattr(choice, "_found", {})
    assert choice.rule() == fixed(UNKNOWN) == Rule(rows="mkl")
    assert choice.kernels().found.source.startswith("the fixed rule")
    assert f"{path} is damaged" in caplog.messages[-1]
    assert why in caplog.messages[-1]
    assert "delete it" in caplog.messages[-1]
    assert len(measurings) == 1
    assert path.read_text() == damaged


def test_a_cache_that_cannot_be_written_gives_the_fixed_rule(
    measurings: list[Rule], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert choice.rule() == fixed(UNKNOWN)
    assert "cannot be kept" in caplog.messages[-1]
    assert not measurings


def test_a_lock_that_is_a_link_is_not_followed(
    measurings: list[Rule], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = rulecache.path_of(UNKNOWN)
    path.parent.mkdir(parents=True)
    path.with_suffix(".lock").symlink_to(tmp_path / "elsewhere")
    assert choice.rule() == fixed(UNKNOWN)
    assert not (tmp_path / "elsewhere").exists()
    assert "cannot be kept" in caplog.messages[-1]


CODE = """
import sys, time
from deepcae.kernels import choice, rulecache, measure
from deepcae.kernels.processor import Processor
from deepcae.kernels.rule import Rule
rulecache.this_processor = lambda: Processor("GenuineIntel", 6, 207, "avx2", "Some Xeon", "avx512")
def measured(default):
    print("measured", flush=True)
    time.sleep(0.5)
    return Rule(pixel_pairs=int(sys.argv[1]))
measure.measured = measured
print(choice.rule().pixel_pairs)
"""


def test_two_first_runs_at_once_end_with_the_same_answer(tmp_path: Path) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, str(number)],
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in (1, 2, 3)
    ]
    told = [run.communicate(timeout=120)[0].split() for run in runs]
    assert len({lines[-1] for lines in told}) == 1
    assert sum("measured" in lines for lines in told) == 1
    assert [path.suffix for path in sorted((tmp_path / "deepcae").iterdir())] == [".json", ".lock"]


def test_known_kinds_are_not_measured(monkeypatch: pytest.MonkeyPatch, measurings: list[Rule]) -> None:
    zen5 = Processor("AuthenticAMD", 26, 2, "avx512f", "AMD EPYC", "avx512")
    zen3 = Processor("AuthenticAMD", 25, 1, "avx2", "AMD EPYC", "avx2")
    monkeypatch.setattr(rulecache, "this_processor", lambda: zen5)
    assert choice.kernels().found == FoundRule(Rule(rows="onednn"), "measured on AMD, Zen 5")
    monkeypatch.setattr(choice, "_found", {})
    monkeypatch.setattr(rulecache, "this_processor", lambda: zen3)
    assert choice.kernels().found.source == "measured on AMD EPYC, Zen 3"
    assert choice.rule().few == Products(weights="mkl")
    assert known(zen5._replace(instructions="avx2")) is None
    assert known(UNKNOWN) is None
    assert not measurings


def test_who_asks_for_other_kernels_measures_nothing(measurings: list[Rule]) -> None:
    for name in ("torch", "banded"):
        choice.prefer(name)
        assert choice.rule() == fixed(UNKNOWN)
    assert not measurings


def test_each_library_and_core_has_its_own_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {rulecache.path_of(UNKNOWN), rulecache.path_of(UNKNOWN._replace(instructions="avx2"))}
    paths |= {rulecache.path_of(UNKNOWN._replace(model=85)), rulecache.path_of(UNKNOWN._replace(flags="avx2"))}
    monkeypatch.setattr(torch, "__version__", "9.9")
    paths.add(rulecache.path_of(UNKNOWN))
    assert len(paths) == 5


def test_linux_tells_the_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Xeon X\nflags\t\t: sse avx2\n"
    arm = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n"
    for text, found in (
        (f"{one}\n{one}", ("GenuineIntel", 6, 85, "avx2 sse", "Xeon X", "avx2")),
        (arm, ("0x41", 8, 0xD0C, "asimd fp")),
    ):
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
        processor._described.cache_clear()
        assert processor._described("avx2")[: len(found)] == found
    processor._described.cache_clear()


rules = st.builds(
    Rule,
    *[st.builds(Products, *[st.sampled_from(["core", "mkl", "onednn"])] * 3)] * 2,
    st.sampled_from(["mkl", "onednn"]),
    st.tuples(*[st.integers(0, 5000)] * 3),
    st.integers(0, 64),
    st.integers(0, 500),
    st.tuples(*[st.integers(0, 64)] * 2),
    st.integers(0, 64),
    st.tuples(*[st.integers(-1, 5000)] * 3),
)


@given(rules)
def test_a_rule_survives_json(rule: Rule) -> None:
    assert Rule.from_json(json.loads(json.dumps(rule.to_json()))) == rule


def test_a_snapshot_s_rule_goes_on() -> None:
    choice.take(FoundRule(OTHER, "a test"))
    recorded = json.loads(json.dumps(choice.in_force()))
    choice.take(FoundRule(Rule(), "this machine"))
    assert choice.go_on_with(recorded) == ""
    assert choice.kernels().found == FoundRule(OTHER, "the snapshot's")
    del recorded["numbers"]  # as they were before
    assert choice.go_on_with(recorded) == ""
    assert choice.rule() == fixed(UNKNOWN)._replace(strided_pairs=(-1, -1, -1))
    with pytest.raises(ValueError, match="no rule of kernels"):
        choice.go_on_with({**recorded, "numbers": {"few": "core"}})


class Told:
    """Times that are told beforehand, in place of a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slow: Mapping[str, float]) -> None:
        def times(_: Any, question: str, ways: Mapping[str, Any]) -> dict[str, float]:
            return {way: slow.get(f"{question} {way}", slow.get(way, 1.0)) for way in ways}

        monkeypatch.setattr(measure._Questions, "times", times)


def test_the_fixed_rule_stays_unless_another_way_is_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    Told(monkeypatch, {"core": 1.05, "onednn": 1.0, "mkl": 1.0})
    rule = measure.measured(Rule(rows="onednn"))
    assert (rule.few, rule.many, rule.rows) == (Products(), Products(), "onednn")


@pytest.mark.skipif(not products.has_onednn(), reason="this PyTorch has no product by oneDNN")
def test_pytorch_s_product_is_taken_where_it_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Xeon, where MKL is twice as fast as the core."""
    Told(monkeypatch, {"core": 2.0, "mkl": 1.0, "onednn": 1.05, "torch": 1.0})
    rule = measure.measured(fixed(UNKNOWN))
    assert rule.many == rule.few == Products("mkl", "mkl", "mkl")
    assert rule.core_pairs == rule.strided_pairs == (0, 0, 0)
    assert rule.core_area == 16
    choice.take(FoundRule(rule, "a test"))
    assert products.products_of(784_000, 2_000_000, 100) == Products("mkl", "mkl", "mkl")
    assert products.products_of(144_000, 300_000, 100) == Products()  # a net of the paper's stays the core's


def test_the_core_is_taken_as_far_as_it_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {"convolution 20→50 5×5 on 12×12, batch 10 core": 3.0, "convolution 16→16 5×5 on 12×12, batch 1 core": 3.0}
    strided = {"convolution 16→32 4×4 on 12×12, stride 2, batch 10 core": 3.0}
    Told(monkeypatch, {**slow, **strided})
    rule = measure.measured(Rule())
    assert rule.core_pairs == (128, 256, 4096)
    assert rule.core_area == 9
    assert rule.strided_pairs == (8192, 128, 8192)


def test_measuring_leaves_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_SECONDS", 0.0)
    monkeypatch.setattr(measure, "_LEAST", 1)
    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    heard: list[str] = []
    rule = measure.measured(Rule(), lambda question, seconds: heard.append(question))
    assert Rule.from_json(rule.to_json()) == rule
    assert len(heard) > 15
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert choice.preference() == "auto"
    assert not choice._found  # nobody asked for the rule meanwhile, which is not there yet


@settings(max_examples=40)
@given(
    library=st.sampled_from(["core", "mkl", "onednn"]),
    sizes=st.tuples(*[st.integers(1, 60)] * 3),
    turned=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_every_library_multiplies(library: Library, sizes: tuple[int, int, int], turned: bool, seed: int) -> None:
    if library == "onednn" and not products.has_onednn():
        return
    rows, depth, columns = sizes
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(rows, depth, generator=generator), torch.randn(depth, columns, generator=generator)
    a = a.t().contiguous().t() if turned else a
    y = torch.empty(rows, columns)
    libraries.multiplied(library, a, b, y)()
    torch.testing.assert_close(y.double(), a.double() @ b.double(), rtol=1e-5, atol=1e-4)
