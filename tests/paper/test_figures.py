"""The paper's figures from small runs: how many pictures, what stands in them, and what is said where one cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from deepcae.errors import DataError
from deepcae.paper.dots import Cell, dots, table_losses
from deepcae.paper.figures import NAMES, NEEDS, draw
from deepcae.printed import tables as printed
from deepcae.solver.solver import Solver
from deepcae.viz.style import COLUMN
from deepcae.zoo import build, write

IMAGES, CLASSES = 40, 4
SETTINGS = "max_iter: 2 display: 0 test_interval: 9 test_initialization: false snapshot: 2 random_seed: 3"


def trained(folder: Path, network: str, dims: int, data: Path) -> Path:
    model = build(network, dims, data / "train.txt", data / "test.txt", batch=20, folder=folder / "model")
    write(model, folder / "model")
    for _ in Solver(folder / "model/solver.prototxt", out=folder / "run", overrides=SETTINGS).solve():
        pass
    return folder / "run"


def write_data(folder: Path, datasets: dict[str, np.ndarray]) -> Path:
    folder.mkdir()
    for part in ("train", "test"):
        with h5py.File(folder / f"{part}.h5", "w") as file:
            for name, values in datasets.items():
                file[name] = values
        (folder / f"{part}.txt").write_text(f"{part}.h5\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    images = rng.random((IMAGES, 1, 28, 28), dtype=np.float32)
    labels = np.arange(IMAGES, dtype=np.float32) % CLASSES
    return write_data(tmp_path_factory.mktemp("data") / "images", {"data": images, "label": labels})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    images = rng.random((IMAGES, 2, 28, 28), dtype=np.float32)
    similar = np.arange(IMAGES, dtype=np.float32) % 2
    return write_data(tmp_path_factory.mktemp("data") / "pairs", {"pair_data": images, "sim": similar})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path, pairs: Path) -> Callable[[str], dict[str, Path]]:
    """The runs that a figure needs, each trained once."""
    done: dict[str, Path] = {}

    def runs(name: str) -> dict[str, Path]:
        need = NEEDS[name]
        if need is None:
            return {}
        if need not in done:
            network, _, dims = need.rpartition("-")
            source = pairs if network == "siamese" else data
            done[need] = trained(tmp_path_factory.mktemp(need), network, int(dims), source)
        return {need: done[need]}

    return runs


def words(page: Figure) -> str:
    return "\n".join(text.get_text() for text in page.findobj(Text))


@pytest.mark.parametrize("name", ["fig1", "fig2", "fig4", "fig5", "fig6"])
def test_codes_are_a_map_of_the_classes(name: str, run: Callable[[str], dict[str, Path]], data: Path) -> None:
    (drawing,) = draw(name, run(name), data=data / "test.txt")
    figure, title = drawing.figure, drawing.title
    (axes,) = figure.axes
    assert drawing.name == name
    assert title.startswith(f"Fig. {name[3:]}: 40 test images")
    assert f"Fig. {name[3:]}: " in words(figure)
    assert "classes separated" in words(figure)
    assert sum(len(np.asarray(drawn.get_offsets())) for drawn in axes.collections) == IMAGES
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1", "2", "3"]
    assert figure.get_figwidth() <= COLUMN
    embedded = name in ("fig5", "fig6")
    assert ("t-SNE" in title) == embedded
    assert (axes.get_xlabel() == "code 1") != embedded


def test_a_run_is_shown_with_its_own_data_unless_others_are_given(run: Callable[[str], dict[str, Path]]) -> None:
    (drawing,) = draw("fig4", run("fig4"))
    assert "40 test images" in drawing.about
    with pytest.raises(DataError, match=r"fig2: .*its test data hold no classes; give images that do"):
        draw("fig2", run("fig2"))


def test_layers_of_one_image_of_each_class(run: Callable[[str], dict[str, Path]]) -> None:
    drawn = draw("fig7", run("fig7"))
    assert len(drawn) == CLASSES
    for digit, drawing in enumerate(drawn):
        figure = drawing.figure
        assert (drawing.name, drawing.heading) == ("fig7", "Fig. 7")
        assert f"digit {digit} " in drawing.about
        heads = [axes.get_title(loc="left").split("\n") for axes in figure.axes]
        assert len(heads) == 16  # the image and the fifteen blobs of the paper's Fig. 3
        assert heads[0][0] == "01 data"
        assert heads[1] == ["02 conv1", f"digit {digit} · 20x20x8", heads[1][2]]
        assert heads[15][0] == "16 deconv1neursig"
        assert all(head[-1].startswith("[") for head in heads)
        assert figure.get_figwidth() <= COLUMN


def test_the_network_has_all_blobs_and_losses_and_needs_no_run() -> None:
    (drawing,) = draw("fig3", {})
    figure = drawing.figure
    assert drawing.title.startswith("Fig. 3: CAE Model 2")
    shown = words(figure).split("\n")
    chain = "data conv1 conv1sig conv2 conv2sig ip1encode ip1encodesig ip2encode ip1decode ip1decodesig deconv2"
    chain += " deconv2sig deconv1 deconv1sig deconv1neur deconv1neursig cross_entropy_loss l2_error"
    assert set(chain.split()) <= set(shown)
    assert "8×20×20 · conv 9×9" in shown
    assert "4×28×28 · deconv 17×17" in shown
    assert "297,391 parameters · size 7,990 elements" in shown


def test_no_words_overlap_or_leave_the_page(run: Callable[[str], dict[str, Path]], data: Path) -> None:
    (drawing,), (plane,) = (draw(name, run(name), data=data / "test.txt", quick=True) for name in ("fig3", "fig4"))
    network, codes = drawing.figure, plane.figure
    title = next(text for text in codes.findobj(Text) if text.get_text().startswith("Fig. 4"))
    for figure, texts in ((network, list(network.axes[0].texts)), (codes, [title])):
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in texts]
        assert all(box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 for box in boxes)
        assert all(box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1 for box in boxes)
        assert not any(a.overlaps(b) for index, a in enumerate(boxes) for b in boxes[:index])


def test_quick_is_said_in_every_title(run: Callable[[str], dict[str, Path]], data: Path) -> None:
    for name in ("fig1", "fig3", "fig7"):
        for drawing in draw(name, run(name), data=data / "test.txt", quick=True):
            assert "quick" in drawing.heading
            assert "quick" in words(drawing.figure)


def test_equal_runs_and_seeds_give_equal_maps(run: Callable[[str], dict[str, Path]]) -> None:
    def places(seed: int) -> np.ndarray:
        (drawing,) = draw("fig5", run("fig5"), seed=seed)
        return np.concatenate([np.asarray(drawn.get_offsets()) for drawn in drawing.figure.axes[0].collections])

    first, kept = places(1), list(run("fig5")["cae2-10"].glob("tsne-*.npy"))
    for path in kept:
        path.unlink()
    assert np.array_equal(places(1), first)
    assert not np.array_equal(places(2), first)


def test_a_map_is_laid_out_once(run: Callable[[str], dict[str, Path]], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(codes: np.ndarray, seed: int) -> np.ndarray:
        calls.append(seed)
        return codes[:, :2]

    monkeypatch.setattr("deepcae.paper.judge.tsne", counted)
    for seed in (7, 7, 8):
        draw("fig6", run("fig6"), seed=seed)
    assert calls == [7, 8]
    for path in run("fig6")["cae2-30"].glob("tsne-*.npy"):
        path.write_bytes(b"\x93NUMPY")
    draw("fig6", run("fig6"), seed=7)
    assert calls == [7, 8, 7], "a damaged file is no map"


def test_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no figure 'fig8' \(there are: fig1, .*, fig7\)"):
        draw("fig8", {})
    with pytest.raises(DataError, match="fig4: needs the run 'cae2-2'; given: cae2-10"):
        draw("fig4", {"cae2-10": tmp_path})
    with pytest.raises(DataError, match="no run there"):
        draw("fig4", {"cae2-2": tmp_path})
    assert [int(name.removeprefix("fig")) for name in NAMES] == [1, 2, 3, 4, 5, 6, 7]


# Tables I and IV


def results(share: float) -> dict[tuple[str, int], list[dict[str, Any]]]:
    cells = {**printed.cells("table1"), **printed.cells("table4")}
    return {
        key: [{"test": {name: share * value for name, value in run.test.items()}} for run in cell.runs]
        for key, cell in cells.items()
    }


@pytest.mark.parametrize(("name", "rows", "limits"), [("table1", 15, 10), ("table4", 6, 6)])
def test_every_run_is_a_point_and_every_cell_a_row(name: str, rows: int, limits: int) -> None:
    drawn = table_losses(name, results(1.02))
    assert [drawing.figure.axes[0].get_xlabel() for drawing in drawn] == [
        "test loss, nats per image",
        "test loss, ½·squared error per image",
    ]
    for drawing, blob in zip(drawn, printed.LOSSES, strict=True):
        figure = drawing.figure
        (axes,) = figure.axes
        assert drawing.name == name
        assert drawing.heading == {"table1": "Table I", "table4": "Table IV"}[name]
        assert len(axes.get_yticklabels()) == rows
        points = np.concatenate([np.asarray(each.get_offsets()) for each in axes.collections])
        expected = [run.test[blob] for cell in printed.cells(name).values() for run in cell.runs]
        assert np.allclose(np.sort(points[:, 0]), np.sort([*expected, *(1.02 * value for value in expected)]))
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert len(dashed) == limits
        assert figure.get_figwidth() <= COLUMN


def test_runs_that_are_missing_or_not_finite_are_told() -> None:
    figure = dots("Table I", "nats", [Cell("a", [1.0, 2.0], [math.nan, 3.0]), Cell("b", [1.0], [])])
    assert "1 not finite" in words(figure)
    drawing, _ = table_losses("table4", {("cae1", 2): [{"outcome": "died"}]}, quick=True)
    assert "1 not finite" in words(drawing.figure)
    assert "quick" in words(drawing.figure)


def test_other_tables_have_no_runs() -> None:
    with pytest.raises(DataError, match="table2 holds no losses of runs; table1 and table4 do"):
        table_losses("table2", {})
    with pytest.raises(DataError, match="no cells"):
        dots("", "", [])
