"""A trained network and the parts that its blobs play."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..data.layout import misfit, samples
from ..errors import DataError
from ..inplace import read_file
from ..layers.base import Shape
from ..net.net import Net
from ..net.roles import Roles, roles_of
from ..net.summary import Summary, summarize
from ..solver.chosen import Chosen
from ..solver.run import Run
from ..tape.parts import Parts
from .learned import Learned, RangeCheck

ITERATION, WEIGHTS = "iteration", "weights"  # what is known of codes: of which snapshot, and a digest of its weights
DESIGN = "design"  # the name of all networks of `zoo design`


class Named(NamedTuple):
    """The blobs whose part a person has named; the others' are told from the net."""

    images: str | None = None
    code: str | None = None
    restored: str | None = None


AS_TOLD = Named()


@dataclass
class Trained:
    """A net with its weights. `origin` names it; `folders` are where files named in its text are looked up.

    `chosen`: of a run, the snapshot that the weights are of. `learned`: of weights, what is known of their data.
    """

    net: Net
    origin: str
    folders: Sequence[Path]
    named: Named = AS_TOLD
    run: Run | None = None  # that it is of
    chosen: Chosen | None = None
    learned: Learned | None = None

    @property
    def title(self) -> str:
        """What pictures are headed with: the net's name; of a run whose net is a designed one, which have one name
        for all, its folder's."""
        name = self.net.name
        return self.run.folder.absolute().name if self.run is not None and name in ("", DESIGN) else name

    @cached_property
    def range_check(self) -> RangeCheck:
        """Looks at what the net is shown."""
        return RangeCheck((self.learned or Learned()) if self.run is None else Learned.of_run(self.run))

    def weights_told(self) -> dict[str, str]:
        """Which weights these are, as attributes of codes; nothing where they are of no run."""
        if self.chosen is None:
            return {}
        digest = hashlib.sha256(read_file(self.chosen.snapshot.model)).hexdigest()[:16]
        return {ITERATION: str(self.chosen.iteration), WEIGHTS: digest}

    def strange_in(self, told: Mapping[str, object]) -> str:
        """What is wrong with codes that are to be decoded, by their attributes; "" where nothing is known to be."""
        if "method" in told:
            return f"holds a map that {told['method']} made of codes, and no codes"
        own = self.weights_told()
        if not own or WEIGHTS not in told or told[WEIGHTS] == own[WEIGHTS]:
            return ""
        of = f"iteration {told.get(ITERATION, '?')} of {told.get('origin', '?')}"
        return f"its codes are of the weights of {of}, and decoded with those of {own[ITERATION]} of {self.origin}"

    @classmethod
    def of_run(cls, run: Run, device: str = "cpu", named: Named = AS_TOLD, snapshot: str | None = None) -> Trained:
        """The test net of a run with the weights of a snapshot, see `Run.choose`."""
        chosen = run.choose(snapshot)
        return cls(run.net("TEST", device, chosen), str(run.folder), run.folders, named, run, chosen)

    @cached_property
    def parts(self) -> Parts:
        """Its layers between two blobs, written down."""
        return Parts(self.net)

    @cached_property
    def summary(self) -> Summary:
        return summarize(self.net.plan)

    @cached_property
    def roles(self) -> Roles:
        """What its blobs are for, by `named` where that says so."""
        images, code, restored = (self.blob(name) if name else None for name in self.named)
        return roles_of(self.net.plan, images, code, restored)

    @property
    def images(self) -> str:
        """The blob that the images are fed into."""
        if self.roles.images is None:
            raise DataError(f"{self.origin}: its net is fed with nothing")
        return self.roles.images

    def fed(self, images: np.ndarray, origin: str = "") -> tuple[str, np.ndarray]:
        """The blob that images (N, ...) enter by, and the images in its shape. `origin`: who is to blame for them.

        It is `images`; flat rows take the shape that the net reads, images become the flat rows that it reads. What has
        another number of values enters by the first blob inside that has its shape: a Siamese network reads pairs,
        and codes single images from where its first branch begins. DataError for what lies otherwise than it is read.
        """
        origin = origin or self.origin
        self.range_check.show(origin, self.images, images)
        shapes, shape = self.net.plan.shapes, images.shape[1:]
        wanted = tuple((shapes[self.images] or ())[1:])
        if wanted and math.prod(shape) == math.prod(wanted) and _flat(shape, wanted):
            return self.images, images.reshape(len(images), *wanted)
        names = (name for name in (self.images, *shapes) if tuple((shapes.get(name) or ())[1:]) == shape)
        entry = next(names, self.images)
        if entry == self.images:
            self.range_check.require_layout(origin, entry, shape)
            if wanted and (why := misfit(shape, wanted)):
                raise DataError(f"{origin}: holds images of {samples(shape)}, the net reads {samples(wanted)}: {why}")
        return entry, images

    @property
    def image_shape(self) -> Shape | None:
        """(C, H, W) of the images that come in, or (C, D, H, W) of volumes; a row of 784 values is taken for 28 by 28.

        (L,) of other rows, which are signals; None where the net does not tell.
        """
        shape = tuple((self.net.plan.shapes[self.images] or ())[1:])
        side = math.isqrt(math.prod(shape))
        if len(shape) == 1 and side**2 == shape[0] > 1:
            return (1, side, side)
        return (1, *shape) if len(shape) == 2 else shape or None

    @property
    def image_blobs(self) -> dict[str, Shape]:
        """The blobs that hold images, as they come in and as they are restored, with the shape of one."""
        shape, shapes = self.image_shape, self.net.plan.shapes
        names = [self.images, *(name for name in (self.roles.restored, self.roles.logits) if name)]
        sized = [name for name in names if shape and math.prod((shapes.get(name) or ())[1:]) == math.prod(shape)]
        return dict.fromkeys(sized, shape or ())

    def as_images(self, rows: np.ndarray) -> np.ndarray:
        """Rows (N, ...) of as many values as the images that come in → the shape of these; others as they are."""
        shape = self.image_shape
        fits = shape is not None and math.prod(shape) == math.prod(rows.shape[1:])
        return rows.reshape(len(rows), *shape) if fits and shape is not None else rows

    @property
    def labels(self) -> str:
        """The blob of classes that comes with the images; `label` where the net reads none."""
        return self.roles.labels or "label"

    @property
    def code(self) -> str:
        """The code of an auto-encoder; of another net its features."""
        code = self.roles.code or self.roles.features
        if code is None:
            raise DataError(
                f"{self.origin}: which blob is the code cannot be told from its layers; name it with --code-blob"
            )
        return code

    @property
    def restored(self) -> str:
        """The blob of images as the decoder gives them back."""
        if self.roles.restored is None:
            raise DataError(
                f"{self.origin}: which blob is the restored image cannot be told; name it with --restored-blob"
            )
        return self.roles.restored

    @property
    def logits(self) -> str | None:
        """The blob of which `restored` is the sigmoid, where a loss reads it; None where none does."""
        return self.roles.logits

    def path(self) -> list[str]:
        """The blobs from the image to what the losses read, in order; an activation in place shows its result once."""
        needed = {blob for blob in self.roles.ends if blob not in self.net.inputs}
        steps = []
        for step in reversed(self.net.plan.steps):
            if not needed.isdisjoint(step.tops) and step.bottoms:
                needed.update(step.bottoms)
                steps.append(step)
        tops = [top for step in reversed(steps) if not step.kind.copies for top in step.tops]
        return list(dict.fromkeys(tops))

    def blob(self, name: str) -> str:
        """`name`, if the net has such a blob. DataError with the closest one otherwise."""
        try:
            return self.net.plan.require(name)
        except DataError as error:
            raise DataError(f"{self.origin}: {error}") from None


def _flat(shape: Shape, wanted: Shape) -> bool:
    """Whether one of two shapes of a sample is but a row of the other, or lacks nothing but its only channel."""
    return len(shape) == 1 or len(wanted) == 1 or (1, *shape) == wanted
