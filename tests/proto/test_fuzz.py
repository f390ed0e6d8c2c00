"""Any text is read or refused with places, never with a traceback; any message survives being written and read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.errors import SpecError
from deepcae.proto import kind_of, merge, parse, read_net_text, read_solver_text, to_text
from deepcae.proto.schema import LayerParameter, NetParameter, SolverParameter, is_repeated, message_class
from deepcae.proto.upgrade import upgrade_net

SEEDS = [
    'name: "n" input: "x" input_dim: [1, 2, 3, 4] layer { name: "a" type: "ReLU" bottom: "x" top: \'y\' }',
    'layer {\n  name: "c"\n  convolution_param < num_output: 0x2 kernel_size: [3, 3]; > include: { phase: TRAIN }\n}\n',
    'layers { layer { name: "c" type: "conv" kernelsize: 3 blobs_lr: 1. } bottom: "x" top: "c" }\ninput: "x"',
    'layers { name: "c" type: INNER_PRODUCT top: "c" }\nlayers { type: UNPOOLING bottom: "c" blobs_lr: 1 }',
    'net: "n" base_lr: 1e-3 test_iter: 1 solver_type: ADAM net_param { layers { type: RELU } } # end',
]
WORDS = st.sampled_from([
    "name", "layer", "layers", "input", "type", ":", "{", "}", "<", ">", "[", "]", ",", ";", '"',
    "'", "\\", "#", "\n",
    "1", "-1", ".5", "1e9", "0x", "08", "inf", "nan", "true", "TRAIN", "RELU", '"conv"', "\0", "é", "\udcff",
    "\\x", "\\?",
    "layer{",
    "convolution_param{", 'top:"a"', 'bottom:"a"', "99999999999999999999", "clip_param{", "input_dim:1", "\r\n",
])  # fmt: skip
mutations = st.tuples(st.integers(0, 200), st.integers(0, 30), WORDS)


def check(text: str) -> None:
    for read in (read_net_text, read_solver_text):
        try:
            document = read(text, "f")
        except SpecError as error:
            problems = error.problems
        else:
            problems = tuple(document.notes)
            assert document.place("layer", 0, "name").file == "f"
            assert parse(to_text(document.message), type(document.message)).message is not None
        for problem in problems:
            assert problem.place is not None
            assert str(problem).startswith("f:")
            assert "\n" not in str(problem)
            assert "\r" not in str(problem)
    assert kind_of(text) in ("net", "solver")


@settings(max_examples=200)
@given(seed=st.sampled_from(SEEDS), changes=st.lists(mutations, min_size=1, max_size=4))
def test_changed_texts(seed, changes):
    for position, length, word in changes:
        start = position % (len(seed) + 1)
        seed = seed[:start] + word + seed[start + length :]
    check(seed)


@settings(max_examples=150)
@given(st.lists(WORDS, max_size=30))
def test_words_in_any_order(words):
    check(" ".join(words))


@settings(max_examples=150)
@given(st.text(max_size=60))
def test_any_text(text):
    check(text)


@settings(max_examples=100)
@given(text=st.lists(WORDS, max_size=12).map(" ".join))
def test_overrides_change_all_or_nothing(text):
    document = read_solver_text("base_lr: 1 test_iter: [1, 2] train_state { level: 1 }")
    before = document.message.SerializeToString()
    try:
        merge(document, text)
    except SpecError:
        assert document.message.SerializeToString() == before


@pytest.mark.parametrize(
    "text", ["[" * 5000, "a{" * 5000, "a:<" * 50, "}" * 5000, ":" * 5000, '"' * 5001, "#" * 9, "a{}" * 5000]
)
def test_towers(text):
    check(text)


VALUES = {
    1: st.floats(allow_nan=False), 2: st.floats(allow_nan=False, width=32), 3: st.integers(-(2**63), 2**63 - 1),
    5: st.integers(-(2**31), 2**31 - 1), 8: st.booleans(),
    9: st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), 12: st.binary(max_size=8),
    13: st.integers(0, 2**32 - 1),
}  # fmt: skip


@st.composite
def messages(draw, kind, depth: int = 3):
    """Messages with a few random fields, required ones always."""
    message = kind()
    fields = message.DESCRIPTOR.fields
    chosen = draw(st.sets(st.sampled_from([field.name for field in fields]), max_size=4))
    for field in fields:
        if field.name not in chosen:
            continue
        for _ in range(draw(st.integers(1, 3)) if is_repeated(field) else 1):
            if field.message_type is not None:
                if depth:
                    value = draw(messages(message_class(field.message_type.name), depth - 1))
                    target = getattr(message, field.name)
                    target.append(value) if is_repeated(field) else target.CopyFrom(value)
                continue
            values = (
                st.sampled_from([v.number for v in field.enum_type.values]) if field.enum_type else VALUES[field.type]
            )
            value = draw(values)
            if is_repeated(field):
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    if message.DESCRIPTOR.name == "ClipParameter":
        message.min, message.max = 0, 1
    return message


@settings(max_examples=100)
@given(st.data())
def test_any_message_survives_its_text(data):
    kind = data.draw(st.sampled_from([NetParameter, SolverParameter, LayerParameter]))
    message = data.draw(messages(kind))
    if kind is NetParameter and message.layer:
        message.ClearField("layers")
    text = to_text(message)
    if "layers {" in text and "layer {" in text:  # a solver's inline networks may mix syntaxes, which no text may
        return
    read = parse(text, kind).message
    assert read.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)


@settings(max_examples=60)
@given(st.data())
def test_upgrading_twice_changes_nothing_more(data):
    message = data.draw(messages(NetParameter))
    if message.layer:
        message.ClearField("layers")
    try:
        document = upgrade_net(parse(to_text(message), NetParameter))
    except SpecError:
        return
    notes = list(document.notes)
    once = document.message.SerializeToString(deterministic=True)
    upgrade_net(document)
    assert document.message.SerializeToString(deterministic=True) == once
    assert document.notes == notes
