"""The section about what goes with each number of the code: classes, a speed, the place in a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..codes.related import Related, related
from ..errors import DataError
from ..page.html import Section, Table
from .material import Material

MOST = 20  # numbers of the code that are shown
NO_FACTS = ("error", "order")  # of the colours: what the network made, and what means nothing


def known(material: Material) -> Section:
    """A row for each number of the code, or for those with which the most goes."""
    title = "What goes with each number of the code"
    shown = material.mapped
    if shown.codes is None:
        return Section(title, [])
    found: list[Related] = []
    for column in shown.colours:
        if column.name not in NO_FACTS:
            try:
                found.append(related(shown.codes, column))
            except DataError as error:
                material.missing.append(f"Nothing of what goes with '{column.name}': {error}")
    if not found:
        return Section(title, [])
    strongest = np.argsort(-np.max([each.strength for each in found], axis=0), kind="stable")[:MOST]
    rows = [
        (f"code {k + 1}", *(word for each in found for word in _words(each, k))) for k in sorted(strongest.tolist())
    ]
    header = ("number", *(word for each in found for word in _header(each)))
    return Section(title, [Table(header, rows, caption=_caption(found, len(shown.codes[0]), len(rows)))])


def _header(found: Related) -> Sequence[str]:
    return (f"η² of {found.name}",) if found.eta2 is not None else (f"r with {found.name}", f"ρ with {found.name}")


def _words(found: Related, k: int) -> Sequence[str]:
    if found.eta2 is not None:
        return (f"{found.eta2[k]:.2f}",)
    assert found.pearson is not None
    assert found.spearman is not None
    return f"{found.pearson[k]:+.2f}", f"{found.spearman[k]:+.2f}"


def _caption(found: Sequence[Related], dims: int, shown: int) -> str:
    told = []
    if any(each.eta2 is not None for each in found):
        told.append("η²: the share of the number's variance that lies between the classes.")
    if any(each.eta2 is None for each in found):
        told.append("r: Pearson's correlation, ρ: Spearman's, of ranks.")
    for each in found:
        name = "η²" if each.eta2 is not None else "|ρ|"
        told.append(
            f"{each.name}, n = {each.count:,}: by chance alone the greatest {name} of {dims} "
            f"number{'s' * (dims > 1)} stays below {each.chance:.2f} in 95 of 100 cases "
            "(the column shifted against the codes)."
        )
    if shown < dims:
        told.append(f"The {shown} of {dims} numbers with which the most goes.")
    if dims > 1:
        told.append("Each number is taken by itself: what lies in several together, or on a curve, is not seen here.")
    return " ".join(told)
