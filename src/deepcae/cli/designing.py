"""What `zoo design` needs to know about the data first: the images' size, and how their values are scaled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DataError, SpecError

if TYPE_CHECKING:
    from ..codes.principal import Principal
    from ..data.kept import StoredRows
    from ..data.scaling import Scaling
    from ..zoo.designed import DesignedModel


ENOUGH = 0.99  # of the variance
_WAYS = {
    "mirror": "left and right",
    "flip": "top and bottom",
    "turn": "by 180 degrees",
    "transpose": "rows and columns",
}


class Wanted(NamedTuple):
    """What the command line says."""

    image: str | None
    dims: int | None
    width: float | None
    lists: tuple[str | None, str | None]
    batch: int | None
    scale: float | None
    mean_value: float | None
    mirror: bool | None
    plain: bool
    neighbours: float | None = None
    linear: bool | None = None


@dataclass(frozen=True)
class Found:
    """What was chosen. `scaling`: None where there are no images to learn it from."""

    scaling: Scaling | None
    turns: tuple[str, ...]  # fields of transform_param
    start: Principal | None  # the PCA that the net starts as

    def facts(self) -> dict[str, str]:
        """For people."""
        told = {"values": str(self.scaling)} if self.scaling is not None else {}
        if self.start is not None and self.start.spread > 0:
            told["PCA"] = _held(self.start)
        if self.turns:
            name = "mirrored" if self.turns == ("mirror",) else "turned"
            ways = "" if name == "mirrored" else ", ".join(_WAYS[each] for each in self.turns) + ", "
            told[name] = f"{ways}half of the training images: they look like the others (--no-mirror leaves them)"
        return told

    def to_json(self) -> dict[str, Any]:
        return {
            "scaling": None if self.scaling is None else self.scaling.to_json(),
            "mirrored": "mirror" in self.turns,
            "turned": list(self.turns),
            "pca": None if self.start is None or not self.start.spread else _shares(self.start)._asdict(),
        }


class _Shares(NamedTuple):
    """Of the training images' variance. `enough`: so many numbers hold `ENOUGH` of it; None where all hold less."""

    numbers: int
    variance: float
    enough: int | None


def _shares(start: Principal) -> _Shares:
    held = start.variances.cumsum() / start.spread
    few = int((held < ENOUGH).sum()) + 1
    return _Shares(len(held), float(held[-1]), few if few <= len(held) else None)


def _held(start: Principal) -> str:
    """How much of the training images the code's numbers hold, and whether fewer hold nearly as much."""
    count, share, few = _shares(start)
    told = f"{count} {'numbers hold' if count > 1 else 'number holds'} {100 * share:.3g} % of the variance"
    told += " of the training images"
    return told if few in (None, count) else f"{told}, {few} of them {100 * ENOUGH:g} %: fewer may do (--dims {few})"


def designed(wanted: Wanted, folder: Path) -> tuple[DesignedModel, Found]:
    """The texts, and what was found out for them."""
    from ..zoo.design import parse_image
    from ..zoo.designed import build_design
    from ..zoo.streams import Lists, opened

    if wanted.dims is None:
        raise SpecError("design needs --dims N, the neurons of the code, such as --dims 16")
    given = None if wanted.image is None else parse_image(wanted.image)
    lists = Lists.of(*wanted.lists, folder)
    images = opened(lists.train, "data")
    if given is None and images is None and wanted.lists[0] is not None:
        raise DataError(f"{lists.train}: no such file; give the images, or their size: --input CxHxW, such as 3x64x96")
    if given is None and images is None:
        raise SpecError("design needs the images, --data TRAIN TEST, or their size: --input CxHxW, such as 3x64x96")
    image = given or _image(images, lists.train)
    for rows, path in ((images, lists.train), (opened(lists.test, "data"), lists.test)):
        if rows is not None:
            require_layout(rows.shapes["data"], image, path)
    scaling = _scaling(wanted, images)
    model = build_design(
        image, wanted.dims, *wanted.lists, batch=wanted.batch, width=wanted.width,
        folder=folder, scaling=scaling, images=images, mirror=wanted.mirror, plain=wanted.plain,
        neighbours=wanted.neighbours or 0.0, linear=wanted.linear,
    )  # fmt: skip
    return model, Found(scaling, model.turns, model.principal)


def _image(images: StoredRows | None, path: str) -> tuple[int, ...]:
    """The size of an image, as the stored rows have it. DataError where they lie otherwise than nets read them."""
    from ..data.axes import axes_of

    assert images is not None
    shape = images.shapes["data"]
    axes = axes_of((images.total, *shape), what=path)
    require_layout(shape, axes.image, path)
    return axes.image


def require_layout(found: tuple[int, ...], image: tuple[int, ...], path: str) -> None:
    """DataError if images lie otherwise than the design is for."""
    from ..data.layout import misfit, samples

    if found != image:
        size = "x".join(map(str, found)) if len(found) in (1, 3) else "another size"
        why = misfit(found, image) or f"give --input {size}, or images of that size"
        raise DataError(f"{path}: holds {samples(found)}, the design is for {samples(image)}: {why}")


def _scaling(wanted: Wanted, images: StoredRows | None) -> Scaling | None:
    """As the command line says, else learned from the training images."""
    from ..data.scaling import Scaling
    from ..zoo.streams import scaling_of

    if wanted.scale is None and wanted.mean_value is None:
        return None if images is None else scaling_of(images)
    scale = 1.0 if wanted.scale is None else wanted.scale
    if not scale:
        raise SpecError("--scale is 0, which makes all images alike")
    return Scaling(wanted.mean_value or 0.0, scale, "as given")
