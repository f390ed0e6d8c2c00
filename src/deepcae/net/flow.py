"""What is computed from what in a net: the way back from a blob, the way on from one, and what lies on no side way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

from .step import Step

LEARNED = ("Convolution", "Deconvolution", "Embed", "InnerProduct", "LSTM", "RNN")  # what makes something new of a blob


class Flow:
    """The steps of a net (or the first of them), in order, as a graph of blobs."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self._above: dict[str, list[Step]] = {}
        self._makers: dict[str, list[int]] = {}  # of each blob, in order: several where a layer works in place
        for index, step in enumerate(steps):
            for top in dict.fromkeys(step.tops) if step.bottoms else ():
                self._makers.setdefault(top, []).append(index)

    def above(self, blob: str) -> list[Step]:
        """The steps that `blob` is computed by, in order; sources are none of them."""
        if blob not in self._above:
            found: list[int] = []
            waiting = [-index for index in self._makers.get(blob, ())]  # a heap: the last is looked at first
            waiting.sort()
            asked = {-index for index in waiting}
            while waiting:
                found.append(-heappop(waiting))
                for bottom in self.steps[found[-1]].bottoms:
                    for index in self._makers.get(bottom, ()):
                        if index < found[-1] and index not in asked:
                            asked.add(index)
                            heappush(waiting, -index)
            self._above[blob] = [self.steps[index] for index in reversed(found)]
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
        before, same = len(self.steps), True
        while same:
            same = False
            for index in reversed(self._makers.get(blob, ())):
                step = self.steps[index]
                if index < before and is_same(step) and not step.in_place:
                    blob, before, same = step.bottoms[0], index, True
                    break
        return blob

    def told_apart(self, step: Step) -> tuple[str, str]:
        """Of the two blobs that a loss compares (what the net made, what it should be), whatever their order."""
        first, second = step.bottoms[:2]
        a, b = self.depth(first), self.depth(second)
        turned = b > a and (not a or self.original(first) in self.reads(second))
        return (second, first) if turned else (first, second)


def is_same(step: Step) -> bool:
    """Whether a layer's tops show what its bottom shows, in another shape or range."""
    return step.type in ("Split", "Reshape", "Flatten") or (
        step.type == "Power" and step.node.param.power_param.power == 1
    )
