"""The grammar that is accepted, places, overrides, and texts written back."""

from __future__ import annotations

import math
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcae.errors import Place, SpecError
from deepcae.proto import merge, parse, read_net_text, read_solver_text, to_text
from deepcae.proto.schema import Datum, LayerParameter, NetParameter, SolverParameter
from deepcae.proto.text import shortest


def net(text: str):
    return parse(text, NetParameter, "n").message


def test_every_form_that_the_grammar_allows():
    message = net(
        "# a comment\r\n"
        "name: 'it''s ' \"one\" # strings in a row are one\r\n"
        "input: ['a', \"b\"], input_dim: [0x10, 010, 3];\n"
        "force_backward: t debug_info: False state: { level: -0x2 stage: '\\x41\\102\\n\\'\\?' }\n"
        "layer < loss_weight: [1., .5e1, 2f] loss_weight: -inf loss_weight: nan loss_weight: 3 >\n"
        'layer [{ type: "a" pooling_param { pool: 1 } }, < propagate_down: 1 propagate_down: 0 >]\n'
        "layer { reshape_param { shape { dim: [] dim: -1 } } }"
    )
    assert message.name == "its one"
    assert list(message.input) == ["a", "b"]
    assert list(message.input_dim) == [16, 8, 3]
    assert message.force_backward
    assert message.HasField("debug_info")
    assert not message.debug_info
    assert message.state.level == -2
    assert message.state.stage == ["AB\n'?"]
    weights = list(message.layer[0].loss_weight)
    assert weights[:4] == [1, 5, 2, -math.inf]
    assert math.isnan(weights[4])
    assert message.layer[1].pooling_param.pool == message.layer[1].pooling_param.AVE
    assert list(message.layer[2].propagate_down) == [True, False]
    assert message.layer[3].reshape_param.shape.dim == [-1]


def test_bytes_fields_take_any_byte():
    assert parse(r'data: "\000\377\?"', Datum).message.data == b"\0\xff?"


def test_other_encodings_pass_in_comments():
    assert net(b"name: 'a' # caf\xe9".decode("utf-8", "surrogateescape")).name == "a"


TEXT = """name: "n"
layer {
  name: "a"  type: "Input"
  top: "x" top: "y"
  input_param { shape { dim: [1,
    2] } }
}
layer { name: "b" }
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("name",), 1, 1),
        (("layer", 0), 2, 1),
        (("layer", 0, "type"), 3, 14),
        (("layer", 0, "top", 1), 4, 12),
        (("layer", 0, "input_param", "shape", 0, "dim", 1), 6, 5),
        (("layer", 0, "input_param", "shape", "dim"), 5, 31),
        (("layer", 1, "name"), 8, 9),
        (("layer", 0, "bottom", 0), 2, 1),  # not there: the nearest thing around it
        (("layer", 0, "top", 7), 2, 1),
        (("layer", 1, "pooling_param", "pad"), 8, 1),
        (("layer", 5, "name"), 1, 1),
    ],
)
def test_places(path, line, column):
    assert parse(TEXT, NetParameter, "n").place(*path) == Place("n", line, column)


def test_columns_are_those_of_an_editor():
    document = parse('name: "ä€😀" state { }\r\n\tdebug_info: true', NetParameter, "n")
    assert document.place("state") == Place("n", 1, 13)
    assert document.place("debug_info") == Place("n", 2, 2)


def test_part_keeps_places():
    document = parse('net: "x"\ntest_net_param { name: "a" }\ntest_net_param { name: "b" }', SolverParameter, "s")
    part = document.part("test_net_param", 1)
    assert part.message.name == "b"
    assert part.place("name") == Place("s", 3, 18)


def test_merge_replaces_scalars_and_lists_and_merges_messages():
    document = read_solver_text("base_lr: 0.1\nmax_iter: 5\ntest_iter: 1 test_iter: 2\ntrain_state { level: 1 }")
    merge(document, "max_iter: 7 test_iter: 3 train_state { stage: 'a' } stepvalue: []")
    message = document.message
    assert (message.base_lr, message.max_iter, list(message.test_iter)) == (pytest.approx(0.1), 7, [3])
    assert (message.train_state.level, list(message.train_state.stage)) == (1, ["a"])
    assert document.place("max_iter") == Place("--set", 1, 1)
    assert document.place("test_iter", 0) == Place("--set", 1, 13)
    assert document.place("base_lr") == Place("<text>", 1, 1)
    assert document.place("train_state", "level") == Place("<text>", 4, 15)
    assert document.place("train_state", "stage") == Place("--set", 1, 40)


def test_merge_takes_an_empty_list_as_none():
    document = read_solver_text("test_iter: 1 test_iter: 2")
    merge(document, "test_iter: []")
    assert len(document.message.test_iter) == 0


def test_merge_upgrades_what_it_is_given():
    document = read_solver_text("solver_type: ADAM")
    merge(document, "solver_type: SGD")
    assert document.message.type == "SGD"
    assert not document.message.HasField("solver_type")


def test_merge_complains_with_its_own_places_and_changes_nothing():
    document = read_solver_text("max_iter: 5")
    with pytest.raises(SpecError) as error:
        merge(document, "max_iter: 6 maxiter: 7 base_lr: x")
    assert str(error.value).splitlines() == [
        "--set:1:13: unknown field 'maxiter' in a solver; did you mean 'max_iter'?",
        "--set:1:33: base_lr wants a number, not 'x'",
    ]
    assert document.message.max_iter == 5


def test_merge_into_a_net_replaces_its_layers():
    document = read_net_text('name: "a" layer { name: "x" } layer { name: "y" }')
    merge(document, 'layer { name: "z" }')
    assert [layer.name for layer in document.message.layer] == ["z"]
    assert document.message.name == "a"


def test_text_is_as_caffe_prints_it():
    message = net(
        'name: "a\\"b\\\\\\n\\tü" force_backward: true layer { name: "l" loss_weight: 0.1 loss_weight: 1 '
        "loss_weight: 1e-5 loss_weight: 1e10 loss_weight: nan loss_weight: -inf pooling_param { pool: AVE } }"
    )
    assert to_text(message) == (
        'name: "a\\"b\\\\\\n\\tü"\nforce_backward: true\nlayer {\n  name: "l"\n  loss_weight: 0.1\n  loss_weight: 1\n'
        "  loss_weight: 1e-05\n  loss_weight: 1e+10\n  loss_weight: nan\n  loss_weight: -inf\n"
        "  pooling_param {\n    pool: AVE\n  }\n}\n"
    )


@given(st.floats(width=32, allow_nan=False))
def test_floats_are_short_and_exact(value):
    word = shortest(value)
    assert struct.pack("f", float(word)) == struct.pack("f", value)
    assert len(word) <= len(f"{value:.9g}")


@given(st.floats(allow_nan=False))
def test_doubles_are_exact(value):
    assert float(shortest(value, single=False)) == value


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_string_survives(text):
    message = LayerParameter(name=text)
    assert parse(to_text(message), LayerParameter).message == message


def test_reading_is_linear_in_the_size_of_the_text():
    """Counted in Python's calls, which depend on no clock."""
    layer = 'layer { name: "a" type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 } }\n'

    def calls(count: int) -> int:
        made = 0

        def count_call(*_: object) -> None:
            nonlocal made
            made += 1

        sys.setprofile(count_call)
        try:
            net(layer * count)
        finally:
            sys.setprofile(None)
        return made

    calls(1)  # what is loaded at first use
    assert calls(800) < 8.5 * calls(100)
