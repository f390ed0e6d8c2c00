"""What the blobs of a net are for: the image, its class, the code, the restored image. Found once, from the whole net.

The *restored image* is what some layer compares with the image, whichever of its bottoms it is: of two bottoms the one
that more layers have learned to make of the other, or of the input. The image may be scaled, reshaped or made noisy on
the way, or be a second input (a clean image). Comparisons with the image go before those of inner blobs, the one
behind the most layers before others. A text without any loss, as it is deployed, restores by the last of its outputs
that has the image's size. The *code* is the narrowest blob between image and restored image; all ways lead through it,
if there is such a one. A net that restores nothing has *features* in its place: what its losses read, or what it gives.

All of it can be named by a person who knows better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..layers.base import Shape, count
from .advice import authors_name
from .flow import LEARNED, Flow
from .step import Step

if TYPE_CHECKING:
    from .plan import Plan

SIZED = (
    "Convolution",
    "Deconvolution",
    "InnerProduct",
    "Pooling",
    "Unpooling",
    "Upsample",
)  # what counts as a hidden layer
CLASSES, PAIRS = "classes", "pairs"  # what labels tell: an image's class; whether both images of a pair are of one
_JUDGES = ("Accuracy", "ContrastiveLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss", "SoftmaxWithLoss")
_SCORED = tuple(name for name in _JUDGES if name != "ContrastiveLoss")
_MEASURES = ("Accuracy", "HDF5Output", "Silence")


@dataclass(frozen=True)
class Comparison:
    """A layer that compares what a net made with what it should be; `rank`: 0 with the image, 2 with an inner blob."""

    step: Step
    made: str
    target: str
    rank: int = 0


@dataclass(frozen=True)
class Roles:
    """Names of blobs; None where the net has no such blob, or it cannot be told."""

    images: str | None = None  # fed from outside
    labels: str | None = None  # fed beside the images
    labels_are: str = ""  # CLASSES or PAIRS, by who reads them, or by their name; "" for others
    labels_judged: bool = False  # a layer reads them as classes, whatever their name
    code: str | None = None  # of an auto-encoder
    features: str | None = None  # of another net
    restored: str | None = None
    logits: str | None = None  # of which `restored` is the sigmoid, where a loss reads it
    ends: tuple[str, ...] = ()  # what the losses read; without losses what the net gives
    scores: tuple[str, ...] = ()  # with a value for each class
    hidden: tuple[tuple[str, int], ...] = ()  # (layer, elements) from image to restored image, less the last


def roles_of(plan: Plan, images: str | None = None, code: str | None = None, restored: str | None = None) -> Roles:
    """The roles of a net's blobs; `images`, `code` and `restored` as a person names them."""
    return _Told(plan, images).roles(code, restored)


def losses(steps: Sequence[Step]) -> list[Step]:
    """The layers that make the objective, or show what could be one."""
    return [step for step in steps if step.layer is not None and (step.layer.is_loss or any(step.loss_weights))]


class _Told:
    """Works the roles out, one after another."""

    def __init__(self, plan: Plan, images: str | None) -> None:
        self.plan, self.flow, self.shapes = plan, Flow(plan.steps), plan.shapes
        self.losses = [step for step in losses(plan.steps) if step.bottoms]
        self._drawn = {top for step in plan.sources if step.type == "DummyData" for top in step.tops}  # noise
        self.images = images if images is not None else self._images()

    def roles(self, code: str | None, restored: str | None) -> Roles:
        ends = tuple(self._ends())
        if self.images is None:
            return Roles(ends=ends, code=code, restored=restored)
        compared = self._compared()
        told = self._restored(compared) or (None if self.losses else self._given_back(ends))
        hidden, found = self._hidden(told or (compared[0].made if compared else restored or ""))
        told = restored or told
        if not self.losses and told is None and (decoded := self._decoded(ends)):
            found, told = self.images, decoded
        labels = self._labels({each.target for each in compared})
        return Roles(
            self.images, labels, self._meaning(labels), not self._readers(labels).isdisjoint(_JUDGES), code or found,
            self._features(ends, told), told, self._logits(compared, told), ends, self._scores(),
            tuple(hidden),
        )  # fmt: skip

    # What comes in

    def _images(self) -> str | None:
        """Of the blobs from outside that are learned from, the one with the most values per sample."""
        learned = {bottom for step in self.plan.steps if step.type in LEARNED for bottom in step.bottoms}
        fed = self.plan.fed
        read = [name for name in fed if not learned.isdisjoint(self.flow.below(name))] or list(fed)
        chosen = [name for name in read if name not in self._drawn] or read
        return max(chosen, key=lambda name: self._count(name) or 1, default=None)

    def _labels(self, targets: set[str]) -> str | None:
        """What is judged by, else what is called so, else what else comes from outside, but for images and noise."""
        compared = {self.flow.original(target) for target in targets}
        others = [name for name in self.plan.fed if name not in {self.images, *self._drawn, *compared}]
        judged = {
            self.flow.original(bottom) for step in self.plan.steps if step.type in _JUDGES for bottom in step.bottoms
        }
        named = [name for name in others if "label" in name]
        return next((name for names in (judged.intersection(others), named, others) for name in names), None)

    def _scores(self) -> tuple[str, ...]:
        """What is judged by classes, and softmaxes: by the names that the author gave."""
        judged = [step.bottoms[0] for step in self.plan.steps if step.type in _SCORED and step.bottoms]
        soft = [name for step in self.plan.steps if step.type == "Softmax" for name in (*step.bottoms, *step.tops)]
        return tuple(dict.fromkeys(map(self._name, (*judged, *soft))))

    def _meaning(self, labels: str | None) -> str:
        if labels is None:
            return ""
        readers = self._readers(labels)
        if "ContrastiveLoss" in readers:
            return PAIRS
        return CLASSES if "label" in labels or not readers.isdisjoint(_JUDGES) else ""

    def _readers(self, labels: str | None) -> set[str]:
        """The types of the layers that read them."""
        return {step.type for step in self.plan.steps if labels in [*map(self.flow.original, step.bottoms)]}

    # What is compared

    def _compared(self) -> list[Comparison]:
        """All comparisons of a restored image, the best first."""
        pairs = [step for step in self.plan.steps if step.layer is not None and step.layer.compares]
        found = [each for step in pairs if (each := self._told(step)) is not None]
        if not any(each.rank < 2 for each in found):
            found += [each for step in self._other_pairs() if (each := self._told(step)) is not None]
        best = min((each.rank for each in found), default=0)
        return sorted((each for each in found if each.rank == best), key=self._preference)

    def _preference(self, each: Comparison) -> tuple[int, bool]:
        return -self.flow.depth(each.made), self._reads_logits(each)

    def _reads_logits(self, each: Comparison) -> bool:
        return each.step.type == "SigmoidCrossEntropyLoss" and each.made == self._name(each.step.bottoms[0])

    def _other_pairs(self) -> Iterator[Step]:
        """Losses of one's own: layers in Python, and differences by Eltwise that lead to nothing but a loss."""
        for step in self.plan.steps if self.losses else ():
            if len(step.bottoms) < 2 or not step.tops:
                continue
            coefficients = step.node.param.eltwise_param.coeff
            if step.type == "Python" and any(step.loss_weights):
                yield step
            elif step.type == "Eltwise" and len(coefficients) == 2 and coefficients[0] * coefficients[1] < 0:
                readers = [each for top in step.tops for each in self.plan.steps if self._depends(each, top)]
                if not any(each.type in LEARNED or (each.layer and each.layer.compares) for each in readers):
                    yield step

    def _depends(self, step: Step, blob: str) -> bool:
        return not self.flow.below(blob).isdisjoint(step.bottoms)

    def _told(self, step: Step) -> Comparison | None:
        """What is compared with what; None where it is no image, or nothing says which of the two is the image."""
        found = []
        for made, target in (step.bottoms[:2], step.bottoms[1::-1]):
            rank = self._rank(made, target) if self.flow.depth(made) else None
            if rank is not None:
                found.append(Comparison(step, self._name(made), self._name(target), rank))
        return min(found, key=lambda each: each.rank, default=None)

    def _rank(self, made: str, target: str) -> int | None:
        if not self.flow.depth(target):
            if self.images in self.flow.reads(target):
                return 0
            sizes = self._count(self.images or ""), self._count(target)
            return 1 if sizes[0] == sizes[1] else None
        inner = self.flow.original(target)
        return 2 if inner != self.flow.original(made) and inner in self.flow.reads(made) else None

    def _restored(self, compared: Sequence[Comparison]) -> str | None:
        for each in compared:
            found = self._sigmoid_of(each.made) if self._reads_logits(each) else each.made
            if found is not None:
                return found
        return None

    def _logits(self, compared: Sequence[Comparison], restored: str | None) -> str | None:
        """What a cross-entropy reads, where nothing else is restored than its sigmoid."""
        read = [each.made for each in compared if self._reads_logits(each)]
        return next((name for name in read if restored in (None, self._sigmoid_of(name))), None)

    def _sigmoid_of(self, blob: str) -> str | None:
        sigmoids = (step for step in self.plan.steps if step.type == "Sigmoid")
        return next((step.tops[0] for step in sigmoids if self._name(step.bottoms[0]) == blob), None)

    # What comes out

    def _ends(self) -> Iterator[str]:
        """What the losses read; without losses what nobody reads on, but to measure it."""
        if self.losses:
            yield from dict.fromkeys(self._name(bottom) for step in self.losses for bottom in step.bottoms)
            return
        inner = [step for step in self.plan.steps if step.bottoms and step.type not in _MEASURES]
        inner = [step for step in inner if step.type != "Split"]
        read = {self._name(bottom) for step in inner if not step.in_place for bottom in step.bottoms}
        tops = dict.fromkeys(top for step in inner for top in step.tops)
        yield from (top for top in tops if top not in read and self.flow.depth(top))

    def _given_back(self, ends: Sequence[str]) -> str | None:
        """Of a net without losses: the last output of the image's size."""
        size = self._count(self.images or "")
        return next((name for name in reversed(ends) if size is not None and self._count(name) == size), None)

    def _decoded(self, ends: Sequence[str]) -> str | None:
        """Of a decoder alone, which is fed with codes: what it gives."""
        start, end = self.images or "", ends[-1] if ends else ""
        steps = self.flow.between(start, end)
        sizes = [self._count(name) for name in (start, *(step.tops[0] for step in steps))]
        known = [size for size in sizes if size is not None]
        grows = len(known) == len(sizes) > 1 and known[0] < min(known[1:])
        return end if grows and steps[-1].type != "Softmax" else None

    def _features(self, ends: Sequence[str], restored: str | None) -> str | None:
        """What the losses read; of a net without losses, what it gives, before a Softmax."""
        if self.losses:
            read = [self._name(bottom) for step in self.losses for bottom in step.bottoms]
            made = [name for name in read if self.flow.depth(name)] or [n for n in read if n not in self.plan.fed]
            of_images = [name for name in made if self.images in self.flow.reads(name)]  # and not of a second view
            return next(iter(of_images or made), None)
        for end in ends:
            if end != restored:
                last = self.flow.above(end)[-1]
                return self._name(last.bottoms[0]) if last.type == "Softmax" else end
        return None

    # What lies between

    def _hidden(self, restored: str) -> tuple[list[tuple[str, int]], str | None]:
        """The hidden layers on the way to the restored image, with their sizes, and the narrowest blob there."""
        way = self.flow.between(self.images or "", restored)
        last = max((place for place, step in enumerate(way) if step.type in SIZED), default=0)
        end = self._count(way[last].tops[0]) if way else None
        code = self._narrowest(way[:last], way, restored, end)
        past = self._straight(restored, code, way) if code is not None else set()
        inner = [step for step in way[: last + 1] if step.type in SIZED and step.name not in past]
        sized = [(step.name, self._count(step.tops[0])) for step in inner]
        hidden = [(name, size) for name, size in sized[:-1] if size is not None]
        narrower = end is not None and any(size < end for _, size in hidden)
        return (hidden if narrower and len(hidden) == len(sized) - 1 else []), code

    def _straight(self, restored: str, code: str, way: Sequence[Step]) -> set[str]:
        """The layers that lead to the code, or back from it, in one step, beside a way of several: as PCA would."""
        found: set[str] = set()
        if not any(step.type == "Eltwise" for step in way):
            return found
        for start, end in ((self.images or "", code), (code, restored)):
            sized = [step for step in self.flow.between(start, end) if step.type in SIZED]
            lonely = {step.name for step in sized if len(self._in_line(start, step, end)) == 1}
            found |= lonely if len(lonely) < len(sized) else set()
        return found

    def _in_line(self, start: str, step: Step, end: str) -> set[str]:
        """The hidden layers on all ways that lead through one."""
        line = [*self.flow.between(start, step.tops[0]), *self.flow.between(step.tops[0], end)]
        return {each.name for each in line if each.type in SIZED}

    def _narrowest(self, inner: Sequence[Step], way: Sequence[Step], restored: str, end: int | None) -> str | None:
        """Of the blobs behind a layer that learns, narrower than what is restored; one that all ways lead through."""
        first = next((place for place, step in enumerate(inner) if step.type in LEARNED), len(inner))
        layers = {step.tops[0] for step in inner if step.type in SIZED}
        sizes: dict[str, int] = {}
        for step in inner[first:]:
            size = self._count(step.tops[0])
            if step.type != "Split" and size is not None and (end is None or size < end):
                sizes.setdefault(step.tops[0], size)
        by_size = sorted(sizes, key=lambda name: sizes[name])
        alone = [name for name in by_size if restored not in self.flow.below(self.images or "", name, way)]
        if not alone:  # a layer's own top, before that of any side way
            return next((name for name in by_size if name in layers), None)
        drawn = {blob for source in self._drawn for blob in self.flow.below(source)}
        certain = [name for name in by_size if sizes[name] == sizes[alone[0]] and name not in drawn]
        return alone[0] if alone[0] not in drawn or not certain else certain[0]

    def _count(self, blob: str) -> int | None:
        """Values of `blob` per sample; None where that is not known."""
        shape: Shape | None = self.shapes.get(blob)
        return None if shape is None else count(shape, 1)

    def _name(self, blob: str) -> str:
        return authors_name(self.plan.steps, blob)
