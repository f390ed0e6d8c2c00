"""`deepcae fit`: from pictures to codes and a report, the same as step by step, gone on with when stopped."""

from __future__ import annotations

import json
import shlex
import shutil
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepcae import codes
from deepcae.cli import fitting, main, training
from deepcae.report.advice import came_to
from deepcae.solver.estimate import Estimate
from deepcae.solver.records import Step

SHORT = ["--set", "max_iter: 30 test_interval: 10 snapshot: 10", "--batch", "20", "--threads", "1"]
COUNT = 60


def write_pictures(folder: Path) -> None:
    """Two classes of blobs, 12×10 pixels, as PNG files in two folders."""
    rng = np.random.default_rng(3)
    down, across = np.mgrid[:12, :10]
    for number in range(COUNT):
        kind = number % 2
        place = rng.uniform(3, 7, 2) + kind * 2
        blob = np.exp(-((down - place[0]) ** 2 + (across - place[1]) ** 2) / (3 + 5 * kind))
        path = folder / ("wide" if kind else "narrow") / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((blob * 255).astype(np.uint8)).save(path)


def fit(*words: object, code: int = 0) -> None:
    assert main(["fit", *map(str, words), "--dims", "2"]) == code


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any]]:
    """A folder with pictures/ and a fit of them in run/; what it said and answered."""
    folder = tmp_path_factory.mktemp("fit")
    write_pictures(folder / "pictures")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        patch.chdir(folder)
        fit("pictures", "-o", "run", *SHORT, "--json")
    return folder, err.getvalue(), json.loads(out.getvalue())


@pytest.fixture
def here(whole: tuple[Path, str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder to work in. Pictures and page are not made again."""
    shutil.copytree(whole[0], tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(fitting.Fit, "_show", lambda self: None)
    return tmp_path / "here"


def test_one_command_leads_from_pictures_to_codes_and_a_report(whole: tuple[Path, str, dict[str, Any]]) -> None:
    folder, _, answer = whole
    assert answer["iterations"] == 30
    found = codes.load(folder / "run/codes.h5")
    assert found.codes.shape == (COUNT, 2)
    assert found.labels is not None
    folders = [Path(name).parent.name for name in found.columns["name"]]  # of the pictures, which are their classes
    assert found.labels.tolist() == folders
    assert set(folders) == {"narrow", "wide"}
    assert (folder / "run/codes.csv").read_text().splitlines()[0].endswith(",source,row,name,part,label")
    assert ">wide<" in (folder / "run/report.html").read_text()
    assert (folder / "run/report.html").stat().st_size > 10_000
    assert {path.name for path in (folder / "run/pictures").iterdir()} >= {"scatter.png", "reconstructions.png"}


def test_what_it_understood_and_came_to_is_told(whole: tuple[Path, str, dict[str, Any]]) -> None:
    for words in (
        "60 of 1x12x10",
        "2 classes",
        "51 to train, 9 to test",
        "30 iterations, about",
        "PCA with as many",
        "2 numbers hold",
    ):
        assert words in whole[1]


def test_a_look_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit("pictures", "-o", "other", "--dry-run")
    assert "60 of 1x12x10" in capsys.readouterr().err
    assert not Path("other").exists()


def test_the_single_steps_give_the_same_bytes(here: Path) -> None:
    lines = Path("run/steps.sh").read_text().splitlines()[1:]
    assert [line.split()[1] for line in lines] == ["data", "zoo", "train", "encode", "encode", "plot", "report"]
    for line in lines[:-2]:
        words = [word.replace("run", "byhand", 1) if word.startswith("run") else word for word in shlex.split(line)]
        assert main(words[1:]) == 0
    for name in ("data/train.h5", "model/start.caffemodel", "design_iter_30.caffemodel", "codes.csv"):
        assert Path("byhand", name).read_bytes() == Path("run", name).read_bytes(), name


def test_a_stopped_training_is_gone_on_with(here: Path) -> None:
    take = training.Listener.take

    def stopping(self: training.Listener, record: Any) -> None:
        take(self, record)
        if isinstance(record, Step) and record.iteration >= 12:
            self.solver.request_stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.Listener, "take", stopping)
        fit("pictures", "-o", "parts", *SHORT)
    assert not Path("parts/codes.csv").exists()
    fit("pictures", "-o", "parts", *SHORT)
    for name in ("design_iter_30.caffemodel", "codes.csv"):
        assert Path("parts", name).read_bytes() == Path("run", name).read_bytes(), name
    assert not [*Path("parts").rglob("*~*")]  # nothing there is taken for somebody else's


def test_patience_ends_a_training_and_the_rest_follows(here: Path) -> None:
    fit(
        "pictures",
        "-o",
        "early",
        *SHORT[:1],
        "max_iter: 400 test_interval: 1 patience: 2 base_lr: 0.5",
        "--threads",
        "1",
    )
    records = [json.loads(line) for line in Path("early/metrics.jsonl").read_text().splitlines()]
    assert records[-1]["reason"] == "stopped early"
    assert codes.load("early/codes.h5").codes.shape == (COUNT, 2)


def test_another_fit_in_its_place_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("run/codes.csv").read_bytes()
    fit("pictures", "-o", "run", *SHORT, "--crop", "8x8", code=2)
    assert "holds a fit with another '" in capsys.readouterr().err
    assert Path("run/codes.csv").read_bytes() == before
    fit("pictures", "-o", "run", *SHORT, "--crop", "8x8", "--overwrite")
    assert json.loads(Path("run/data/images.json").read_text())["images"]["shape"] == [1, 8, 8]
    assert Path("run/codes.csv").read_bytes() != before


def refit(*words: object, code: int = 0) -> None:
    """The fit of `pictures` in `own`, which is as that in `run`."""
    fit("pictures", "-o", "own", *SHORT, *words, code=code)


def test_images_that_changed_are_told_and_texts_that_were_edited_are_kept(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refit()
    next(Path("pictures").rglob("*.png")).unlink()
    refit(code=2)
    assert "the images changed since they were stored: count was 60, and is 59" in capsys.readouterr().err
    Path("own/model/net.prototxt").write_text("# mine\n")
    refit("--overwrite")
    assert "what stood there before is kept: own/model/net.prototxt~" in capsys.readouterr().err
    assert Path("own/model/net.prototxt~").read_text() == "# mine\n"


def test_what_a_damaged_note_advises_helps(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("run/fit.json").write_text("{")
    fit("pictures", "-o", "run", *SHORT, code=2)
    assert "fit.json: is damaged" in capsys.readouterr().err
    fit("pictures", "-o", "run", *SHORT, "--overwrite")


def test_minutes_bound_the_training(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit("pictures", "-o", "short", "--minutes", 0.02, "--threads", "1", "--batch", "20")
    assert "--minutes 0.02: " in capsys.readouterr().err
    (course,) = json.loads(Path("short/fit.json").read_text())["course"]
    assert f"--set '{course}'" in Path("short/steps.sh").read_text()


def test_minutes_are_kept_for_codes_and_pictures(tmp_path: Path) -> None:
    """By what a test of the held-out images takes, and by what a map of them does."""

    def left(minutes: float, rows: dict[str, int], dims: int = 16, test: float = 2.0) -> float:
        wishes = fitting.Wishes([tmp_path], dims, minutes, None, None, (), None)  # type: ignore[arg-type]
        started = fitting.Fit(tmp_path / "run", wishes, "cpu", 1, False, True)
        started.__dict__["looked"] = SimpleNamespace(understood=SimpleNamespace(rows=rows))
        return started._left(minutes, test)

    mnist = {"train": 60_000, "test": 10_000}
    assert left(10, mnist) == pytest.approx(600 - 30 - 2 * 7 * 2 - 70, abs=1)
    assert left(10, mnist, dims=2) == pytest.approx(600 - 30 - 2 * 7 * 2, abs=1)
    assert left(10, {"train": 900_000, "test": 10_000}, dims=2) == pytest.approx(600 - 30 - 91 * 2, abs=1)  # no CSV
    assert left(1, mnist) == 30, "half at least is for the training"


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pictures_are_refused(count: int, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted(Path("pictures").rglob("*.png"))[count:]:
        path.unlink()
    fit("pictures", "-o", "other", code=2)
    (line,) = capsys.readouterr().err.removeprefix("1/5 images\n").splitlines()
    assert line.startswith("error: ")
    assert not Path("other").exists()


def records_of(*losses: float, overfits: bool = False) -> list[dict[str, Any]]:
    records = [{"kind": "test", "iteration": 10 * place, "loss": loss} for place, loss in enumerate(losses)]
    return records + ([{"kind": "warned", "warning": "overfitting"}] if overfits else [])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("records", "better", "advice"),
    [
        (records_of(4.0, 3.0, 2.0), "50% better", "still improving"),
        (records_of(4.0, 3.0, 3.5), "25% better", ""),
        (records_of(4.0, 3.0, 3.5, overfits=True), "25% better", "--width 0.5"),
        (records_of(4.0, 4.5, 5.0), "as good", "more images"),
        (records_of(4.0, 3.99, 5.0), "as good", "more images"),
    ],
)
def test_what_a_fit_came_to(records: list[dict[str, Any]], better: str, advice: str) -> None:
    said = came_to(records, 8)
    assert f"PCA with as many numbers (8): 4; the network is {better}" in said
    nexts = [line for line in said if line.startswith("next: ")]
    assert len(nexts) == bool(advice)
    assert advice in "".join(nexts)


def test_what_a_fit_came_to_is_told_of_the_images_where_neighbours_count_too() -> None:
    records = records_of(9.0, 5.0, 6.0)
    for record, error in zip(records, (4.0, 3.0, 2.0), strict=True):
        record["outputs"] = {"l2_error": error, "neighbour_loss": 1.0}
    said = came_to(records, 8)
    assert "half the squared error per held-out image: 3, after 10 iterations" in said
    assert "PCA with as many numbers (8): 4; the network is 25% better" in said


def test_a_training_fits_into_its_time() -> None:
    class Param:
        max_iter, test_interval, test_iter, test_initialization = 1000, 100, [5], True

    found = Estimate(0.1, (0.02,))
    assert found.seconds(Param) == pytest.approx(1000 * 0.1 + 11 * 5 * 0.02)
    iterations, interval = found.within(20.0, Param, 20)
    assert iterations % interval == 0
    assert iterations * 0.1 + (iterations // interval + 1) * 0.1 <= 20.0
    assert iterations > 150
    assert found.within(0.001, Param, 20) == (1, 1)
