"""The texts of a designed network: beside a linear way that starts as PCA, without one, or as the paper has it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ..codes.principal import Principal
from . import branches, linear
from .cae import losses
from .design import NAME, Design
from .text import layer, net


def beside_pca(
    plan: Design, data: Sequence[str], num_images: int | None, found: Principal | None, kept: Sequence[str]
) -> str:
    """A linear way, and a network that learns what it lacks; `kept`: further layers of losses."""
    made, scale = _last(plan), found.left if found else 1.0
    code = _encoded(plan)
    header = f"""
Auto-encoder for {_what(plan)} of {plan.shape} with {plan.dims} code neurons: a linear way that starts as the training
images' PCA, and beside it a network that learns what PCA lacks.

{table(plan.facts(num_images))}

    code     = linear_encode(data) + {code}(... {"conv1" if plan.maps else "ip1encode"}(data))
    restored = linear_decode(code) + {made}(... ip1decode(code))

The last layers of both networks start at 0; all others are drawn so that each layer keeps the variance of what it is
given. The linear layers' weights are in start.caffemodel.
"""
    return net(NAME, header, [
        *data,
        linear.encoder(plan.dims),
        *linear.centred(1 / found.contrast if found else 1),
        *branches.encoder(plan, linear.NORMAL, code, branches.ZERO, 1.0 if kept else branches.SLOW),
        linear.joined("code", [linear.ENCODE, code], branches.CODE),
        *linear.decoder("code", plan.given),
        *branches.decoder(plan, "code", made, branches.ZERO),
        linear.joined("restored", [linear.restored(plan.given), made], "The restored image.", scale),
        *_measured(),
        *kept,
    ])  # fmt: skip


def alone(
    plan: Design, data: Sequence[str], num_images: int | None, found: Principal | None, kept: Sequence[str]
) -> str:
    """The same network without the linear way, in the same units."""
    made, contrast = _last(plan), found.contrast if found else 1.0
    header = f"""
Auto-encoder for {_what(plan)} of {plan.shape} with {plan.dims} code neurons, without a linear way beside it: all layers
learn.

{table(plan.facts(num_images))}

    code     = code(... {"conv1" if plan.maps else "ip1encode"}(data - mean))
    restored = mean + {made}(... ip1decode(code))

start.caffemodel has the images' mean; after a race, also what was learned in it.
"""
    return net(NAME, header, [
        *data,
        *linear.centred(1 / contrast),
        *branches.encoder(plan, linear.NORMAL, "code"),
        *branches.decoder(plan, "code", made),
        *linear.uncentred(made, "restored", contrast),
        *_measured(),
        *kept,
    ])  # fmt: skip


def papers(plan: Design, data: Sequence[str], num_images: int | None) -> str:
    """A sigmoid at the end, and the paper's two losses."""
    last = len(plan.maps)
    convs, deconvs = (
        "conv1 -> ... -> " * (last > 1) + f"conv{last}",
        f"deconv{last} -> " + "... -> deconv1 -> " * (last > 1),
    )
    header = f"""
Convolutional auto-encoder for images of {plan.shape} with {plan.dims} code neurons, after principles 1, 2 and 5 of
"Creation of a Deep Convolutional Auto-Encoder in Caffe" (arXiv:1512.01596).

{table(plan.facts(num_images))}

    encode: data -> {convs} -> ip1encode -> ip2encode (the code)
    decode: ip1decode -> {deconvs}deconv1neur -> deconv1neursig (the restored image)

Weights are drawn so that each layer keeps the variance of what it is given, however many layers there are.
"""
    return net(NAME, header, [
        *data,
        *branches.encoder(plan, "data", "ip2encode"),
        *branches.decoder(plan, "ip2encode", "deconv1neur"),
        layer("deconv1neursig", "Sigmoid", ["deconv1neur"], ["deconv1neursig"]),
        *losses(),
    ])  # fmt: skip


def table(facts: dict[str, str]) -> str:
    """Facts as a table of two columns."""
    indent = max(map(len, facts)) + 2
    wrapped = {name: textwrap.wrap(text, 100, break_long_words=False) for name, text in facts.items()}
    return "\n".join(f"{name:{indent}}" + f"\n{'':{indent}}".join(text) for name, text in wrapped.items())


def _measured() -> list[str]:
    note = "Half the squared distance per image: what is measured."
    return [layer("l2_error", "EuclideanLoss", ["restored", "data"], ["l2_error"], note=note)]


def _last(plan: Design) -> str:
    """The blob that the network makes of the code."""
    return "deconv1neur" if plan.maps else f"ip{len(plan.hidden) + 1}decode"


def _encoded(plan: Design) -> str:
    """The blob that the network's encoder ends with."""
    return f"ip{len(plan.hidden) + 1}encode"


def _what(plan: Design) -> str:
    return "images" if len(plan.given) == 3 else "rows"
