"""Which part of a net goes: from which blobs to which, and the steps between them."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import DataError
from ..layers.join import Concat
from ..layers.shape import Crop, Flatten, Reshape, Slice, Split
from ..net.plan import Plan
from ..net.roles import roles_of
from ..net.step import Step

_MOVERS = (Split, Flatten, Reshape, Slice, Concat, Crop)


def default_outputs(plan: Plan) -> list[str]:
    """What the net is for: an auto-encoder's code, and whatever nothing but losses and measures read.

    Blobs that an input becomes by mere reshaping (targets, labels) are left out.
    """
    compute = [step for step in plan.steps if not step.is_source]
    inner = [step for step in compute if not _measures(step)]
    same = {top: step.bottoms[0] for step in inner if step.kind.copies for top in step.tops}
    read = {
        same.get(name, name) for step in inner if not step.kind.copies for name in step.bottoms if name not in step.tops
    }
    moved = set(plan.fed)
    for step in inner:
        if issubclass(step.kind, _MOVERS) and moved.issuperset(step.bottoms):
            moved.update(step.tops)
    ends = [top for step in inner if not step.kind.copies for top in step.tops if top not in read | moved]
    code = roles_of(plan).code
    return list(dict.fromkeys([*([code] if code is not None else []), *ends]))


def steps_between(plan: Plan, given: Sequence[str], wanted: Sequence[str]) -> tuple[list[Step], list[str]]:
    """The steps that lead to `wanted`, and the blobs that they start from: the given ones, then those of the sources.

    DataError for a blob that is not there, and for a given one that nothing wanted depends on.
    """
    for name in (*given, *wanted):
        plan.require(name)
    final = set(given) - set(plan.fed)  # what is given inside of the net is not computed
    begin = final & set(wanted)
    needed = set(wanted) - final
    steps: list[Step] = []
    for step in reversed(plan.steps):
        if needed.isdisjoint(step.tops):
            continue
        if step.is_source:
            begin |= needed & set(step.tops)
            continue
        needed = (needed - set(step.tops)) | (set(step.bottoms) - final)
        begin |= final & set(step.bottoms)
        steps.append(step)
    idle = [name for name in given if name not in begin]
    if idle:
        raise DataError(f"'{idle[0]}' is given as input, but nothing of {', '.join(wanted)} depends on it")
    order = [*given, *plan.shapes]
    return steps[::-1], sorted(begin, key=order.index)


def require_sizes(plan: Plan, steps: Sequence[Step] | None = None) -> None:
    """DataError if what these steps (default: all but losses and measures) read is not known, for want of a file."""
    chosen = [step for step in plan.steps if not _measures(step)] if steps is None else steps
    if all(plan.shapes[name] is not None for step in chosen for name in step.bottoms):
        return
    name = next(name for name in plan.fed if plan.shapes[name] is None)
    raise DataError(
        f"net '{plan.name}': the shape of '{name}' is not known, since its data file is not there; "
        f"give it (--shape {name}=N,C,H,W)"
    )


def _measures(step: Step) -> bool:
    return step.layer is not None and (step.layer.is_loss or step.kind.measures)
