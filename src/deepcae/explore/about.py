"""What the page is told first: what is looked at, of which shape, and what can be asked for."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..solver.run import Run
from ..solver.snapshot import MANIFEST
from . import columns
from .subject import Looked

CODE, PCA, TSNE, UMAP, DIMS = "code", "pca", "tsne", "umap", "dims"
TITLES = {
    CODE: "the code",
    PCA: "PCA of the codes",
    TSNE: "t-SNE",
    UMAP: "UMAP",
    DIMS: "two numbers of the code",
}
_NUMBERED = re.compile(r"_iter_(\d+)$")


def about(looked: Looked) -> dict[str, Any]:
    """The answer to `/api/about`."""
    material, trained = looked.material, looked.trained
    chosen = trained.chosen
    return {
        "title": material.name,
        "origin": trained.origin,
        "told": material.examples.origin if material.examples is not None else "",
        "iteration": None if chosen is None else chosen.iteration,
        "weights": "" if chosen is None else chosen.told,
        "snapshots": [] if trained.run is None else snapshots(trained.run),
        "warnings": [*material.missing, *material.strange, *material.verdicts],
        "image": _image(looked),
        "code": None if material.codes is None else {"blob": trained.code, "dims": material.codes.shape[1]},
        "restores": material.restored is not None,
        "decodes": material.restored is not None and material.codes is not None,
        "count": 0 if material.examples is None else len(material.examples),
        "called_by": material.called_by,
        "columns": [] if material.examples is None else columns.listed(looked),
        "colour": material.colours[0].name if material.colours else "",
        "maps": maps(looked),
        "path": path(looked),
        "trains": trained.run is not None,
    }


def _image(looked: Looked) -> dict[str, Any] | None:
    if looked.material.examples is None:
        return None
    low, high = looked.scale()
    return {"shape": list(looked.trained.image_shape or ()), "kind": looked.kind(), "low": low, "high": high}


def maps(looked: Looked) -> list[dict[str, str]]:
    """The ways in which the codes can be laid out in the plane."""
    codes = looked.material.codes
    if codes is None:
        return []
    dims, umap = codes.shape[1], find_spec("umap") is not None
    there = [CODE] if dims <= 2 else [PCA, DIMS]
    there += [TSNE, *([UMAP] if umap else [])] if len(codes) > 4 and dims > 1 else []
    return [{"name": name, "title": TITLES[name]} for name in there]


def path(looked: Looked) -> list[dict[str, Any]]:
    """The blobs from the image to what is restored, each with the layer that made it last."""
    plan = looked.trained.net.plan
    makers = {top: step for step in plan.steps for top in step.tops}
    names = dict.fromkeys([looked.trained.images, *looked.trained.path()])
    return [
        {
            "blob": name,
            "layer": makers[name].name if name in makers else "",
            "type": makers[name].type if name in makers else "",
            "shape": list((plan.shapes[name] or ())[1:]),
        }
        for name in names
    ]


def snapshots(run: Run) -> list[dict[str, Any]]:
    """The complete snapshots of a run, oldest first: the iteration, and by what name it is asked for."""
    prefix = Path(run.prefix)
    found = []
    for manifest in prefix.parent.glob(f"{prefix.name}_iter_*{MANIFEST}"):
        numbered = _NUMBERED.search(manifest.name.removesuffix(MANIFEST))
        if numbered is not None:
            found.append(int(numbered[1]))
    return [{"iteration": number, "name": str(number)} for number in sorted(found)]
