"""Old syntaxes become today's: as Caffe's own upgrade makes them, with places in the author's text."""

from __future__ import annotations

import json

import pytest

from deepcae.errors import Place, SpecError
from deepcae.proto import parse, read_net, read_net_text, read_solver, read_solver_text, to_text
from deepcae.proto.schema import NetParameter
from reference import reference_dir

LEGACY = reference_dir("legacy")
INDEX = json.loads((LEGACY / "index.json").read_text())["cases"] if (LEGACY / "index.json").is_file() else []
OLD_TRAINING = sorted(reference_dir("unpooling", "training").glob("*/net.prototxt"))


@pytest.mark.parametrize("case", INDEX, ids=lambda case: case["name"])
def test_caffes_own_upgrades(case):
    read = read_net if case["kind"] == "net" else read_solver
    document = read(LEGACY / case["input"])
    expected = parse((LEGACY / case["output"]).read_text(), type(document.message)).message
    assert document.message == expected
    changed = case["messages"] and not case["messages"][0].startswith("File already")
    assert bool(document.notes) == bool(changed)
    again = parse(to_text(document.message), type(document.message))
    assert (read_net if case["kind"] == "net" else read_solver)(again).message == expected
    assert not again.notes


V1 = """name: "old"
input: "x"
input_dim: 1 input_dim: 2
input_dim: 3 input_dim: 4
layers { name: "c" type: CONVOLUTION bottom: "x" top: "c" blobs_lr: 1
  blobs_lr: 2 weight_decay: 3 param: "w" blob_share_mode: PERMISSIVE
  convolution_param { num_output: 5 kernel_size: 1 } }
layers { name: "d" type: UNPOOLING bottom: "c"
  top: "d" unpooling_param { unpool: TILE kernel_size: 2 unpool_size: 4 } }
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("layer", 0), 2, 1),
        (("layer", 0, "top", 0), 2, 1),
        (("layer", 0, "input_param"), 3, 1),
        (("layer", 0, "input_param", "shape", 0), 3, 1),
        (("layer", 1), 5, 1),
        (("layer", 1, "type"), 5, 20),
        (("layer", 1, "param", 0, "lr_mult"), 5, 59),
        (("layer", 1, "param", 1, "lr_mult"), 6, 3),
        (("layer", 1, "param", 0, "decay_mult"), 6, 15),
        (("layer", 1, "param", 0, "name"), 6, 31),
        (("layer", 1, "param", 0, "share_mode"), 6, 42),
        (("layer", 1, "convolution_param", "kernel_size", 0), 7, 37),
        (("layer", 2, "unpooling_param", "unpool"), 9, 30),
    ],
)
def test_places_after_an_upgrade_are_in_the_old_text(path, line, column):
    assert read_net_text(V1, "n").place(*path) == Place("n", line, column)


def test_the_forks_layers_have_names_of_today():
    message = read_net_text(
        "layers { type: UNPOOLING } layers { type: BN bn_param { bn_mode: INFERENCE } } layers { type: CROP } "
        "layers { type: ELTWISE_ACCURACY }"
    ).message
    assert [layer.type for layer in message.layer] == ["Unpooling", "BN", "Crop", "EltwiseAccuracy"]
    assert message.layer[1].bn_param.bn_mode == message.layer[1].bn_param.INFERENCE


def test_places_of_2013():
    document = read_net_text(
        'input: "x"\nlayers { layer { name: "c" type: "conv"\nkernelsize: 3 pad: 1 scale: 2 } bottom: "x" }', "n"
    )
    assert document.place("layer", 0, "name") == Place("n", 2, 18)
    assert document.place("layer", 0, "convolution_param", "kernel_size", 0) == Place("n", 3, 1)
    assert document.place("layer", 0, "convolution_param", "pad", 0) == Place("n", 3, 15)
    assert document.place("layer", 0, "transform_param", "scale") == Place("n", 3, 22)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('layers { layer { type: "pol" } }', "n:1:18: 'pol' is no layer type of 2013; did you mean 'pool'?"),
        (
            'input: "xx" layers { layer { type: "relu" } bottom: "x" }',
            "n:1:45: bottom 'x' is made by no earlier layer; did you mean 'xx'?",
        ),
        (
            'input: "x" layers { layer { type: "padding" pad: 1 } bottom: "x" top: "p" }\n'
            'layers { layer { type: "relu" } bottom: "p" }',
            "n:2:33: a padding layer can only go before one conv or pool layer",
        ),
        (
            'layers { layer { type: "relu" } }\nlayers { type: RELU }',
            "n:2:1: 'layers' without an inner 'layer' among the 2013 layers of this file: one syntax at a time",
        ),
        ('input: "x" input_dim: 3', "n:1:12: input_dim is wanted 4 times (inputs: 1), given 1 times"),
        (
            'input: "x" input: "y" input_shape { }',
            "n:1:23: input_shape is wanted 2 times (inputs: 2), given 1 times",
        ),
    ],
)
def test_old_texts_without_meaning(text, message):
    with pytest.raises(SpecError) as error:
        read_net_text(text, "n")
    assert str(error.value) == message


def test_settings_without_meaning_are_dropped_with_a_note():
    document = read_net_text('state { } layers { layer { type: "relu" pad: 1 } }', "n")
    assert [str(note) for note in document.notes] == [
        "n:1:11: the syntax is that of 2013; read as today's",
        "n:1:41: 'pad' has no meaning for a relu layer; dropped",
        "n:1:1: 'state' has no meaning in a 2013 file; dropped",
    ]


def test_both_syntaxes_in_a_message():
    with pytest.raises(SpecError, match="a network has one syntax"):
        read_net(NetParameter(layer=[{}], layers=[{}]))


def test_solver_type_beside_type():
    with pytest.raises(SpecError) as error:
        read_solver_text('type: "SGD"\nsolver_type: ADAM', "s")
    assert (
        str(error.value)
        == "s:2:1: solver_type and type are both given; solver_type is the old word for type: keep only type"
    )


def test_networks_inside_a_solver_are_upgraded():
    document = read_solver_text(
        'net_param { layers { type: RELU\nbottom: "x" } } test_net_param { layers { type: TANH } }', "s"
    )
    assert document.message.net_param.layer[0].type == "ReLU"
    assert document.message.test_net_param[0].layer[0].type == "TanH"
    assert document.place("net_param", "layer", 0, "bottom", 0) == Place("s", 2, 1)
    assert len(document.notes) == 2


def test_ignored_data_settings_are_noted():
    text = 'layer { type: "Data" data_param { scale: 2\ncrop_size: 3 } }'
    assert [str(note) for note in read_net_text(text, "n").notes] == [
        "n:1:35: 'scale' in data_param is ignored, as in Caffe; write it in transform_param",
        "n:2:1: 'crop_size' in data_param is ignored, as in Caffe; write it in transform_param",
    ]


def flow(text: str) -> list[tuple[str, list[str], list[str]]]:
    message = read_net_text(text).message
    return [(layer.type, list(layer.bottom), list(layer.top)) for layer in message.layer]


CODE = 'layers { name: "ip" type: INNER_PRODUCT bottom: "x" top: "code" } '


def test_a_code_that_feeds_a_deconvolution_becomes_an_image():
    text = CODE + (
        'layers { type: SIGMOID bottom: "code" top: "code" } layers { type: DROPOUT bottom: "code" top: "drop" }\n'
        'layers { name: "up" type: DECONVOLUTION bottom: "drop" top: "up" include { phase: TEST } }'
        'layers { type: INNER_PRODUCT bottom: "drop" top: "other" }'
    )
    document = read_net_text(text, "n")
    reshape = document.message.layer[3]
    assert list(reshape.reshape_param.shape.dim) == [0, 0, 1, 1]
    assert reshape.include == document.message.layer[4].include
    assert document.place("layer", 3) == document.place("layer", 4, "bottom", 0) == Place("n", 2, 41)
    assert flow(text)[3:] == [
        ("Reshape", ["drop"], ["drop_as_image"]),
        ("Deconvolution", ["drop_as_image"], ["up"]),
        ("InnerProduct", ["drop"], ["other"]),
    ]


def test_no_reshape_where_none_is_needed():
    image = (
        'layers { type: CONVOLUTION bottom: "x" top: "code" } layers { type: DECONVOLUTION bottom: "code" top: "y" }'
    )
    assert [layer[0] for layer in flow(CODE + image)] == ["InnerProduct", "Convolution", "Deconvolution"]
    today = 'layer { type: "InnerProduct" top: "a" } layer { type: "Deconvolution" bottom: "a" }'
    assert [layer[0] for layer in flow(today)] == ["InnerProduct", "Deconvolution"]


def test_names_of_reshapes_are_free():
    text = (
        CODE + 'layers { name: "code_as_image" type: POOLING bottom: "code" } layers { type: UNPOOLING bottom: "code" }'
    )
    assert [layer[2] for layer in flow(text) if layer[0] == "Reshape"] == [["code_as_image2"], ["code_as_image3"]]


@pytest.mark.parametrize("path", OLD_TRAINING, ids=lambda path: path.parent.name)
def test_the_forks_networks_get_their_reshape(path):
    document = read_net(path)
    names = [layer.name for layer in document.message.layer]
    assert names[names.index("code") + 1 :][:2] == ["code_as_image", "deconv1"]
