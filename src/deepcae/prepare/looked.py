"""A look at a sample of the images, before any are stored: their values."""

from __future__ import annotations

import math

import numpy as np

from ..data.scaling import HIGH, LOW, Scaling, learned_from, sample
from ..errors import DataError
from .options import Options
from .plan import Plan, Planned


def sample_of(rows: Planned, seed: int) -> np.ndarray:
    """Values of a seeded sample of a part's images. DataError names the image where one is not finite."""
    plan = rows.plan

    def read(number: int) -> np.ndarray:
        item = int(rows.items[number])
        values = image_of(plan, item)
        require_finite(values, plan, item)
        return values

    return sample(read, len(rows.items), math.prod(plan.image), seed)


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
    return plan.sources[source].called(row)


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


def channels_alike(plan: Plan) -> bool:
    """Whether some images, from all over the set, have equal channels."""
    if any(source.cost for source in plan.sources):
        return False
    some = np.unique(np.linspace(0, len(plan.items) - 1, 6).astype(int)).tolist()
    return all((image == image[:1]).all() for image in (image_of(plan, item) for item in some))


def image_of(plan: Plan, item: int) -> np.ndarray:
    """An image after the steps, before it is cut."""
    source, row = plan.items[item].tolist()
    return np.asarray(plan.steps.apply(plan.sources[source].images.read(np.array([row])))[0])
