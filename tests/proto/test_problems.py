"""What a wrong text is told: the exact sentences, each at its place, all at once."""

from __future__ import annotations

import json
import re

import pytest

from deepcae.errors import SpecError
from deepcae.proto import read_net_text, read_solver_text
from deepcae.proto.tokens import MAX_BYTES, MAX_TOKENS
from reference import reference_dir

LAYERS = ", ".join(
    ("name", "type", "bottom", "top", "phase", "loss_weight", "param", "blobs", "propagate_down", "include")
)
CASES = {
    # schema
    "layer { relu_param { slope: 1 } }": ["1:22: unknown field 'slope' in relu_param; did you mean 'negative_slope'?"],
    "layer { convolution_param { kernel_sise: 3 } }": [
        "1:29: unknown field 'kernel_sise' in convolution_param; did you mean 'kernel_size'?"
    ],
    "layer { zzz: 1 }": [f"1:9: unknown field 'zzz' in layer; allowed: {LAYERS}, ..."],
    'bottom: "x"': ["1:1: unknown field 'bottom' in a network; it is a field of a layer"],
    "base_lr: 1": ["1:1: unknown field 'base_lr' in a network; it is a field of a solver"],
    "layer { lr_mult: 1 }": ["1:9: unknown field 'lr_mult' in layer; it is a field of param"],
    "layer { inner_product_param { kernel_size: 1 } }": [
        "1:31: unknown field 'kernel_size' in inner_product_param; "
        "it is a field of convolution_param, pooling_param, unpooling_param"
    ],
    "layer { blobs_lr: 1 }": [
        "1:9: unknown field 'blobs_lr' in layer: it is of the old 'layers' syntax; today param { lr_mult: ... }"
    ],
    "layer { type: SOFTMAX_LOSS }": [
        '1:15: type wants a string in quotes: SOFTMAX_LOSS is the old word for "SoftmaxWithLoss"'
    ],
    "layer { type: Softmax }": ['1:15: type wants a string in quotes: write "Softmax"'],
    "layers { type: CONV }": ["1:16: type has no value 'CONV'; did you mean CONVOLUTION?"],
    'layers { type: "InnerProduct" }': ['1:16: type has no value "InnerProduct"; did you mean INNER_PRODUCT?'],
    "layer { pooling_param { pool: AVG } }": [
        "1:31: pool has no value 'AVG'; allowed: MAX, AVE, STOCHASTIC; did you mean AVE?"
    ],
    'layer { pooling_param { pool: "MAX" } }': ["1:31: pool wants MAX without quotes"],
    "layer { phase: 7 }": ["1:16: phase has no value '7'; allowed: TRAIN, TEST"],
    "layer { clip_param { max: 1 } }": ["1:20: clip_param lacks min, which must be given"],
    "layer { clip_param { } }": ["1:20: clip_param lacks min and max, which must be given"],
    'name: "a"\nname: "b"': ["2:1: name is given twice (first on line 1)"],
    'name: ["a"]': ["1:1: name takes one value, not a list"],
    "layer: 3": ["1:8: layer wants a block: layer { ... }, not '3'"],
    "name { }": ["1:6: name wants a value, not a block in braces"],
    "layer { }\nlayer { }\nlayers { }": [
        "3:1: 'layers' among 'layer': a file holds either today's 'layer' or the old 'layers'"
    ],
    "layer { }\nlayers { }\nlayers { }": [
        "1:1: 'layer' among 'layers': a file holds either today's 'layer' or the old 'layers'"
    ],
    # values
    "layer { convolution_param { num_output: -1 } }": [
        "1:41: num_output wants a whole number from 0 to 4294967295, not '-1'"
    ],
    "input_dim: 2147483648": ["1:12: input_dim wants a whole number from -2147483648 to 2147483647, not '2147483648'"],
    "input_dim: 1.5": ["1:12: input_dim wants a whole number, not '1.5'"],
    "input_dim: 08": ["1:12: input_dim wants a whole number, not '08' (digits after a leading 0 are octal)"],
    'input_dim: "3"': ['1:12: input_dim wants a whole number without quotes, not "3"'],
    "layer { loss_weight: 1e40 }": ["1:22: loss_weight: 1e40 is too great for a 32-bit number"],
    "layer { loss_weight: 1,5 }": ["1:24: a field's name was expected, not '5'"],
    "layer { loss_weight: 3.4028235e38 loss_weight: 3.4028236e38 }": [
        "1:48: loss_weight: 3.4028236e38 is too great for a 32-bit number"
    ],
    "force_backward: yes": ["1:17: force_backward wants true or false, not 'yes'"],
    r'name: "C:\data"': [r"1:7: name: unknown escape '\d' in a string (write \\ for a backslash)"],
    r'name: "\377"': ["1:7: name: the string is not UTF-8 text"],
    r'name: "\000"': ["1:7: name: a string cannot hold the character 0"],
    'name: "\udce9"': ["1:7: name: the string is not UTF-8 text"],
    # marks
    'name "x"': ["1:1: ':' is missing after 'name'"],
    "layer {\n  pooling_param { stride: pad: 1 }\n}": ["2:19: field 'stride' has no value"],
    "name:": ["1:1: field 'name' has no value"],
    'name: "x\ninput: "y"': ['1:7: the string is not closed: no " on the rest of this line'],
    "input_dim: [1, 2": ["1:12: '[' is never closed: expected values with ',' between them, then ']'"],
    'input: ["a",]': ["1:12: a value was expected after ','"],
    "}": ["1:1: '}' closes nothing"],
    "layer {\n  name: 'a' }\n  top: 'b'\n}": [
        "3:3: unknown field 'top' in a network; it is a field of a layer",
        "4:1: '}' closes nothing",
    ],
    "layer { >": ["1:9: '>' cannot close the '{' of line 1"],
    "layer {": ["1:7: the '{' of layer is never closed"],
    "layer {\n  name: 'a'\n\nlayer { nam: 'b' }": [
        "1:7: the '{' of layer is never closed; a '}' seems to be missing before line 4",
        "4:9: unknown field 'nam' in layer; did you mean 'name'?",
    ],
    "layer {\n  relu_param {\n    engine: CPU\n}\nlayer { }": [
        "2:14: the '{' of relu_param is never closed; a '}' seems to be missing before line 4",
        "3:13: engine has no value 'CPU'; allowed: DEFAULT, CAFFE, CUDNN",
    ],
    "layer {\nname: 3\nlayer {\nname: 'a'\n}": [
        "1:7: the '{' of layer is never closed",
        '2:7: name wants a string in quotes: write "3"',
    ],
    "name: 'a' @ state { }": ["1:11: unexpected character '@'"],
    "name: 'a'\0\0": ["1:10: unexpected character U+0000 (a control character)"],
    "\udcff\udcfe": ["1:1: byte 0xff is not UTF-8 text"],
    "{ name: 'a' }": ["1:1: a field's name was expected, not '{'"],
}


@pytest.mark.parametrize("text", CASES)
def test_one_mistake(text):
    with pytest.raises(SpecError) as error:
        read_net_text(text, "n")
    got = [line.removeprefix("n:") for line in str(error.value).splitlines()]
    assert got == CASES[text]


def test_all_mistakes_of_a_text_at_once_in_its_order():
    text = """name: "x
layer {
  name: "a" type: Convolution
  bottom 3
  include: { phase: TRAINN }
  convolution_param { num_output: -1 kernel_size 3 kernel_sze: 4 num_output: 5
    weight_filler { type: "gaussian" std: abc }
  }
}
layers { }
conv_param { }
"""
    with pytest.raises(SpecError) as error:
        read_net_text(text, "n")
    places = [(problem.place.line, problem.place.column) for problem in error.value.problems]
    assert places == [
        (1, 7), (3, 19), (4, 3), (4, 10), (5, 21), (6, 35), (6, 38), (6, 52), (6, 66), (7, 43), (10, 1), (11, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("a{" * 100_000, "n:1:128: blocks are nested more than 64 deep"),
        ("x" * (MAX_BYTES + 1), "n: the text is longer than 8 MiB"),
        ("a " * (MAX_TOKENS + 1), f"n:1:{2 * MAX_TOKENS + 1}: the text has more than 750,000 words"),
        ("}\n" * 300, "n: and 200 more problems"),
    ],
)
def test_bounds(text, end):
    with pytest.raises(SpecError) as error:
        read_net_text(text, "n")
    assert str(error.value).splitlines()[-1] == end


FATAL = reference_dir("fatal.json")
TEXT_LEVEL = {"unknown_field": (12, 16), "field_twice": (12, 34), "layer_and_layers": None}


@pytest.mark.skipif(not FATAL.is_file(), reason="Caffe's reference cases are not here")
@pytest.mark.parametrize("name", TEXT_LEVEL)
def test_texts_that_caffe_refuses_are_refused(name):
    case = next(case for case in json.loads(FATAL.read_text())["cases"] if case["name"] == name)
    with pytest.raises(SpecError) as error:
        read_net_text(case["net"], "net.prototxt")
    place = error.value.problems[0].place
    assert TEXT_LEVEL[name] in (None, (place.line, place.column))


@pytest.mark.skipif(not FATAL.is_file(), reason="Caffe's reference cases are not here")
def test_texts_that_caffe_refuses_later_are_read():
    cases = [case for case in json.loads(FATAL.read_text())["cases"] if case["name"] not in TEXT_LEVEL]
    assert cases
    for case in cases:
        assert len(read_net_text(case["net"]).message.layer) == case["net"].count("layer {")
        solver = case.get("solver", "")
        read = {field.name for field, _ in read_solver_text(solver).message.ListFields()}
        assert read == set(re.findall(r"^(\w+):", solver, re.MULTILINE))
