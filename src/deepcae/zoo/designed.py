"""The texts of an auto-encoder that `zoo.design` has planned: a network beside a linear way that starts as PCA.

    code = s V (x - m) + encoder(x)      restored = Vᵀ code / s + m + decoder(code)

V, m: principal components and mean of the training images. The last layers of encoder and decoder start at 0, so the
net is PCA before its first update, and learns what PCA lacks. `plain` makes the encoder and decoder alone, as the paper
has them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..codes.principal import Blocks, Images, Principal, blocks_of, principal
from ..data.heldout import enough
from ..data.layout import misfit, samples
from ..errors import DataError, SpecError
from . import designtext, schedule
from . import linear as linear_way
from .catalog import ZooModel
from .design import MOST_VALUES, NAME, Design, design, plain_design
from .schedule import Way
from .streams import Lists, WholeTest, opened
from .symmetry import symmetries
from .text import layer, require_count, train_and_test

if TYPE_CHECKING:
    from ..data.scaling import Scaling

LARGE, MANY = 2048, 10_000  # values of an image; training images
PERPLEXITY = 3.0  # neighbours of an image in a batch
NEAR = 250  # images of a batch in which neighbours are looked for, where there are ten batches of them
JUDGES = 20  # test images from which on they tell which of two designs is better
UNKNOWN = 10  # batches of a test whose images nobody has counted


@dataclass(frozen=True)
class DesignedModel(ZooModel):
    """The texts, and what is behind them."""

    plan: Design = field(kw_only=True)
    num_images: int | None = None  # of the training set, if it could be counted
    start: Any = None  # the NetParameter in start.caffemodel, and what it is made of; None where there are no images
    principal: Principal | None = None
    turns: tuple[str, ...] = ()  # fields of transform_param: what is done to half of the training images
    rival: DesignedModel | None = None  # the same without the linear way, where it may be better: see `race`
    starts_as_pca: bool = False

    def begun(self, start: Any) -> DesignedModel:
        """With these weights to start from."""
        stored = start.SerializeToString(deterministic=True)
        return replace(self, start=start, files={**self.files, schedule.START: stored})


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
    linear: bool | None = None,
) -> DesignedModel:
    """Texts of an auto-encoder for images (channels, height, width) or flat rows (k,), with `dims` code neurons.

    `width` scales the number of all maps and neurons; default: see `default_width`.
    `train_list`, `test_list`: list files, as in `build`, or with a `folder` data files, for which `write` adds lists;
    without them the texts name `train.txt` and `test.txt` in `folder`. `scaling`: what the net is shown of stored
    values; it stands in the texts. `mirror`: whether half of the training images are mirrored, left and right;
    default: they are turned in all ways that look like the others (`symmetries`), if test images tell what that brings.

    The net starts as the PCA of the training images: `start`, a NetParameter with the weights of its fixed layers,
    which `write` puts beside the texts as start.caffemodel. They are computed from `images`, as stored: what
    `data.open_rows` gives of a file or an array, or any other with `total` and `read(slice) -> {"data": rows}`;
    default: those of `train_list`. Where neither is there, `start` is None, and the solver text names a file that is
    still to be made. `num_test`: how many test images there are, where no list says it. With `plain` the net is the
    paper's, without a linear way.

    `linear`: whether a linear way stays beside the net. None: it does in what is given, and where there are images
    enough to tell which is better, its `rival` is the net without it (see `race`).

    `neighbours`: weight of a NeighbourLoss, with which the code keeps neighbours, for maps; 0: none. At 1 a unit of it
    weighs as much as all that PCA leaves of an image. There is no linear way then, unless `linear` is True.

    SpecError where no such auto-encoder exists, DataError for data that cannot be read.
    """
    home = Path(folder) if folder is not None else None
    lists = Lists.of(train_list, test_list, home)
    images = opened(lists.train, "data") if images is None else images
    num_train = None if images is None else images.total
    if width is None:
        width = 1.0 if plain else default_width(image, num_train)
    _check_neighbours(neighbours, plain)
    plan = (plain_design if plain else design)(image, dims, width)
    batch = default_batch(plan, num_train, neighbours) if batch is None else batch
    require_count("batch", batch)
    if num_test is None and (tests := opened(lists.test, "data")) is not None:
        num_test = tests.total
    most = enough(math.prod(plan.given))
    seen = None if num_test is None else min(num_test, most)
    test = WholeTest(batch, UNKNOWN) if seen is None else schedule.pass_over(seen, batch, plain or neighbours > 0)
    blocks = None if images is None else _blocks(images, plan, scaling)
    looked = blocks if mirror is None and num_test and not plain else None  # no test would tell what it brings
    turns = (("mirror",) if mirror else ()) if looked is None else symmetries(looked, plan.given)
    data = train_and_test(
        lists.names[0], batch, lists.names[1], test.batch, _about(plan, scaling),
        sample=plan.given, transform=_fields(scaling), turns=turns,
        some_tested=num_test is not None and num_test > most,
    )  # fmt: skip
    found = None if plain or blocks is None else principal(blocks, dims)
    base = DesignedModel(NAME, dims, "", "", dict(lists.files), num_train, None, found, turns, plan=plan)

    def made(way: Way, text: str) -> DesignedModel:
        return replace(base, net_text=text, solver_text=schedule.solver_text(plan, test, way, num_train, batch))

    if plain:
        return made(Way.PLAIN, designtext.papers(plan, data, num_train))
    kept = _neighbours(neighbours, found, min(batch, test.batch)) if neighbours else []
    beside = made(Way.BESIDE, designtext.beside_pca(plan, data, num_train, found, kept))
    alone = made(Way.MAP if kept else Way.ALONE, designtext.alone(plan, data, num_train, found, kept))
    if kept and linear is None:
        linear = False  # a code that begins as PCA comes to other neighbours slowly
    return _started(beside, alone, linear, (num_test or 0) >= JUDGES)


def _started(beside: DesignedModel, alone: DesignedModel, linear: bool | None, judged: bool) -> DesignedModel:
    """The design that is wanted, with weights to start from; with a rival if nobody says which, and it can be told."""
    found = beside.principal
    if found is None:
        return alone if linear is False else beside
    given = beside.plan.given
    alone = alone.begun(linear_way.start_means(found, NAME, given, "restored"))
    beside = replace(beside.begun(linear_way.start_weights(found, NAME, given)), starts_as_pca=True)
    if linear is False:
        return alone
    return replace(beside, rival=alone) if judged and linear is None else beside


def default_width(image: Sequence[int], num_images: int | None) -> float:
    """2, which was better for every kind of images; 1 for large ones, where it takes long, unless there are many."""
    return 1.0 if math.prod(image) > LARGE and (num_images or 0) < MANY else 2.0


def default_batch(plan: Design, num_images: int | None, neighbours: float = 0.0) -> int:
    """The design's; a larger one where neighbours are looked for in it, and there are images enough."""
    few = not neighbours or (num_images or 0) < 10 * NEAR
    return plan.batch if few else max(plan.batch, min(NEAR, MOST_VALUES // plan.image.elements))


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


def _check_neighbours(weight: float, plain: bool) -> None:
    if not (math.isfinite(weight) and weight >= 0):
        raise SpecError(f"neighbours is {weight:g}, but must be a weight of at least 0")
    if weight and plain:
        raise SpecError("neighbours are kept by the design, not by the paper's, the plain one")


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
