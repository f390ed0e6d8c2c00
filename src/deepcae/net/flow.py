"""What is computed from what in a net: the way back from a blob, the way on from one, and what lies on no side way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .step import Step

LEARNED = ("Convolution", "Deconvolution", "Embed", "InnerProduct", "LSTM", "RNN")  # what makes something new of a blob


class Flow:
    """The steps of a net (or the first of them), in order, as a graph of blobs."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self._above: dict[str, list[Step]] = {}

    def above(self, blob: str) -> list[Step]:
        """The steps that `blob` is computed by, in order; sources are none of them."""
        if blob not in self._above:
            needed, found = {blob}, []
            for step in reversed(self.steps):
                if step.bottoms and not needed.isdisjoint(step.tops):
                    needed.update(step.bottoms)
                    found.append(step)
            self._above[blob] = found[::-1]
        return self._above[blob]

    def reads(self, blob: str) -> set[str]:
        """`blob` and all blobs that it is computed from."""
        return {blob, *(bottom for step in self.above(blob) for bottom in step.bottoms)}

    def depth(self, blob: str) -> int:
        """How many layers that learn `blob` is computed by: 0 for an input, scaled, cut or reshaped as it may be."""
        return sum(step.type in LEARNED for step in self.above(blob))

    def below(self, blob: str, without: str | None = None, steps: Iterable[Step] | None = None) -> set[str]:
        """`blob` and all blobs that depend on it; not by way of `without`, and not by the masks of pooling layers."""
        reached = {blob}
        for step in self.steps if steps is None else steps:
            if not reached.isdisjoint(step.bottoms):
                tops = step.tops[:1] if step.type == "Pooling" else step.tops
                reached.update(top for top in tops if top != without)
        return reached

    def between(self, first: str, last: str) -> list[Step]:
        """The steps on all ways from one blob to another."""
        reached = self.below(first)
        return [step for step in self.above(last) if not reached.isdisjoint(step.bottoms)]

    def original(self, blob: str) -> str:
        """The blob that has the same values: before layers that only split, reshape, scale or shift it."""
        for step in reversed(self.steps):
            if blob in step.tops and step.bottoms and is_same(step) and not step.in_place:
                blob = step.bottoms[0]
        return blob


def is_same(step: Step) -> bool:
    """Whether a layer's tops show what its bottom shows, in another shape or range."""
    return step.type in ("Split", "Reshape", "Flatten") or (
        step.type == "Power" and step.node.param.power_param.power == 1
    )


def told_apart(steps: Sequence[Step], step: Step) -> tuple[str, str]:
    """Of the two blobs that a loss compares (what the net made, what it should be), whatever their order."""
    first, second = step.bottoms[:2]
    flow = Flow(steps)
    a, b = flow.depth(first), flow.depth(second)
    return (second, first) if b > a and (not a or flow.original(first) in flow.reads(second)) else (first, second)
