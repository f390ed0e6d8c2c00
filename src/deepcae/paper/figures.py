"""The paper's figures, drawn from finished runs: `draw("fig4", {"cae2-2": folder})`.

| figure | shows                                                        | needs          |
|--------|--------------------------------------------------------------|----------------|
| fig1   | 2-D codes of the test set, classic auto-encoder              | classic-1000-2 |
| fig2   | 2-D codes of the test set, Siamese network                   | siamese-2      |
| fig3   | the network, every layer with the size of its blob           | –              |
| fig4   | 2-D codes, CAE Model 2                                       | cae2-2         |
| fig5   | 10-D codes laid out by t-SNE, CAE Model 2                    | cae2-10        |
| fig6   | 30-D codes laid out by t-SNE, CAE Model 2                    | cae2-30        |
| fig7   | one image of each class on its way through CAE Model 2       | cae2-10        |

All read at the width of a column of print. Tables I and IV are drawn in `dots`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from .drawing import Drawing, headed

if TYPE_CHECKING:
    from ..report.material import Material

NEEDS = {
    "fig1": "classic-1000-2",
    "fig2": "siamese-2",
    "fig3": None,
    "fig4": "cae2-2",
    "fig5": "cae2-10",
    "fig6": "cae2-30",
    "fig7": "cae2-10",
}
"""The run that a figure is made of: network and N."""
NAMES = tuple(NEEDS)
LIMIT = 10_000  # images that are shown: MNIST's test set
_SHOWS = {
    "fig1": "classic auto-encoder, N = 2",
    "fig2": "Siamese network, N = 2",
    "fig3": "CAE Model 2, N = 2",
    "fig4": "CAE Model 2, N = 2",
    "fig5": "CAE Model 2, N = 10, t-SNE",
    "fig6": "CAE Model 2, N = 30, t-SNE",
    "fig7": "CAE Model 2, N = 10",
}


def draw(
    name: str, runs: Mapping[str, Path], *, quick: bool = False, seed: int = 0, data: Path | None = None
) -> list[Drawing]:
    """Each picture of figure `name`: one; of fig7 one for each class.

    runs: folders that trainings left, by the names of `NEEDS`. quick: every title says that the runs are short. seed:
    of t-SNE. data: images with classes in place of the run's own test data; fig2 needs them, as a Siamese network's
    own data are pairs. DataError for an unknown figure, a run that is missing, and one that shows nothing: without a
    snapshot, with codes that are not finite.
    """
    if name not in NEEDS:
        close = difflib.get_close_matches(name, NAMES, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise DataError(f"no figure '{name}' (there are: {', '.join(NAMES)}){hint}")
    head = headed(f"Fig. {name[3:]}", quick)
    need = NEEDS[name]
    if need is None:
        return _network(head)
    if need not in runs:
        raise DataError(f"{name}: needs the run '{need}'; given: {', '.join(runs) or 'none'}")
    material = _gathered(name, runs[need], data)
    return _layers(material, head) if name == "fig7" else _map(material, name, head, seed)


def _gathered(name: str, folder: Path, data: Path | None) -> Material:
    """The run, its codes of the images and their classes."""
    from ..report.material import gather
    from ..solver.chosen import LAST
    from ..solver.run import Run
    from ..trained.network import Trained

    material = gather(Trained.of_run(Run(folder), snapshot=LAST), data, LIMIT)
    if material.codes is None:
        raise DataError(f"{name}: {folder}: {material.missing[0]}")
    if material.labels is None:
        raise DataError(f"{name}: {folder}: its test data hold no classes; give images that do")
    return material


def _map(material: Material, name: str, head: str, seed: int) -> list[Drawing]:
    """The codes in the plane, coloured by class."""
    from ..codes import classes_separated
    from ..viz import scatter
    from .judge import laid_out

    assert material.codes is not None
    assert material.labels is not None
    flat = name not in ("fig5", "fig6")
    places = material.codes if flat else laid_out(material.codes, seed, material.run.folder)
    found = classes_separated(places, material.labels)
    count = f"{len(places):,} test images"
    figure = scatter(
        places,
        material.labels,
        f"{head}: {_SHOWS[name]}",
        separated=(found.count, found.total),
        note=count,
        axis_names=("code 1", "code 2") if flat else ("", ""),
        scales=flat,
    )
    return [Drawing(name, head, f"{count} in the plane, {_SHOWS[name]}; {found} classes separated", figure)]


def _layers(material: Material, head: str) -> list[Drawing]:
    """One image of each class on its way through the network, classes in order."""
    from ..report.material import samples
    from ..trained.passes import layer_by_layer
    from ..viz.layers import layer_panels
    from ..viz.style import COLUMN

    assert material.examples is not None
    drawn = []
    for index, digit in sorted(samples(material), key=lambda sample: sample[1]):
        panels = layer_by_layer(material.trained, material.examples, index)
        title = f"{head}: digit {digit}, {_SHOWS['fig7']}"
        figure = layer_panels(panels, digit, title, named="digit", width=COLUMN)
        about = f"encoding and decoding digit {digit} (test image {index}), {_SHOWS['fig7']}"
        drawn.append(Drawing("fig7", head, about, figure))
    return drawn


def _network(head: str) -> list[Drawing]:
    """The network as the zoo writes it: no run is needed, and no data."""
    from ..draw.paint import to_figure
    from ..net.graph import build_graph
    from ..net.plan import make_plan
    from ..proto.read import read_net_text
    from ..zoo import build
    from .folded import folded

    document = read_net_text(build("cae2", 2).net_text)
    plan = make_plan(build_graph(document, "TRAIN"), lambda *_: [(100, 1, 28, 28)])
    figure = to_figure(folded(plan, f"{head}: {_SHOWS['fig3']}"))
    return [Drawing("fig3", head, f"{_SHOWS['fig3']}, every layer with the size of its blob", figure)]
