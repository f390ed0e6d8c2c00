"""What a process keeps: device, random stream, log, solver numbers, clock."""

from __future__ import annotations

import re
import time

import pytest
import torch

from deepcae.layers.base import Layer
from deepcae.pycaffe import mode


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mode, "_process", mode._Process())


def gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


def test_the_cpu_is_the_default_and_gpus_are_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mode.device() == "cpu"
    gpus(monkeypatch, 2)
    mode.set_device(1)
    assert mode.device() == "cpu"
    mode.set_mode_gpu()
    assert mode.device() == "cuda:1"
    mode.set_mode_cpu()
    assert mode.device() == "cpu"
    with pytest.raises(ValueError, match="GPU 2 is given; this machine has 2, numbered from 0"):
        mode.set_device(2)
    with pytest.raises(ValueError, match="GPU -1 is given; GPUs are numbered from 0"):
        mode.set_device(-1)


def test_without_a_gpu_scripts_go_on_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 0)
    mode.set_device(3)
    with pytest.warns(RuntimeWarning, match="has no CUDA GPU; computing on the CPU"):
        mode.set_mode_gpu()
    assert mode.device() == "cpu"


def test_a_seed_starts_the_one_stream_anew() -> None:
    mode.set_random_seed(7)
    first = torch.rand(3, generator=mode.generator())
    more = torch.rand(3, generator=mode.generator())
    mode.set_random_seed(7)
    assert torch.equal(torch.rand(3, generator=mode.generator()), first)
    assert not torch.equal(first, more)


def test_without_a_seed_streams_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    first = torch.rand(3, generator=mode.generator())
    monkeypatch.setattr(mode, "_process", mode._Process())
    assert not torch.equal(torch.rand(3, generator=mode.generator()), first)


def test_log_lines_bear_glogs_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    mode.log("hello")
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ _caffe\.cpp:\d+\] hello\n", err)
    mode.init_log(1)
    mode.log("hidden")
    mode.init_log()
    mode.log("shown")
    mode.init_log(0, False)
    mode.log("hidden too")
    assert re.findall(r"\] (.*)", capsys.readouterr().err) == ["shown"]
    assert not mode.shows(3)


@pytest.mark.parametrize(("word", "level"), [("2", 2), ("", 0), ("many", 0)])
def test_glogs_variable_sets_the_level(monkeypatch: pytest.MonkeyPatch, word: str, level: int) -> None:
    monkeypatch.setenv("GLOG_minloglevel", word)
    assert mode._level_at_start() == level


def test_solver_numbers_are_kept() -> None:
    assert (mode.solver_count(), mode.solver_rank()) == (1, 0)
    mode.set_solver_count(4)
    mode.set_solver_rank(2)
    mode.set_multiprocess(True)
    assert (mode.solver_count(), mode.solver_rank()) == (4, 2)


def test_nccl_is_refused() -> None:
    assert mode.has_nccl() is False
    with pytest.raises(RuntimeError, match="training on several GPUs is not supported"):
        mode.NCCL(object(), "uid")
    with pytest.raises(RuntimeError, match="training on several GPUs is not supported"):
        mode.NCCL.new_uid()


def test_layer_types_are_those_that_can_be_made() -> None:
    types = mode.layer_type_list()
    assert types == sorted(types)
    assert set(types) == {*Layer.registry, "Python"}
    assert {"Convolution", "Unpooling", "SigmoidCrossEntropyLoss"} <= set(types)


def test_a_timer_measures_from_start_to_stop() -> None:
    timer = mode.Timer()
    assert timer.ms == 0
    timer.start()
    time.sleep(0.02)
    timer.stop()
    first = timer.ms
    assert 20 <= first < 2000
    time.sleep(0.02)
    assert timer.ms == first
    timer.start()
    assert 0 <= timer.ms < 2000  # stops it
    assert timer.ms == timer.ms
