"""Old texts in today's syntax: comments stay at what they speak of, the meaning stays, twice is as once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.proto import read_net_text, read_solver_text
from deepcae.proto.rewrite import rewrite
from reference import reference_dir

OLD = """# My network

# its name
name: "old"  # a name
# images
input: "x" # one input
input_dim: 1 # batch
input_dim: 2
input_dim: 3
input_dim: 4
# first
layers { # opens
  name: "c" type: CONVOLUTION bottom: "x" top: "c" blobs_lr: 1 # of weights
  blobs_lr: 2 # of biases
  # settings
  convolution_param {
    num_output: 5 # five
    kernel_size: [1, # high
      2] # wide
    # settings end
  } # settings close
  # layer ends
} # layer closes
# the end
"""
NEW = """# My network

# its name
name: "old"  # a name
# images
layer {  # one input
  name: "input"
  type: "Input"
  top: "x"
  input_param {  # batch
    shape {
      dim: 1
      dim: 2
      dim: 3
      dim: 4
    }
  }
}
# first
layer {  # opens
  name: "c"
  type: "Convolution"
  bottom: "x"
  top: "c"
  param {  # of weights
    lr_mult: 1
  }
  param {  # of biases
    lr_mult: 2
  }
  # settings
  convolution_param {
    num_output: 5  # five
    kernel_size: 1  # high
    kernel_size: 2  # wide
    # settings end
  }  # settings close
  # layer ends
}  # layer closes
# the end
"""


def test_comments_go_with_their_fields():
    assert rewrite(OLD).text == NEW


def test_what_changed_is_told_once_for_each_kind_in_the_texts_order():
    text = "layers { type: RELU }\nlayers { type: TANH\nblobs_lr: 1 }"
    assert [str(change) for change in rewrite(text, "n").changes] == [
        "n:1:1: the syntax is that of 2014; read as today's",
        'n:1:10: the type is a name in quotes (`type: RELU` is `type: "ReLU"`) (also on line 2)',
        "n:3:1: `blobs_lr: X` is `param { lr_mult: X }`",
    ]


@pytest.mark.parametrize("text", [NEW, "# nothing\r\nbase_lr:.1;  # odd\r\n", 'layer{type:"ReLU"}#x', "\n\n"])
def test_a_text_of_today_stays_as_it_is(text):
    assert rewrite(text).text == text
    assert not rewrite(text).changes


def test_what_is_ignored_is_no_change():
    text = 'layer { type: "Data" data_param { scale: 2 } }  # half'
    found = rewrite(text)
    assert (found.text, found.changes, len(found.notes)) == (text, [], 1)


def test_the_comment_of_a_field_that_is_dropped_stays_at_its_layer():
    layer = 'layer { name: "r" type: "relu"\n  pad: 1 # of no use\n  # nor this\n stride: 2 }'
    text = f'input: "x" layers {{ bottom: "x" {layer} }}'
    lines = rewrite(text).text.splitlines()
    assert lines[lines.index("# of no use") : lines.index("layer {")] == ["# of no use", "# nor this"]


def test_the_reshape_of_the_papers_era_is_inserted_and_told():
    text = """layers { name: "ip" type: INNER_PRODUCT bottom: "x" top: "ip" inner_product_param { num_output: 3 } }
    layers { name: "d" type: DECONVOLUTION bottom: "ip" top: "d" convolution_param { num_output: 1 kernel_size: 2 } }"""
    found = rewrite(text, "n")
    layers = read_net_text(found.text).message.layer
    assert [layer.type for layer in layers] == ["InnerProduct", "Reshape", "Deconvolution"]
    assert list(layers[1].reshape_param.shape.dim) == [0, 0, 1, 1]
    sentence = "n:2:44: layer 'ip_as_image' (Reshape) inserted: 'd' needs 'ip' as 1x1 images"
    assert sentence in [str(change) for change in found.changes]


def test_a_solver_with_its_network():
    found = rewrite(
        "# fast\nsolver_type: ADAM # new\nnet_param { # inside\n layers { type: RELU } # r\n}\nbase_lr: 1", "s"
    )
    assert found.kind == "solver"
    assert "# inside\n" in found.text.replace("  # inside", "# inside")
    assert '# fast\ntype: "Adam"  # new\n' in found.text
    assert "}  # r\n" in found.text


_INDEX = reference_dir("legacy", "index.json")
_TEXTS = (
    [reference_dir("legacy", case["input"]) for case in json.loads(_INDEX.read_text())["cases"]]
    if _INDEX.is_file()
    else []
)
_TEXTS = [path.read_text() for path in _TEXTS] + [OLD]


@settings(max_examples=60)
@given(st.data())
def test_comments_change_no_meaning_and_none_is_lost(data):
    text = data.draw(st.sampled_from(_TEXTS))
    lines = [line.split("#")[0] if '"' not in line.partition("#")[2] else line for line in text.splitlines()]
    written = []
    for number, line in enumerate(lines):
        if data.draw(st.integers(0, 3)) == 0:
            written.append(f"# above {number};")
        end = f" # behind {number}; {data.draw(st.sampled_from(['', 'é', '{', '}', 'layer', chr(0xDC80)]))}"
        written.append(line + end if "#" not in line and data.draw(st.integers(0, 2)) == 0 else line)
    commented = "\n".join(written)
    found, bare = rewrite(commented), rewrite("\n".join(lines))
    read = read_net_text if found.kind == "net" else read_solver_text
    assert read(found.text).message == read(bare.text).message == read(text).message
    for mark in (f"# {where} {number};" for where in ("above", "behind") for number in range(len(lines))):
        assert found.text.count(mark) == commented.count(mark)
    again = rewrite(found.text)
    assert (again.text, again.changes) == (found.text, [])
