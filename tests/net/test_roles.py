"""What a net's blobs are for, told from the whole of it: whatever the order of bottoms, the losses, or none at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from deepcae.net.flow import Flow
from deepcae.net.graph import build_graph
from deepcae.net.plan import Plan, make_plan
from deepcae.net.roles import CLASSES, PAIRS, Roles, roles_of
from deepcae.net.summary import summarize
from deepcae.proto.read import read_net_text
from deepcae.zoo import build, names


def layer(kind: str, bottoms: str, tops: str, body: str = "", name: str = "") -> str:
    fields = [f'bottom: "{each}"' for each in bottoms.split()] + [f'top: "{each}"' for each in tops.split()]
    return f'layer {{ name: "{name or tops.split()[0]}" type: "{kind}" {" ".join(fields)} {body} }}\n'


def fed(blob: str, *dims: int) -> str:
    return layer("Input", "", blob, f"input_param {{ shape {{ {' '.join(f'dim: {d}' for d in (4, *dims))} }} }}")


def dense(bottom: str, top: str, size: int) -> str:
    return layer("InnerProduct", bottom, top, f"inner_product_param {{ num_output: {size} }}")


def chain(*pairs: tuple[str, int], bottom: str = "pic") -> str:
    text = ""
    for top, size in pairs:
        text, bottom = text + dense(bottom, top, size), top
    return text


def noise(*dims: int) -> str:
    sizes = " ".join(f"dim: {d}" for d in (4, *dims))
    return layer(
        "DummyData", "", "noise", f'dummy_data_param {{ shape {{ {sizes} }} data_filler {{ type: "gaussian" }} }}'
    )


def planned(text: str) -> Plan:
    return make_plan(build_graph(read_net_text(text, "net.prototxt"), "TRAIN"))


def told(text: str) -> Roles:
    return roles_of(planned(text))


PIC, AE = fed("pic", 1, 6, 6), chain(("wide", 20), ("few", 3), ("grow", 20), ("many", 36))
FLAT = layer("Flatten", "pic", "flat")
SQUARE = layer("Reshape", "many", "again", "reshape_param { shape { dim: 0 dim: 1 dim: 6 dim: 6 } }")
SCALED = layer("Power", "pic", "half", "power_param { scale: 0.5 shift: 0.1 }")
SIGMOID = layer("Sigmoid", "many", "rest")
KINDS = fed("kind", 1)


def both(text: str, kind: str, made: str, target: str, body: str = "") -> list[str]:
    return [text + layer(kind, pair, "loss", body) for pair in (f"{made} {target}", f"{target} {made}")]


@pytest.mark.parametrize(
    ("texts", "restored"),
    [
        (both(PIC + AE, "EuclideanLoss", "many", "pic"), "many"),
        (both(PIC + AE + SQUARE, "EuclideanLoss", "again", "pic"), "again"),
        (both(PIC + FLAT + AE, "EuclideanLoss", "many", "flat"), "many"),
        (both(PIC + SCALED + AE, "EuclideanLoss", "many", "half"), "many"),
        (both(PIC + AE, "EuclideanLoss", "many", "pic", "loss_weight: 0"), "many"),
        (both(PIC + AE + SIGMOID, "EuclideanLoss", "rest", "pic"), "rest"),
        (both(PIC + AE + layer("Sigmoid", "many", "many", name="s"), "EuclideanLoss", "many", "pic"), "many"),
        (
            both(
                PIC + layer("Dropout", "pic", "holes") + AE.replace('"pic"', '"holes"'), "EuclideanLoss", "many", "pic"
            ),
            "many",
        ),
        (both(PIC + layer("MVN", "pic", "norm") + AE, "EuclideanLoss", "many", "norm"), "many"),
    ],
    ids=[
        "plain",
        "reshaped output",
        "flat input",
        "scaled input",
        "weight 0",
        "sigmoid",
        "in place",
        "dropout",
        "norm",
    ],
)
def test_a_symmetric_loss_may_have_its_bottoms_in_either_order(texts: Sequence[str], restored: str) -> None:
    for text in texts:
        roles = told(text)
        assert (roles.images, roles.code, roles.restored, roles.logits) == ("pic", "few", restored, None)
        summary = summarize(planned(text))
        assert [name for name, _ in summary.hidden] == ["wide", "few", "grow"]
        assert summary.symmetric


def test_a_cross_entropy_restores_the_sigmoid_of_its_logits() -> None:
    loss = layer("SigmoidCrossEntropyLoss", "many pic", "loss")
    roles = told(PIC + AE + loss + SIGMOID)
    assert (roles.restored, roles.logits, roles.code) == ("rest", "many", "few")
    without = told(PIC + AE + loss)
    assert (without.restored, without.logits, without.code) == (None, "many", "few")
    for pair in ("rest pic", "pic rest"):
        text = PIC + AE + SIGMOID + layer("EuclideanLoss", pair, "l2") + loss
        assert told(text).restored == "rest"


@pytest.mark.parametrize("pair", ["inner wide", "wide inner"])
@pytest.mark.parametrize("outer", ["many pic", "pic many"])
def test_the_comparison_with_the_image_goes_before_inner_ones(pair: str, outer: str) -> None:
    """A ladder network's losses stand where its layers do."""
    text = PIC + chain(("wide", 20), ("few", 3), ("inner", 20)) + layer("EuclideanLoss", pair, "inner_loss")
    text += dense("inner", "many", 36) + layer("EuclideanLoss", outer, "loss")
    roles = told(text)
    assert (roles.restored, roles.code, roles.images) == ("many", "few", "pic")


@pytest.mark.parametrize("pair", ["early pic", "pic early"])
def test_of_two_restored_images_the_deeper_one_counts(pair: str) -> None:
    text = PIC + AE + dense("wide", "early", 36) + layer("EuclideanLoss", pair, "first")
    roles = told(text + layer("EuclideanLoss", "many pic", "last"))
    assert (roles.restored, roles.code) == ("many", "few")


@pytest.mark.parametrize("pair", ["back one", "one back"])
def test_a_stage_restores_an_inner_blob(pair: str) -> None:
    text = PIC + chain(("one", 20), ("two", 5), ("back", 20)) + layer("EuclideanLoss", pair, "loss")
    roles = told(text)
    assert (roles.images, roles.restored, roles.code) == ("pic", "back", "two")


@pytest.mark.parametrize("order", ["noisy clean", "clean noisy"])
@pytest.mark.parametrize("pair", ["many clean", "clean many"])
def test_the_clean_image_may_be_a_second_input(order: str, pair: str) -> None:
    inputs = "".join(fed(name, 36) for name in order.split())
    text = inputs + KINDS + AE.replace('"pic"', '"noisy"') + layer("EuclideanLoss", pair, "loss")
    roles = told(text)
    assert (roles.images, roles.restored, roles.code, roles.labels) == ("noisy", "many", "few", "kind")


@pytest.mark.parametrize("pair", ["many pic", "pic many"])
def test_noise_is_no_image_and_no_label(pair: str) -> None:
    text = noise(1, 6, 6) + PIC + layer("Eltwise", "pic noise", "noisy") + AE.replace('"pic"', '"noisy"')
    roles = told(text + layer("EuclideanLoss", pair, "loss"))
    assert (roles.images, roles.restored, roles.code, roles.labels) == ("pic", "many", "few", None)


@pytest.mark.parametrize("pair", ["many pic", "pic many"])
def test_a_branch_of_classes_is_no_code(pair: str) -> None:
    """Two neurons of a branch are narrower than the code, a label is no image, whichever loss stands first."""
    branch = dense("few", "scores", 2) + layer("SoftmaxWithLoss", "scores kind", "classes")
    beside = dense("kind", "hint", 2) + layer("Concat", "few hint", "joined") + dense("joined", "many", 36)
    text = PIC + KINDS + chain(("wide", 20), ("few", 3)) + branch + beside + layer("EuclideanLoss", pair, "loss")
    roles = told(text)
    assert (roles.images, roles.labels, roles.code, roles.restored) == ("pic", "kind", "few", "many")


def test_a_narrow_side_way_is_no_code() -> None:
    """Squeeze and excitation: two neurons that only weigh the maps."""
    gate = dense("wide", "squeeze", 2) + dense("squeeze", "excite", 20)
    text = (
        PIC
        + dense("pic", "wide", 20)
        + gate
        + layer("Eltwise", "wide excite", "weighed", "eltwise_param { operation: PROD }")
    )
    text += chain(("few", 5), ("many", 36), bottom="weighed") + layer("EuclideanLoss", "pic many", "loss")
    assert told(text).code == "few"


def test_a_variational_code_is_its_mean() -> None:
    sample = layer("Exp", "spread", "sigma") + layer(
        "Eltwise", "sigma noise", "drawn", "eltwise_param { operation: PROD }"
    )
    text = PIC + noise(3) + dense("pic", "wide", 20) + dense("wide", "mean", 3) + dense("wide", "spread", 3) + sample
    text += layer("Eltwise", "mean drawn", "z") + chain(("grow", 20), ("many", 36), bottom="z")
    roles = told(text + layer("EuclideanLoss", "pic many", "loss"))
    assert (roles.code, roles.restored) == ("mean", "many")


def test_a_code_of_two_parts_is_both() -> None:
    text = PIC + dense("pic", "wide", 20) + dense("wide", "a", 2) + dense("wide", "b", 2) + layer("Concat", "a b", "ab")
    text += chain(("many", 36), bottom="ab") + layer("EuclideanLoss", "pic many", "loss")
    assert told(text).code == "ab"


@pytest.mark.parametrize("pair", ["many pic", "pic many"])
def test_a_difference_that_only_a_loss_reads_compares(pair: str) -> None:
    text = (
        PIC + FLAT + AE + layer("Eltwise", pair.replace("pic", "flat"), "gap", "eltwise_param { coeff: 1 coeff: -1 }")
    )
    roles = told(text + layer("Reduction", "gap", "l1", "loss_weight: 1 reduction_param { operation: ASUM }"))
    assert (roles.restored, roles.code) == ("many", "few")


def test_noise_that_is_subtracted_is_not_restored() -> None:
    text = fed("noisy", 36) + fed("clean", 36) + AE.replace('"pic"', '"noisy"')
    text += layer("Eltwise", "noisy many", "better", "eltwise_param { coeff: 1 coeff: -1 }")
    assert told(text + layer("EuclideanLoss", "clean better", "loss")).restored == "better"


@pytest.mark.parametrize("tail", ["", SQUARE, SIGMOID, layer("Sigmoid", "many", "many", name="s")])
def test_a_deployed_auto_encoder_has_the_same_roles(tail: str) -> None:
    roles = told(PIC + AE + tail)
    given = {"": "many", SQUARE: "again", SIGMOID: "rest"}.get(tail, "many")
    assert (roles.images, roles.code, roles.restored, roles.ends) == ("pic", "few", given, (given,))


def test_a_deployed_encoder_gives_features_and_a_decoder_is_fed_with_codes() -> None:
    encoder = told(PIC + chain(("wide", 20), ("few", 3)))
    assert (encoder.code, encoder.features, encoder.restored) == (None, "few", None)
    decoder = told(fed("few", 3) + chain(("grow", 20), ("many", 36), bottom="few"))
    assert (decoder.images, decoder.code, decoder.restored) == ("few", "few", "many")


@pytest.mark.parametrize("pair", ["scores kind", "kind scores"])
def test_a_classifier_has_features_with_its_loss_and_without(pair: str) -> None:
    body = chain(("wide", 20), ("scores", 10))
    trained = told(PIC + KINDS + body + layer("SoftmaxWithLoss", "scores kind", "loss"))
    deployed = told(PIC + body + layer("Softmax", "scores", "prob"))
    tested = told(PIC + KINDS + body + layer("Accuracy", "scores kind", "right"))
    for roles in (trained, deployed, tested):
        assert (roles.code, roles.features, roles.restored) == (None, "scores", None)
    distance = told(PIC + fed("kind", 10) + body + layer("EuclideanLoss", pair, "loss"))
    assert (distance.features, distance.restored, distance.labels) == ("scores", None, "kind")


def test_twins_restore_nothing() -> None:
    twins = (
        fed("a", 36)
        + fed("b", 36)
        + chain(("wa", 20), ("fa", 3), bottom="a")
        + chain(("wb", 20), ("fb", 3), bottom="b")
    )
    roles = told(twins + layer("EuclideanLoss", "fa fb", "loss"))
    assert (roles.code, roles.features, roles.restored) == (None, "fa", None)


@pytest.mark.parametrize("pair", ["one two", "two one"])
def test_the_features_are_those_of_the_image_and_not_of_another_view(pair: str) -> None:
    roles = told(
        PIC
        + fed("view", 1, 6, 6)
        + dense("pic", "one", 3)
        + dense("view", "two", 3)
        + layer("EuclideanLoss", pair, "loss")
    )
    assert (roles.images, roles.features) == ("pic", "one")


def test_what_a_person_names_goes_before_what_is_told() -> None:
    plan = planned(PIC + AE + layer("EuclideanLoss", "many pic", "loss"))
    assert roles_of(plan, code="wide").code == "wide"
    assert roles_of(plan, restored="grow").restored == "grow"
    assert roles_of(plan, restored="grow").code == "few"
    assert roles_of(plan, images="wide").images == "wide"


@pytest.mark.parametrize("pair", ["up data", "data up"])
def test_which_kernel_fits_is_told_in_either_order(pair: str) -> None:
    conv = "convolution_param { num_output: 1 kernel_size: 3 stride: 2 }"
    text = (
        fed("data", 1, 8, 8) + layer("Convolution", "data", "down", conv) + layer("Deconvolution", "down", "up", conv)
    )
    graph = build_graph(read_net_text(text + layer("EuclideanLoss", pair, "loss"), "net.prototxt"), "TRAIN")
    with pytest.raises(Exception, match=r"'up' is 1x7x7, but 'data'.*kernel_size 4 in layer 'up' \(now 3\) would fit"):
        make_plan(graph)


class Parts(NamedTuple):
    """The roles of a network of the zoo, with 2 code neurons."""

    images: str
    labels: str | None
    code: str | None  # or features
    restored: str | None
    logits: str | None


CAE = Parts("data", None, "ip2encode", "deconv1neursig", "deconv1neur")
CLASSIC = Parts("data", None, "encode4", "decode1neuron", "decode1")
OTHERS = {
    "best": Parts("data", None, "ip3encode", "deconv1neursig", None),
    "siamese": Parts("pair_data", "sim", "feat", None, None),
    "cae2-classifier": Parts("data", "label", "classify", None, None),
    "cae2-classifier-frozen": Parts("data", "label", "classify", None, None),
    "cae2-stage1": Parts("data", None, "undo1", "undo1sig", "undo1"),
    "cae2-stage2": Parts("data", None, "conv2", "undo2sig", "undo2"),
    "cae2-stage3": Parts("data", None, "ip2encode", "undo3sig", "undo3"),
}


@pytest.mark.parametrize("known", [True, False], ids=["with data", "without data"])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("name", names())
def test_every_network_of_the_zoo(name: str, phase: str, known: bool) -> None:
    shapes = {"data": (4, 1, 28, 28), "label": (4,), "pair_data": (4, 2, 28, 28), "sim": (4,)}
    document = read_net_text(build(name, 2, "none/train.txt", "none/test.txt", batch=4).net_text)

    def of_file(param: object, *_: object) -> list[tuple[int, ...]] | None:
        return [shapes[top] for top in param.top] if known else None  # type: ignore[attr-defined]

    roles = roles_of(make_plan(build_graph(document, phase), of_file))
    found = Parts(roles.images or "", roles.labels, roles.code or roles.features, roles.restored, roles.logits)
    wanted = OTHERS.get(name, CLASSIC if name.startswith("classic") else CAE)
    if not known and name == "cae2-stage2":
        wanted = wanted._replace(code="undo2")  # of no blob is the size known
    assert found == wanted
    assert roles.labels_are == {None: "", "label": CLASSES, "sim": PAIRS}[wanted.labels]


@pytest.mark.parametrize(
    ("reader", "name", "meaning"),
    [
        ("SoftmaxWithLoss", "kind", CLASSES),
        ("Accuracy", "kind", CLASSES),
        ("EuclideanLoss", "kind", ""),  # what is learned to be foretold is no class
        ("EuclideanLoss", "my_labels", CLASSES),
        ("Silence", "speed", ""),
        ("Silence", "label", CLASSES),
    ],
)
def test_who_reads_the_labels_says_what_they_are(reader: str, name: str, meaning: str) -> None:
    judge = layer("Silence", name, "", name="quiet") if reader == "Silence" else layer(reader, f"one {name}", "out")
    size = 1 if reader == "EuclideanLoss" else 5
    roles = told(fed("data", 1, 8, 8) + fed(name, *[1] * (size == 1)) + dense("data", "one", size) + judge)
    assert (roles.labels, roles.labels_are) == (name, meaning)


def test_pairs_are_told_by_their_loss_whatever_they_are_called() -> None:
    branches = dense("data", "one", 2) + dense("data", "two", 2)
    roles = told(fed("data", 2, 8, 8) + fed("label") + branches + layer("ContrastiveLoss", "one two label", "loss"))
    assert (roles.labels, roles.labels_are) == ("label", PAIRS)


def test_losses_on_one_branch_are_told_apart() -> None:
    plan = planned(PIC + AE + layer("EuclideanLoss", "pic many", "loss"))
    assert Flow(plan.steps).told_apart(plan.steps[-1]) == ("many", plan.steps[-1].bottoms[0])


def test_blobs_with_a_value_for_each_class_are_found() -> None:
    judged = told(PIC + KINDS + dense("pic", "fc", 5) + layer("SoftmaxWithLoss", "fc kind", "loss"))
    assert judged.scores == ("fc",)
    deployed = told(PIC + dense("pic", "fc", 5) + layer("Softmax", "fc", "prob"))
    assert deployed.scores == ("fc", "prob")
    assert told(PIC + AE).scores == ()
