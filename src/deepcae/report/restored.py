"""What comes back: images from all over the data, the typical and the worst ones, and all errors beside PCA's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..page.html import Picture, Section
from ..trained import passes
from ..viz import error_panels, reconstructions
from .material import Material
from .shown import drawn, loss, origin

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN, FEW = 20, 5  # images of each kind; of a set of few images


def restored(material: Material) -> Section:
    """Originals above, restored images below; and how the error of this network compares."""
    if material.examples is None or material.restored is None:
        return Section("Reconstructions", [])
    blocks = drawn(material, "reconstructions", partial(_all_over, material))
    errors = material.errors
    if errors is not None and np.isfinite(errors).all():
        if len(errors) > SHOWN:
            for title, about, rows in _kinds(errors):
                blocks += drawn(material, title.lower(), partial(_chosen, material, title, about, rows))
        blocks += drawn(material, "errors of the images", partial(_errors, material))
    return Section("Reconstructions", blocks, compared(material))


def compared(material: Material) -> str:
    """This network's error beside PCA's and the mean image's, in a sentence; "" where it is not known."""
    linear, errors = material.linear, material.errors
    if linear is None or errors is None:
        return ""
    mean = float(errors.mean())
    words = f"Half the squared error of an image is {loss(mean)} in the mean"
    if linear.pca is None:
        return f"{words}; {loss(linear.mean)} with the mean image in each one's place."
    told = f"{words}; PCA with as many numbers, {linear.dims}, reaches {loss(linear.pca)}"
    return f"{told}, the mean image {loss(linear.mean)}."


def _kinds(errors: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    """Of few images not so many that most of them would be both."""
    count = min(SHOWN, max(FEW, len(errors) // 4))
    order = np.argsort(errors, kind="stable")
    middle = np.argsort(np.abs(errors - np.median(errors)), kind="stable")[:count]
    return [
        ("The most typical images", "whose error is nearest to the median", np.sort(middle)),
        ("The worst images", "whose error is greatest, the worst first", order[::-1][:count]),
    ]


def _all_over(material: Material) -> Picture:
    """Evenly: the first images of a recording look alike, and those of a folder are of one class."""
    assert material.examples is not None
    rows = passes.all_over(material.examples, SHOWN)
    originals, images, labels = passes.restored(material.trained, material.examples, rows, material.restored)
    about = (
        f"{len(rows)} images, evenly from all over {origin(material)}, and what the network restores from their codes"
    )
    figure = reconstructions(originals, images, labels, **named(material, rows))
    return Picture("Originals and reconstructions", f"{about}; below each {material.called_by}.", figure)


def named(material: Material, rows: np.ndarray) -> dict[str, Any]:
    """How `reconstructions` is told what the user calls these rows."""
    short = "number" if material.origins is None else material.origins.told_shortly
    return {"names": [material.called(row) for row in rows.tolist()], "called": short}


def _chosen(material: Material, title: str, about: str, rows: np.ndarray) -> Picture:
    assert material.examples is not None
    originals, images, labels = passes.restored(material.trained, material.examples, rows, material.restored)
    figure = reconstructions(originals, images, labels, title, **named(material, rows))
    return Picture(title, f"The {len(rows)} {about}; below each {material.called_by}.", figure)


def errors_of(material: Material) -> Figure:
    """The errors of all images, beside PCA's mean. DataError where nothing is restored."""
    errors, linear = material.errors, material.linear
    if errors is None:
        raise DataError(f"{material.trained.origin}: no image is restored, so that there are no errors")
    lines = {}
    if linear is not None:
        lines = {**({"PCA, mean": linear.pca} if linear.pca is not None else {}), "mean image": linear.mean}
    origins = material.origins
    if origins is None or not origins.numbered:
        return error_panels(errors, lines)
    return error_panels(errors, lines, places=origins.row[: len(errors)], axis=f"image of {origins.numbered}, from 0")


def _errors(material: Material) -> Picture:
    about = "Half the squared error of each restored image; what stands out may be unusual, or damaged."
    return Picture("Error of each image", about, errors_of(material))
