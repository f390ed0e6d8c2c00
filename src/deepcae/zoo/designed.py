"""The texts of an auto-encoder that `zoo.design` has planned: a network beside a linear way that starts as PCA.

    code = s V (x - m) + encoder(x)      restored = Vᵀ code / s + m + decoder(code)

V, m: principal components and mean of the training images. The last layers of encoder and decoder start at 0, so the
net is PCA before its first update, and learns what PCA lacks. `plain` makes the encoder and decoder alone, as the paper
has them.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..codes.principal import Blocks, Images, Principal, blocks_of, principal
from ..data.heldout import enough
from ..data.layout import misfit, samples
from ..errors import DataError, SpecError
from . import branches, linear, schedule
from .cae import losses
from .catalog import ZooModel
from .design import NAME, Design, design, plain_design
from .mirrored import looks_alike
from .streams import Lists, Passes, opened, passes
from .text import layer, net, require_count, train_and_test

if TYPE_CHECKING:
    from ..data.scaling import Scaling

LARGE, MANY = 2048, 10_000  # values of an image; training images
PERPLEXITY = 10.0  # neighbours of an image in a batch, unless that is small
UNKNOWN = 10  # batches of a test whose images nobody has counted


@dataclass(frozen=True)
class DesignedModel(ZooModel):
    """The texts, and what is behind them."""

    plan: Design = field(kw_only=True)
    num_images: int | None = None  # of the training set, if it could be counted
    start: Any = None  # the NetParameter in start.caffemodel, and what it is made of; None where there are no images
    principal: Principal | None = None
    mirrored: bool = False  # whether training images are


def build_design(
    image: Sequence[int],
    dims: int,
    train_list: str | Path | None = None,
    test_list: str | Path | None = None,
    *,
    batch: int | None = None,
    width: float | None = None,
    folder: str | Path | None = None,
    scaling: Scaling | None = None,
    images: Images | None = None,
    num_test: int | None = None,
    mirror: bool | None = None,
    plain: bool = False,
    neighbours: float = 0.0,
) -> DesignedModel:
    """Texts of an auto-encoder for images (channels, height, width) or flat rows (k,), with `dims` code neurons.

    `width` scales the number of all maps and neurons; default: see `default_width`.
    `train_list`, `test_list`: list files, as in `build`, or with a `folder` data files, for which `write` adds lists;
    without them the texts name `train.txt` and `test.txt` in `folder`. `scaling`: what the net is shown of stored
    values; it stands in the texts. `mirror`: whether half of the training images are mirrored, left and right;
    default: where that makes images that look like the others.

    The net starts as the PCA of the training images: `start`, a NetParameter with the weights of its fixed layers,
    which `write` puts beside the texts as start.caffemodel. They are computed from `images`, as stored: what
    `data.open_rows` gives of a file or an array, or any other with `total` and `read(slice) -> {"data": rows}`;
    default: those of `train_list`. Where neither is there, `start` is None, and the solver text names a file that is
    still to be made. `num_test`: how many test images there are, where no list says it. With `plain` the net is the
    paper's, without a linear way.

    `neighbours`: weight of a NeighbourLoss, with which the code keeps neighbours, for maps; 0: none. At 1 a unit of it
    weighs as much as all that PCA leaves of an image.

    SpecError where no such auto-encoder exists, DataError for data that cannot be read.
    """
    home = Path(folder) if folder is not None else None
    lists = Lists.of(train_list, test_list, home)
    images = opened(lists.train, "data") if images is None else images
    if width is None:
        width = 1.0 if plain else default_width(image, None if images is None else images.total)
    _check_neighbours(neighbours, plain)
    plan = (plain_design if plain else design)(image, dims, width)
    batch = plan.batch if batch is None else batch
    require_count("batch", batch)
    if num_test is None and (tests := opened(lists.test, "data")) is not None:
        num_test = tests.total
    num_train = None if images is None else images.total
    most = enough(math.prod(plan.given))
    test = Passes(batch, UNKNOWN) if num_test is None else passes(min(num_test, most), batch)
    blocks = None if images is None else _blocks(images, plan, scaling)
    if mirror is None:
        mirror = not plain and blocks is not None and looks_alike(blocks, plan.given)
    data = train_and_test(
        lists.names[0], batch, lists.names[1], test.batch, _about(plan, scaling),
        sample=plan.given, transform=_fields(scaling), mirror=mirror,
        some_tested=num_test is not None and num_test > most,
    )  # fmt: skip
    found = None if plain or blocks is None else principal(blocks, dims)
    start = None if found is None else linear.start_weights(found, NAME, plan.given)
    if plain:
        text = _plain_text(plan, data, num_train)
    else:
        kept = _neighbours(neighbours, found, min(batch, test.batch)) if neighbours else []
        text = _net_text(plan, data, num_train, found, kept)
    files = dict(lists.files)
    if start is not None:
        files[schedule.START] = start.SerializeToString(deterministic=True)
    solver = schedule.solver_text(plan, test, plain, num_train, batch)
    return DesignedModel(NAME, dims, text, solver, files, num_train, start, found, mirror, plan=plan)


def default_width(image: Sequence[int], num_images: int | None) -> float:
    """2, which was better for every kind of images; 1 for large ones, where it takes long, unless there are many."""
    return 1.0 if math.prod(image) > LARGE and (num_images or 0) < MANY else 2.0


def _blocks(images: Images, plan: Design, scaling: Scaling | None) -> Blocks:
    shape = images.read(slice(0, 1))["data"].shape[1:]
    if tuple(shape) != plan.given:
        why = misfit(shape, plan.given) or f"give --input {'x'.join(map(str, shape))}, or images of that size"
        raise DataError(f"the training images are {samples(shape)}, the design is for {samples(plan.given)}: {why}")
    return blocks_of(images, None if scaling is None else scaling.shown, plan.dims)


def _fields(scaling: Scaling | None) -> str:
    """Of transform_param."""
    return "" if scaling is None else scaling.text.removeprefix("transform_param {").removesuffix("}").strip()


def _about(plan: Design, scaling: Scaling | None) -> str:
    shape = ", ".join(map(str, ("N", *plan.given)))
    return f"({shape}), {'values in 0..1' if scaling is None else scaling}"


def table(facts: dict[str, str]) -> str:
    """Facts as a table of two columns."""
    indent = max(map(len, facts)) + 2
    wrapped = {name: textwrap.wrap(text, 100, break_long_words=False) for name, text in facts.items()}
    return "\n".join(f"{name:{indent}}" + f"\n{'':{indent}}".join(text) for name, text in wrapped.items())


def _check_neighbours(weight: float, plain: bool) -> None:
    if not (math.isfinite(weight) and weight >= 0):
        raise SpecError(f"neighbours is {weight:g}, but must be a weight of at least 0")
    if weight and plain:
        raise SpecError("neighbours are kept by the design that starts as PCA, not by the plain one")


def _neighbours(weight: float, found: Principal | None, batch: int) -> list[str]:
    """The layer of that loss, in units of what PCA leaves. SpecError where a batch is too small to have neighbours."""
    perplexity = min(PERPLEXITY, (batch - 1) / 2)
    if perplexity <= 2:
        raise SpecError(f"a batch of {batch} is too small to look for neighbours in; give --batch, or more test images")
    unit = 1.0 if found is None else found.left**2 * len(found.mean) / 2
    body = [f"loss_weight: {weight * unit:.3g}", f"neighbour_loss_param {{ perplexity: {perplexity:g} }}"]
    note = (
        "How badly the codes keep the neighbours of the images in a batch. Of deepcae alone: Caffe needs it taken out."
    )
    return [layer("neighbour_loss", "NeighbourLoss", ["code", "data"], ["neighbour_loss"], body, note=note)]


def _net_text(
    plan: Design, data: Sequence[str], num_images: int | None, found: Principal | None, kept: Sequence[str]
) -> str:
    made, scale = _last(plan), found.left if found else 1.0
    header = f"""
Auto-encoder for {_what(plan)} of {plan.shape} with {plan.dims} code neurons: a linear way that starts as the training
images' PCA, and beside it a network that learns what PCA lacks.

{table(plan.facts(num_images))}

    code     = linear_encode(data) + ip{len(plan.hidden) + 1}encode(... {"conv1" if plan.maps else "ip1encode"}(data))
    restored = linear_decode(code) + {made}(... ip1decode(code))

The last layers of both networks start at 0; all others are drawn so that each layer keeps the variance of what it is
given. The linear layers' weights are in start.caffemodel.
"""
    code = f"ip{len(plan.hidden) + 1}encode"
    return net(NAME, header, [
        *data,
        linear.encoder(plan.dims),
        *linear.centred(1 / found.contrast if found else 1),
        *branches.encoder(plan, linear.NORMAL, code, branches.ZERO, 1.0 if kept else branches.SLOW),
        linear.joined("code", [linear.ENCODE, code], branches.CODE),
        *linear.decoder("code", plan.given),
        *branches.decoder(plan, "code", made, branches.ZERO),
        linear.joined("restored", [linear.restored(plan.given), made], "The restored image.", scale),
        layer("l2_error", "EuclideanLoss", ["restored", "data"], ["l2_error"],
              note="Half the squared distance per image: what is measured."),
        *kept,
    ])  # fmt: skip


def _last(plan: Design) -> str:
    """The blob that the network beside the linear way makes of the code."""
    return "deconv1neur" if plan.maps else f"ip{len(plan.hidden) + 1}decode"


def _what(plan: Design) -> str:
    return "images" if len(plan.given) == 3 else "rows"


def _plain_text(plan: Design, data: Sequence[str], num_images: int | None) -> str:
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
