"""The compiled kernels against torch's float64, over drawn shapes, instruction sets, threads and memory orders."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from deepcae.errors import SpecError
from deepcae.kernels import choice, direct, native
from deepcae.kernels.case import Case, Window
from deepcae.kernels.convolution import convolution, deconvolution
from deepcae.kernels.rule import Rule
from deepcae.kernels.rulecache import FoundRule

needs_core = pytest.mark.skipif(not native.instructions(), reason="deepcae was installed without a C++ compiler")
pair = st.tuples(st.integers(1, 6), st.integers(1, 6))
quick = settings(max_examples=100)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    preference, instructions, threads = choice.preference(), native.instructions(), torch.get_num_threads()
    choice.take(FoundRule(Rule(), "the tests'"))  # whatever processor they run on
    yield
    choice.take(None)
    choice.prefer(preference)
    native.instructions(instructions)
    torch.set_num_threads(threads)


@st.composite
def cases(draw: st.DrawFn) -> dict:
    """Sizes of a convolution, or of the deconvolution that leads back."""
    kernel, dilation = draw(pair), draw(st.tuples(st.integers(1, 2), st.integers(1, 3)))
    pad = draw(st.tuples(st.integers(0, 7), st.integers(0, 7)))
    sizes = [draw(st.integers(1, 12)) for _ in kernel]
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (2, 1), (1, 3), (3, 2)]))
    return {
        "batch": draw(st.one_of(st.integers(1, 130), st.sampled_from([1, 3, 4, 7, 8, 15, 16, 17, 100, 112]))),
        "channels": groups * draw(st.one_of(st.integers(1, 5), st.sampled_from([8, 9, 13]))),
        "outputs": groups * draw(st.one_of(st.integers(1, 9), st.sampled_from([16, 20, 31, 50]))),
        "sizes": sizes, "kernel": kernel, "dilation": dilation, "pad": pad, "groups": groups, "stride": stride,
        "transposed": draw(st.booleans()),
        "order": draw(st.sampled_from(["first", "last", "strided"])),
        "bias": draw(st.booleans()),
        "instructions": draw(st.sampled_from(["avx512", "avx2", "sse2", "neon", "scalar"])),
        "threads": draw(st.sampled_from([1, 2, 3])),
    }  # fmt: skip


def _in_order(x: torch.Tensor, order: str) -> torch.Tensor:
    if order == "last":
        return x.movedim(0, -1).contiguous().movedim(-1, 0)
    if order == "strided":
        return torch.stack([x, x], -1)[..., 0]
    return x


def _random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _compared(case: dict) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """(ours, float64's, the same with all values positive) of the output and each gradient."""
    c, o, g = case["channels"], case["outputs"], case["groups"]
    x = _in_order(_random(0, case["batch"], c, *case["sizes"]), case["order"])
    w = _random(1, c, o // g, *case["kernel"]) if case["transposed"] else _random(1, o, c // g, *case["kernel"])
    inputs = [x, w, *([_random(2, o)] if case["bias"] else [])]

    def run(inputs: list[torch.Tensor], ours: bool, upper: torch.Tensor | None) -> list[torch.Tensor]:
        leaves = [value.detach().requires_grad_() for value in inputs]
        b = leaves[2] if case["bias"] else None
        if ours:
            window = Window(case["stride"], case["pad"], case["dilation"], g)
            y = _direct(leaves[0], leaves[1], b, window, case["transposed"])
        elif case["transposed"]:
            y = torch.conv_transpose2d(leaves[0], leaves[1], b, case["stride"], case["pad"], 0, g, case["dilation"])
        else:
            y = torch.conv2d(leaves[0], leaves[1], b, case["stride"], case["pad"], case["dilation"], g)
        upper = _random(3, *y.shape).to(y.dtype) if upper is None else upper
        return [y.detach(), *torch.autograd.grad(y, leaves, upper)]

    ours, theirs = run(inputs, True, None), run([value.double() for value in inputs], False, None)
    sizes = run([value.double().abs() for value in inputs], False, _random(3, *theirs[0].shape).double().abs())
    return list(zip(ours, theirs, sizes, strict=True))


def _fits(case: dict) -> bool:
    names = ("sizes", "kernel", "stride", "dilation", "pad")
    for size, kernel, stride, dilation, pad in zip(*(case[name] for name in names), strict=True):
        extent = dilation * (kernel - 1)
        if (stride * (size - 1) + extent - 2 * pad if case["transposed"] else size + 2 * pad - extent - 1) < 0:
            return False
    return True


PLAIN = Window((1, 1), (0, 0), (1, 1))
PAPER = {
    "batch": 100, "channels": 4, "outputs": 2, "sizes": [20, 20], "kernel": (9, 9), "dilation": (1, 1), "pad": (0, 0),
    "stride": (1, 1), "groups": 1, "transposed": False, "order": "last", "bias": True, "instructions": "avx512",
    "threads": 2,
}  # fmt: skip
DESIGNED = {**PAPER, "channels": 16, "outputs": 32, "sizes": [8, 7], "kernel": (4, 3), "stride": (2, 2), "pad": (1, 1)}
WIDE = {**PAPER, "channels": 20, "outputs": 50, "sizes": [7, 6], "kernel": (5, 5)}  # its vectors go over the outputs


@needs_core
@quick
@given(cases())
@example(PAPER)
@example({**PAPER, "channels": 2, "sizes": [12, 12], "kernel": (17, 17), "transposed": True})
@example({**PAPER, "batch": 1, "sizes": [64, 3], "kernel": (3, 3), "pad": (1, 1)})
@example(DESIGNED)
@example(WIDE)
@example({**WIDE, "batch": 3, "stride": (2, 2), "instructions": "sse2"})
@example({**WIDE, "batch": 1, "channels": 5, "outputs": 11, "stride": (2, 1), "pad": (2, 4), "transposed": True})
@example({**WIDE, "channels": 48, "outputs": 72, "kernel": (3, 3), "groups": 2, "dilation": (1, 2), "pad": (2, 0)})
@example({**DESIGNED, "channels": 40, "outputs": 3, "sizes": [5, 4], "transposed": True})
@example({**DESIGNED, "channels": 1, "outputs": 8, "sizes": [30, 21], "batch": 33})
def test_outputs_and_gradients_are_those_of_float64(case: dict) -> None:
    assume(_fits(case))
    native.instructions(case["instructions"])
    torch.set_num_threads(case["threads"])
    for ours, theirs, size in _compared(case):
        assert ours.shape == theirs.shape
        assert ((ours - theirs).abs() <= 1e-5 * size + 1e-30).all()


@needs_core
@quick
@given(cases())
@example(PAPER)
@example(DESIGNED)
@example({**DESIGNED, "transposed": True})
def test_results_do_not_depend_on_the_number_of_threads(case: dict) -> None:
    assume(_fits(case))
    native.instructions(case["instructions"])
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append([ours for ours, _, _ in _compared(case)])
    for values in zip(*results, strict=True):
        assert all(torch.equal(values[0], value) for value in values)


def _direct(
    x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None, window: Window, transposed: bool = False
) -> torch.Tensor:
    return direct.correlation(x, w, b, Case(transposed, tuple(x.shape), tuple(w.shape), *window, plain=True))


@needs_core
def test_lines_are_planes_of_one_row() -> None:
    x, w, b = _random(0, 5, 4, 40), _random(1, 6, 2, 7), _random(2, 6)
    for stride in (1, 3):
        ours = _direct(x, w, b, Window((stride,), (2,), (3,), 2))
        torch.testing.assert_close(ours, torch.conv1d(x, w, b, stride, 2, 3, 2), rtol=1e-5, atol=1e-5)
        ours = _direct(x, u := _random(1, 4, 3, 7), b, Window((stride,), (2,), (3,), 2), transposed=True)
        torch.testing.assert_close(ours, torch.conv_transpose1d(x, u, b, stride, 2, 0, 2, 3), rtol=1e-5, atol=1e-5)


@needs_core
def test_a_kernel_that_overhangs_by_less_than_a_stride_has_an_output() -> None:
    """As in Caffe: 3 pixels, and 4 taps with stride 2 from the first one on."""
    x, w = _random(0, 9, 2, 3, 6).requires_grad_(), _random(1, 5, 2, 4, 4).requires_grad_()
    ours = _direct(x, w, None, Window((2, 2), (0, 0), (1, 1)))
    theirs = torch.conv2d(torch.nn.functional.pad(x, (0, 0, 0, 1)), w, None, 2)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    for got, expected in zip(*(torch.autograd.grad(y.sum(), (x, w)) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-4)


@needs_core
def test_a_chain_keeps_the_batch_last() -> None:
    x, w = _random(0, 20, 3, 9, 9), _random(1, 3, 3, 4, 4)
    y = _direct(x, w, None, PLAIN)
    assert direct.batch_last(torch.sigmoid(y)).data_ptr()
    assert y.movedim(0, -1).is_contiguous()
    assert direct.batch_last(y).data_ptr() == y.data_ptr()


@needs_core
def test_a_gradient_of_a_gradient_is_refused() -> None:
    x, w = _random(0, 2, 1, 5, 5).requires_grad_(), _random(1, 1, 1, 3, 3).requires_grad_()
    y = _direct(x, w, None, PLAIN)
    (dx,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()


@needs_core
def test_tensors_without_numbers_are_not_the_cores() -> None:
    choice.prefer("core")
    with FakeTensorMode():
        y = convolution(torch.empty(20, 1, 28, 28), torch.empty(4, 1, 9, 9), None, PLAIN)
    assert y.shape == (20, 4, 20, 20)


@needs_core
def test_a_bias_may_lie_anywhere() -> None:
    x, w, b = _random(0, 20, 1, 9, 9), _random(1, 3, 1, 5, 5), _random(2, 6)[::2]
    ours = _direct(x, w, b, PLAIN)
    torch.testing.assert_close(ours, torch.conv2d(x, w, b), rtol=1e-5, atol=1e-5)


def _case(**changes: object) -> Case:
    given = {"transposed": False, "x": (100, 4, 20, 20), "w": (2, 4, 9, 9), "stride": (1, 1), "pad": (0, 0)}
    return Case(**{**given, "dilation": (1, 1), "groups": 1, "plain": True, **changes})  # type: ignore[arg-type]


@needs_core
def test_what_the_core_cannot_is_left_to_others() -> None:
    choice.prefer("core")
    assert choice.choice(_case()) == "core"
    assert choice.choice(_case(stride=(2, 2))) == choice.choice(_case(stride=(1, 2))) == "core"
    assert choice.choice(_case(plain=False)) == "banded"
    assert choice.choice(_case(x=(0, 4, 20, 20))) == "torch"
    assert choice.choice(_case(x=(2, 4, 9, 9, 9), w=(2, 4, 3, 3, 3), stride=(1,) * 3, pad=(0,) * 3)) == "torch"


@needs_core
def test_the_rule_takes_the_core_for_the_papers_layers_alone() -> None:
    choice.prefer("auto")
    for x, w in (((100, 1, 28, 28), (8, 1, 9, 9)), ((100, 8, 20, 20), (4, 8, 9, 9))):
        assert choice.choice(_case(x=x, w=w)) == "core"
    for x, w in (((100, 4, 12, 12), (4, 4, 17, 17)), ((100, 4, 28, 28), (4, 1, 1, 1))):
        assert choice.choice(_case(x=x, w=w, transposed=True)) == "core"
    assert choice.choice(_case(x=(100, 250, 1, 1), w=(250, 4, 12, 12), transposed=True)) == "product"
    assert choice.choice(_case(x=(100, 64, 16, 16), w=(64, 64, 3, 3), pad=(1, 1))) == "torch"
    assert choice.choice(_case(x=(1, 16, 8, 8), w=(8, 16, 5, 5))) == "torch"


@needs_core
def test_the_rule_takes_the_core_for_strides_as_far_as_it_was_measured() -> None:
    choice.prefer("auto")
    choice.take(FoundRule(Rule(strided_pairs=(0, 128, 512)), "a test"))
    ways = ((100, 32, "core"), (100, 33, "torch"), (31, 8, "core"), (31, 9, "torch"), (7, 1, "torch"))
    for batch, outputs, way in ways:
        for transposed in (False, True):
            w = (16, outputs, 4, 4) if transposed else (outputs, 16, 4, 4)
            case = _case(transposed=transposed, x=(batch, 16, 9, 9), w=w, stride=(2, 2), pad=(1, 1))
            assert choice.choice(case) == way
    kept = {name: value for name, value in Rule().to_json().items() if name != "strided_pairs"}
    choice.take(FoundRule(Rule.from_json(kept), "an old snapshot's"))
    for name in ("auto", "core"):
        choice.prefer(name)
        assert choice.choice(_case(x=(100, 16, 9, 9), w=(8, 16, 4, 4), stride=(2, 2), pad=(1, 1))) == "torch"


def test_the_rule_takes_phases_for_strided_deconvolutions_of_few_outputs() -> None:
    choice.prefer("auto")
    choice.take(FoundRule(Rule(strided_pairs=(0, 0, 0)), "a test"))
    last = {"transposed": True, "x": (100, 16, 14, 14), "w": (16, 1, 4, 4), "stride": (2, 2), "pad": (1, 1)}
    assert choice.choice(_case(**last)) == "phases"
    for other in (
        {"transposed": False, "w": (1, 16, 4, 4)}, {"w": (16, 16, 4, 4)}, {"x": (10, 16, 14, 14)}, {"groups": 2},
        {"dilation": (2, 2)}, {"stride": (2, 1)}, {"plain": False},
    ):  # fmt: skip
        assert choice.choice(_case(**{**last, **other})) == "torch"
    choice.prefer("torch")
    assert choice.choice(_case(**last)) == "torch"


def test_the_rule_can_be_set() -> None:
    choice.prefer("torch")
    assert choice.choice(_case()) == choice.choice(_case(w=(2, 4, 1, 1))) == "torch"
    choice.prefer("banded")
    assert choice.choice(_case()) == "banded"
    assert choice.choice(_case(w=(2, 4, 1, 1))) == "product"
    with pytest.raises(SpecError, match="DEEPCAE_KERNELS is 'fast', but may be auto, core, banded, torch"):
        choice.prefer("fast")


@pytest.mark.parametrize("name", ["core", "banded", "torch"])
def test_every_rule_gives_the_same_numbers(name: str) -> None:
    x, b = _random(0, 20, 4, 13, 14), _random(2, 2)
    for operation, w, theirs in (
        (convolution, _random(1, 2, 4, 7, 7), torch.conv2d),
        (deconvolution, _random(1, 4, 2, 11, 12), torch.conv_transpose2d),
    ):
        choice.prefer(name)
        torch.testing.assert_close(
            operation(x, w, b, PLAIN), theirs(x.double(), w.double(), b.double()).float(), rtol=1e-4, atol=1e-4
        )
    x, w = _random(3, 40, 4, 5, 6), _random(4, 4, 2, 5, 3)
    torch.testing.assert_close(
        deconvolution(x, w, b, Window((3, 2), (1, 2), (1, 1))),
        torch.conv_transpose2d(x.double(), w.double(), b.double(), (3, 2), (1, 2)).float(),
        rtol=1e-4,
        atol=1e-4,
    )


def test_a_process_takes_the_rule_of_its_environment() -> None:
    code = "from deepcae.kernels import choice; print(choice.preference(), choice.is_forced())"
    environment = {**os.environ, choice.VARIABLE: "torch"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["torch", "True"]


def test_a_resumed_run_computes_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    choice.prefer("torch")
    recorded = choice.in_force()
    assert recorded == {"rule": "torch", "instructions": ""}
    choice.prefer("auto")
    assert choice.go_on_with(recorded) == ""
    assert choice.preference() == "torch"
    monkeypatch.setenv(choice.VARIABLE, "banded")
    choice.prefer("banded")
    assert choice.go_on_with(recorded) == (
        "convolutions were computed by rule 'torch' with no compiled kernels and are by rule 'banded' with no compiled "
        "kernels now"
    )
    assert choice.preference() == "banded"
    with pytest.raises(ValueError, match="no rule of kernels: fast"):
        choice.go_on_with({"rule": "fast", "instructions": ""})


@needs_core
def test_a_resumed_run_takes_the_same_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    choice.prefer("core")
    native.instructions("scalar")
    recorded = choice.in_force()
    native.instructions("sse2")
    assert choice.go_on_with(recorded) == ""
    assert native.instructions() == "scalar"
    assert "with amx compiled kernels and are by" in choice.go_on_with({"rule": "auto", "instructions": "amx"})


def test_without_the_library_torch_does_the_work(tmp_path) -> None:
    """Said once, on the standard error stream."""
    code = (
        "import torch\nfrom deepcae.kernels import native\nnative.__file__ = 'nowhere/native.py'\n"
        "from deepcae.kernels.case import Window\nfrom deepcae.kernels.convolution import convolution\n"
        "x, w = torch.ones(2, 1, 5, 5), torch.ones(1, 1, 3, 3)\n"
        "for _ in range(2):\n    y = convolution(x, w, None, Window((1, 1), (0, 0), (1, 1)))\n"
        "print(y.sum().item(), native.instructions() == '')"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert told.stdout.split() == ["162.0", "True"]
    assert told.stderr.count("was not built") == 1
