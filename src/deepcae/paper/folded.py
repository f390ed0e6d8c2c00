"""An auto-encoder folded at its code: every layer as a box, the encoder down the left side, the decoder up the right.

So the sixteen blobs of the paper's Fig. 3 and their losses stand in one column of print, each size beside its mirror.
"""

from __future__ import annotations

from ..draw.colors import INK, SOFT, fill, line
from ..draw.scene import Curve, Point, Scene, Words, rectangle, straight, text_width
from ..draw.words import kind_of, operation, size_text
from ..errors import DataError
from ..net.advice import authors_name
from ..net.flow import Flow
from ..net.plan import Plan
from ..net.step import Step
from ..net.summary import summarize

WIDTH, MARGIN, HEAD = 248.0, 12.0, 38.0  # points: one column of print
BOX, ROW = (94.0, 22.0), 31.0  # width and height of a box; from a row to the next
NAME, NOTE = 7.0, 6.2  # letters


def folded(plan: Plan, title: str) -> Scene:
    """The scene of a network whose layers form one chain from the image to what its losses compare with it."""
    code = summarize(plan).code
    losses = [step for step in plan.steps if step.layer is not None and step.layer.is_loss]
    chain = [step for step in plan.steps if not step.kind.copies and step not in losses]
    middle = next((place for place, step in enumerate(chain) if code in step.tops), None)
    if middle is None or not losses:
        raise DataError(f"'{plan.name}' is no auto-encoder: it cannot be folded at its code")
    return _Drawing(plan, chain, middle, losses).scene(title)


class _Drawing:
    """Rows are counted from the top; the code stands alone in the last."""

    def __init__(self, plan: Plan, chain: list[Step], middle: int, losses: list[Step]) -> None:
        self.plan, self.chain, self.middle, self.losses = plan, chain, middle, losses
        after = len(chain) - 1 - middle
        self.last = max(middle + len(losses), after)  # the losses stand above the image
        self.places = {id(step): self._place(place) for place, step in enumerate(chain)}

    def _place(self, place: int) -> Point:
        """The centre of a layer's box: the encoder ends, and the decoder begins, in the row above the code."""
        if place == self.middle:
            return WIDTH / 2, self._y(self.last)
        side = MARGIN + BOX[0] / 2
        left = place < self.middle
        return (side if left else WIDTH - side), self._y(self.last - abs(place - self.middle))

    def _y(self, row: int) -> float:
        return MARGIN + HEAD + row * ROW + BOX[1] / 2

    def scene(self, title: str) -> Scene:
        summary = summarize(self.plan)
        page = Scene(WIDTH, self._y(self.last) + BOX[1] / 2 + MARGIN, title)
        facts = f"{summary.parameters:,} parameters · size {summary.size:,} elements"
        about = "Encoder: down the left side; decoder: up the right."
        largest = min(8.5, 8.5 * (WIDTH - 2 * MARGIN) / text_width(title, 8.5, True))
        for row, (words, size, color) in enumerate([(title, largest, INK), (facts, NOTE, SOFT), (about, NOTE, SOFT)]):
            page.items.append(Words(words, (MARGIN, MARGIN + 5 + 10.5 * row), size, color, row == 0, "start"))
        self._arrows(page)
        self._losses(page)
        for step in self.chain:
            self._box(page, step, self.places[id(step)])
        return page

    def _arrows(self, page: Scene) -> None:
        for place in range(1, len(self.chain)):
            (x0, y0), (x1, y1) = (self.places[id(step)] for step in self.chain[place - 1 : place + 1])
            half, down = BOX[1] / 2, 1 if y1 > y0 else -1
            if place == self.middle:  # to the code from the left
                start, end, bend = (x0, y0 + half), (x1 - BOX[0] / 2, y1), (x0, y1)
                points: tuple[Point, ...] = (start, bend, bend, end)
            elif place == self.middle + 1:  # and on to the right
                start, end, bend = (x0 + BOX[0] / 2, y0), (x1, y1 + half), (x1, y0)
                points = (start, bend, bend, end)
            else:
                points = straight([(x0, y0 + down * half), (x1, y1 - down * half)])
            page.items.append(Curve(points, SOFT, arrow_end=True))

    def _losses(self, page: Scene) -> None:
        """Each loss beside the layer that it judges; from the image an arrow goes to each."""
        image = self.places[id(self.chain[0])]
        made = {top: step for step in self.chain for top in step.tops}
        steps, flow = self.plan.steps, Flow(self.plan.steps)
        judged = [(made[authors_name(steps, flow.told_apart(loss)[0])], loss) for loss in self.losses]
        judged.sort(key=lambda pair: self.places[id(pair[0])][1])
        for row, (step, loss) in enumerate(judged):
            center = image[0], self._y(row)
            x, y = self.places[id(step)]
            tip = (center[0] + BOX[0] / 2, center[1])
            page.items.append(Curve(straight([(x - BOX[0] / 2, y), tip]), SOFT, arrow_end=True))
            if row == len(judged) - 1:
                up = [(image[0], image[1] - BOX[1] / 2), (center[0], center[1] + BOX[1] / 2)]
                page.items.append(Curve(straight(up), SOFT, arrow_end=True))
            else:  # past the other losses
                left, out = center[0] - BOX[0] / 2, MARGIN - 9
                ends = (left, image[1]), (left, center[1])
                page.items.append(Curve((ends[0], (out, image[1]), (out, center[1]), ends[1]), SOFT, arrow_end=True))
            self._box(page, loss, center)

    def _box(self, page: Scene, step: Step, center: Point) -> None:
        kind = kind_of(step.type)
        left, top = center[0] - BOX[0] / 2, center[1] - BOX[1] / 2
        page.items.append(rectangle(left, top, *BOX, fill(kind), line(kind), corner=2.5, stroke=0.9))
        size = size_text(self.plan.shapes.get(step.tops[0])) if step.tops and kind != "loss" else ""
        note = " · ".join(filter(None, [size, _what(step)]))
        page.items.append(Words(step.name, (center[0], center[1] - 1.8), NAME, INK, True))
        page.items.append(Words(note, (center[0], center[1] + 6.8), NOTE, SOFT))


def _what(step: Step) -> str:
    return {"SigmoidCrossEntropyLoss": "sigmoid cross-entropy", "EuclideanLoss": "Euclidean loss"}.get(
        step.type, operation(step.node.param) or "image"
    )
