"""A look at a sample of the images, before any are stored: their values, and whether neighbours look alike."""

from __future__ import annotations

import math

import numpy as np

from ..data.scaling import HIGH, LOW, Scaling, learned_from
from ..errors import DataError
from .options import Options
from .plan import Plan, Planned

ROWS, VALUES = 1024, 2**22  # of a sample, at most
BYTES = 128 * 2**20  # that are read for one
PAIRS = 32  # of neighbours that are compared
ALIKE = 0.5  # of the distance of other pairs: neighbours that are nearer follow one another in time


def sample_of(rows: Planned, seed: int) -> np.ndarray:
    """Values of a seeded sample of rows, flat. DataError names the image where one is not finite."""
    plan = rows.plan
    generator = np.random.default_rng([seed % 2**64, 0x5CA1E])
    each = max(1, math.prod(plan.image) * plan.dtype.itemsize)
    images = max(16, min(ROWS, BYTES // each))
    items = rows.items
    if len(items) > images:
        items = np.sort(generator.choice(items, images, replace=False, shuffle=False))
    most = max(1, VALUES // len(items))
    parts = []
    for item in items.tolist():
        values = _image(plan, item).reshape(-1)
        require_finite(values, plan, item)
        parts.append(values if values.size <= most else values[generator.integers(0, values.size, most)])
    return np.concatenate(parts)


def require_finite(values: np.ndarray, plan: Plan, item: int) -> None:
    """DataError, with what to do, where an image holds NaN or infinity."""
    if values.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as it will be read
        finite = np.isfinite(values.astype(np.float32, copy=False))
    if finite.all():
        return
    kind = "NaN" if np.isnan(values).any() else "infinite" if np.isinf(values).any() else "too large for float32"
    wrong = values.size - int(np.count_nonzero(finite))
    raise DataError(
        f"{title_of(plan, item)}: {wrong} of {values.size} values are {kind}; --nan 0 puts 0 in their place, "
        "--skip-damaged leaves such images out"
    )


def title_of(plan: Plan, item: int) -> str:
    """What messages call an image: its file's name, or its row."""
    source, row = plan.items[item].tolist()
    name = plan.sources[source].images.name(row)
    return str(plan.sources[source].path / name) if name else f"{plan.sources[source].title}: image {row}"


def scaling_of(values: np.ndarray, dtype: np.dtype[np.generic], options: Options) -> Scaling:
    """The scaling that `normalise` asks for."""
    if options.normalise == "none":
        return Scaling()
    if options.normalise == "auto":
        return learned_from(values, dtype)
    values = values.astype(np.float64)
    if options.normalise == "zscore":
        mean, deviation = float(values.mean()), float(values.std())
        if not deviation:
            return Scaling(mean, 1.0, f"all values are {mean:g}", constant=True)
        return Scaling(mean, 1 / deviation, f"mean {mean:g} and deviation {deviation:g} become 0 and 1")
    if options.normalise == "percentile":
        least, most = (float(each) for each in np.percentile(values, [LOW, HIGH]))
        told = f"{least:g} and {most:g}, the {LOW:g}th and {HIGH:g}th percentile, become 0 and 1"
    else:
        least, most = float(values.min()), float(values.max())
        told = f"{least:g} and {most:g}, the extremes of a sample, become 0 and 1"
    if least == most:
        return Scaling(most, 1.0, f"all values are {most:g}", constant=True)
    return Scaling(least, 1 / (most - least), told)


def likeness(plan: Plan) -> float | None:
    """Mean distance |x − y| of neighbours, as a part of that of images far apart; None where it cannot be told.

    Neighbours in time are nearer to each other than to the rest; images in any order are not.
    """
    items = plan.items
    each = math.prod(plan.image) * plan.dtype.itemsize
    pairs = int(min(PAIRS, len(items) // 4, max(2, BYTES // (3 * each))))
    if pairs < 2 or len({plan.image_size(0), plan.image_size(len(items) // 2)}) > 1:
        return None
    half = len(items) // 2
    firsts = [
        at for at in np.linspace(0, len(items) - 2, pairs).astype(int).tolist() if items[at, 0] == items[at + 1, 0]
    ]
    wanted = sorted({item for at in firsts for item in (at, at + 1, (at + half) % len(items))})
    with np.errstate(over="ignore"):  # a double beyond float32: told where rows are stored
        held = {item: _image(plan, item).astype(np.float32) for item in wanted}  # in order: chunks are unpacked once
    if len({image.shape for image in held.values()}) > 1:
        return None
    if not all(np.isfinite(image).all() for image in held.values()):
        return None
    near = [np.abs(held[at] - held[at + 1]).mean() for at in firsts]
    far = [np.abs(held[at] - held[(at + half) % len(items)]).mean() for at in firsts]
    beyond = float(np.median(far)) if far else 0.0
    return float(np.median(near)) / beyond if beyond and math.isfinite(beyond) else None


def channels_alike(plan: Plan) -> bool:
    """Whether some images, from all over the set, have equal channels."""
    if any(source.cost for source in plan.sources):
        return False
    some = np.unique(np.linspace(0, len(plan.items) - 1, 6).astype(int)).tolist()
    return all((image == image[:1]).all() for image in (_image(plan, item) for item in some))


def _image(plan: Plan, item: int) -> np.ndarray:
    source, row = plan.items[item].tolist()
    return np.asarray(plan.steps.apply(plan.sources[source].images.read(np.array([row])))[0])
