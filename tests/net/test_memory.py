"""A network that no memory holds is refused in a sentence, before anything is allocated."""

from __future__ import annotations

import pytest

from deepcae.errors import SpecError
from deepcae.net import initial
from deepcae.net.net import Net
from deepcae.proto import read_net_text

TEXT = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1000 } } }
layer { name: "small" type: "InnerProduct" bottom: "x" top: "s" inner_product_param { num_output: 2 } }
layer { name: "great" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2000000 } }"""


def test_more_parameters_than_memory():
    more = (TEXT.splitlines()[2].replace('"great"', f'"great{k}"').replace('"y"', f'"y{k}"') for k in range(999))
    with pytest.raises(SpecError) as error:
        Net(read_net_text("\n".join([TEXT, *more]), "n"))
    assert str(error.value) == (
        "n:3:1: layer 'great' (InnerProduct): the network's parameters take 7,458.0 GiB, more than there is; "
        "the greatest blob here is [2000000, 1000]"
    )


def test_less_memory_free_than_there_is(monkeypatch):
    def full(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: not enough memory")

    monkeypatch.setattr(initial, "fill", full)
    with pytest.raises(SpecError, match=r"layer 'great' .* take 0\.0 GiB, more than there is"):
        Net(read_net_text(TEXT.replace("2000000", "3"), "n"))


def test_other_faults_stay_what_they_are(monkeypatch):
    def broken(*_):
        raise RuntimeError("odd")

    monkeypatch.setattr(initial, "fill", broken)
    with pytest.raises(RuntimeError, match="odd"):
        Net(read_net_text(TEXT.replace("2000000", "3"), "n"))
