"""The texts of an auto-encoder that `zoo.design` has planned, named as the paper's CAE is."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .cae import losses
from .catalog import ZooModel
from .design import Design, Maps, Window, design
from .streams import Passes, named_from, passes, rows
from .text import block, layer, net, one_pixel_maps, require_count, train_and_test

NAME = "design"
DESCRIPTION = "a symmetric convolutional auto-encoder for images of any size (--input CxHxW), N code neurons"
UNKNOWN = 10  # batches of a test whose images nobody has counted


@dataclass(frozen=True)
class DesignedModel(ZooModel):
    """The texts, and the numbers behind them."""

    plan: Design
    num_images: int | None  # of the training set, if it could be counted


def build_design(
    image: tuple[int, int, int],
    dims: int,
    train_list: str | Path | None = None,
    test_list: str | Path | None = None,
    *,
    batch: int | None = None,
    width: float = 1.0,
    folder: str | Path | None = None,
) -> DesignedModel:
    """Texts of an auto-encoder for images of (channels, height, width) with `dims` code neurons.

    `width` scales the number of all maps. `train_list`, `test_list`: as in `build`; without them the texts name
    `train.txt` and `test.txt` in `folder`. SpecError where no such auto-encoder exists, DataError for lists that
    cannot be read.
    """
    plan = design(image, dims, width)
    batch = plan.batch if batch is None else batch
    require_count("batch", batch)
    home = Path(folder) if folder is not None else None
    lists = [
        str(given or (home or Path()) / f"{kind}.txt") for given, kind in ((train_list, "train"), (test_list, "test"))
    ]
    num_train, num_test = (rows(path, "data") for path in lists)
    test = Passes(batch, UNKNOWN) if num_test is None else passes(num_test, batch)
    names = [named_from(path, home) for path in lists]
    text = _net_text(plan, names[0], names[1], batch, test, num_train)
    return DesignedModel(NAME, dims, text, _solver_text(plan, test), plan, num_train)


def table(facts: dict[str, str]) -> str:
    """Facts as a table of two columns."""
    indent = max(map(len, facts)) + 2
    wrapped = {name: textwrap.wrap(text, 100, break_long_words=False) for name, text in facts.items()}
    return "\n".join(f"{name:{indent}}" + f"\n{'':{indent}}".join(text) for name, text in wrapped.items())


def _net_text(plan: Design, train_list: str, test_list: str, batch: int, test: Passes, num_images: int | None) -> str:
    last = len(plan.maps)
    convs, deconvs = (
        "conv1 -> ... -> " * (last > 1) + f"conv{last}",
        f"deconv{last} -> " + "... -> deconv1 -> " * (last > 1),
    )
    header = f"""
Convolutional auto-encoder for images of {plan.image} with {plan.dims} code neurons, after principles 1, 2 and 5 of
"Creation of a Deep Convolutional Auto-Encoder in Caffe" (arXiv:1512.01596).

{table(plan.facts(num_images))}

    encode: data -> {convs} -> ip1encode -> ip2encode (the code)
    decode: ip1decode -> {deconvs}deconv1neur -> deconv1neursig (the restored image)

Weights are drawn so that each layer keeps the variance of what it is given, however many layers there are.
"""
    return net(NAME, header, [
        *train_and_test(
            train_list, batch, test_list, test.batch, f"{_shape(plan.image)}, values in 0..1",
            sample=(plan.image.count, plan.image.height, plan.image.width),
        ),
        *_encoder(plan),
        *_decoder(plan),
        layer("deconv1neursig", "Sigmoid", ["deconv1neur"], ["deconv1neursig"]),
        *losses(),
    ])  # fmt: skip


def _encoder(plan: Design) -> Iterator[str]:
    bottom, before = "data", plan.image
    for number, maps in enumerate(plan.maps, start=1):
        name = f"conv{number}"
        std = _std(before.count * maps.taps, activated=number > 1)
        yield from _activated(name, _filter("Convolution", name, bottom, maps, maps.windows, std))
        bottom, before = f"{name}elu", maps
    dense = _neurons("ip1encode", bottom, plan.hidden, _std(before.elements))
    yield from _activated("ip1encode", dense)
    yield _neurons("ip2encode", "ip1encodeelu", plan.dims, _std(plan.hidden), "The code: linear, no activation.")


def _decoder(plan: Design) -> Iterator[str]:
    """Each deconvolution undoes the convolution of its number; an output pixel sees taps / strides of its kernel."""
    yield from _activated(
        "ip1decode", _neurons("ip1decode", "ip2encode", plan.hidden, _std(plan.dims, activated=False))
    )
    yield one_pixel_maps("ip1decodeelu", plan.hidden)
    last, name = plan.maps[-1], f"deconv{len(plan.maps)}"
    whole = (Window(last.height, 1, 0), Window(last.width, 1, 0))
    yield from _activated(name, _filter("Deconvolution", name, "ip1decodesh", last, whole, _std(plan.hidden)))
    for number in range(len(plan.maps) - 1, -1, -1):
        given, made = plan.maps[number], (plan.image, *plan.maps)[number]
        bottom, name = f"deconv{number + 1}elu", f"deconv{number}" if number else "deconv1neur"
        std = _std(given.count * given.taps / (given.windows[0].stride * given.windows[1].stride))
        if number:
            yield from _activated(name, _filter("Deconvolution", name, bottom, made, given.windows, std))
        else:  # no activation but the output's own sigmoid, whose bottom starts near 0
            yield _filter("Deconvolution", name, bottom, made, given.windows, std / 4)


def _std(inputs: float, activated: bool = True) -> float:
    """Of weights that give a sum of `inputs` products the variance of one factor; √2 times that behind an ELU."""
    return math.sqrt((2 if activated else 1) / inputs)


def _filter(kind: str, name: str, bottom: str, made: Maps, windows: tuple[Window, Window], std: float) -> str:
    lines = [
        f"{both}: {down}" if down == across else f"{stem}_h: {down} {stem}_w: {across}"
        for both, stem, down, across in zip(
            ("kernel_size", "stride", "pad"), ("kernel", "stride", "pad"), *windows, strict=True
        )
    ]
    body = block("convolution_param", f"num_output: {made.count}", *lines, *_fillers(std))
    return layer(name, kind, [bottom], [name], body, note=_shape(made))


def _shape(maps: Maps) -> str:
    return f"(N, {maps.count}, {maps.height}, {maps.width})"


def _neurons(name: str, bottom: str, count: int, std: float, note: str = "") -> str:
    body = block("inner_product_param", f"num_output: {count}", *_fillers(std))
    return layer(name, "InnerProduct", [bottom], [name], body, note=note)


def _fillers(std: float) -> tuple[str, str]:
    return f'weight_filler {{ type: "gaussian" std: {std:.3g} }}', 'bias_filler { type: "constant" }'


def _activated(name: str, text: str) -> tuple[str, str]:
    return text, layer(f"{name}elu", "ELU", [name], [f"{name}elu"])


def _solver_text(plan: Design, test: Passes) -> str:
    return f"""\
# Auto-encoder for images of {plan.image} with {plan.dims} code neurons.
# The losses are sums over pixels, so they and their gradients grow with the image; Adam's steps do not, and one rate
# serves images of all sizes. It falls to 0 in a straight line.
net: "net.prototxt"
type: "Adam"
base_lr: 0.003
lr_policy: "poly"
power: 1
momentum: 0.9
momentum2: 0.999
max_iter: 5000

test_iter: {test.iterations}
test_interval: 500
test_compute_loss: true
display: 100
snapshot: 2500
snapshot_prefix: "{NAME}"
snapshot_best: true  # the best test's, beside them; of deepcae alone: Caffe needs this line taken out
"""
