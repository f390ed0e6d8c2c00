"""`deepcae fit`: from pictures to codes and a report, the same as step by step, gone on with when stopped."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA

from deepcae import codes
from deepcae.cli import fitplan, fitting, main, options, training
from deepcae.cli.fitoptions import FitOptions
from deepcae.cli.fitplan import left_of, shortened, too_few
from deepcae.cli.imageflags import ImageFlags
from deepcae.data import open_rows
from deepcae.data.scaling import Scaling
from deepcae.prepare import Prepared, Understood
from deepcae.report.advice import Judged, came_to, seconds_for
from deepcae.solver import estimate, significance
from deepcae.solver.estimate import Estimate
from deepcae.solver.records import Step
from deepcae.zoo import designed, schedule

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


@pytest.fixture(scope="module", autouse=True)
def briefly_timed() -> Iterator[None]:
    """Trainings are estimated from few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "ENOUGH", 0.02)
        yield


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


def test_the_report_advises_what_the_terminal_advises(whole: tuple[Path, str, dict[str, Any]]) -> None:
    folder, said, _ = whole
    (advice,) = re.findall(r"^next: (.*)$", said.replace("\n  ", " "), re.MULTILINE)
    lead = html.unescape((folder / "run/report.html").read_text())
    assert f"What to try next: {advice}." in lead


def test_a_look_tells_images_network_and_time_and_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(here.rglob("*"))
    fit("pictures", "-o", "other", "--dry-run", "--json", *SHORT)
    told, said = capsys.readouterr()
    assert sorted(here.rglob("*")) == before
    answer = json.loads(told)
    design = json.loads(Path("run/fit.json").read_text())["lengths"][0]
    assert (answer["training"]["iterations"], answer["training"]["batch"]) == (design["ends"], 20)
    for words in (
        "60 of 1x12x10",
        "51 to train, 9 to test",
        answer["network"]["shapes"],
        "30 iterations of 20 images: about",
        "codes, pictures and report: about",
    ):
        assert words in said, words
    assert f"parameters {answer['network']['parameters']:,} learned" in said


def test_parameters_are_counted_alike_everywhere(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are learned, and those of the linear way, which are not."""
    fit("pictures", "-o", "other", "--dry-run", "--json")
    told, said = capsys.readouterr()
    network = json.loads(told)["network"]
    learned, fixed = network["parameters"], network["fixed_parameters"]
    assert fixed == 2 * 2 * 120 + 2 + 2 * 120
    assert f"{learned:,} learned, " in said
    assert f"; {fixed:,} fixed: the linear way, PCA" in " ".join(said.split())
    assert main(["summary", "run/model/net.prototxt", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["learned_parameters"], found["parameters"]) == (learned, learned + fixed)
    assert main(["summary", "run/model/net.prototxt"]) == 0
    assert f"{learned:,} learned, and {fixed:,} fixed (lr_mult: 0)\n" in capsys.readouterr().out
    page = Path("run/report.html").read_text()
    assert f"{learned:,}" in page
    assert f"{fixed:,} more are fixed" in page
    assert f"{learned + fixed:,} parameters" not in page


def test_a_look_tells_what_minutes_make_of_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit("pictures", "-o", "other", "--dry-run", "--json", "--minutes", 0.02, "--threads", 1)
    told, said = capsys.readouterr()
    answer = json.loads(told)["training"]
    assert f"--minutes 0.02: {answer['iterations']:,} iterations in place of 5" in said  # of 500, or a few more
    assert answer["iterations"] < 500
    assert answer["iterations"] % answer["test_interval"] == 0


@pytest.mark.parametrize("look", [["--dry-run"], []])
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--dims", "120"], "dims is 120, but must be less than the 120 values of an image of 1x12x10"),
        (["--dims", "2", "--width", "0"], "width is 0, but must be a number above 0"),
        (["--dims", "2", "--split", "none"], "without images held out nothing says how good the codes are"),
        (["--dims", "2", "--patch", "20x20"], "less than patch 20x20"),
    ],
)
def test_impossible_numbers_are_refused_before_anything_is_stored(
    words: list[str], complaint: str, look: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "pictures", "-o", "other", *words, *look]) == 2
    assert complaint in capsys.readouterr().err
    assert not Path("other").exists()


def test_more_numbers_than_training_images_are_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "pictures", "-o", "other", "--dims", "51", "--dry-run"]) == 0
    assert "51 numbers for a code are as many as there are training images (51)" in capsys.readouterr().out


def test_few_large_images_are_advised_to_be_cut(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for size, told in ((200, True), (100, False)):
        np.save("large.npy", np.random.default_rng(0).random((12, size, size), np.float32))
        fit("large.npy", "-o", "cut", "--dry-run", "--set", "max_iter: 1", "--every", 2)
        said = " ".join(capsys.readouterr().out.split())
        advice = "deepcae fit large.npy --dims 2 --every 2 --patch 64x64 -o cut"
        assert (f"6 images of 1x{size}x{size} are few, and large; cut into 54 patches" in said) == told
        assert (advice in said) == told
    np.save("large.npy", np.random.default_rng(0).random((12, 200, 200), np.float32))
    fit("large.npy", "-o", "cut", "--dry-run", "--set", "max_iter: 1", "--patch", "64x64")
    assert "few, and large" not in capsys.readouterr().out


def test_the_single_steps_give_the_same_bytes(here: Path) -> None:
    lines = Path("run/steps.sh").read_text().splitlines()[1:]
    assert [line.split()[1] for line in lines] == ["data", "zoo", "train", "encode", "plot", "report"]
    for line in lines[:-2]:
        words = [word.replace("run", "byhand", 1) if word.startswith("run") else word for word in shlex.split(line)]
        assert main(words[1:]) == 0
    for name in ("data/train.h5", "model/start.caffemodel", "design_iter_30.caffemodel", "codes.csv"):
        assert Path("byhand", name).read_bytes() == Path("run", name).read_bytes(), name


def test_what_lies_in_the_working_directory_is_not_taken_for_the_fits_own(here: Path) -> None:
    for name in ("net.prototxt", "start.caffemodel"):
        Path(name).write_text("layer { nonsense }")
    fit("pictures", "-o", "own", *SHORT[2:], "--set", "max_iter: 4 test_interval: 2", "--linear")
    assert Path("own/codes.csv").exists()
    assert main(["train", "--solver", "own/model/solver.prototxt", "--out", "own", "--snapshot", "latest", "-q"]) == 0


@pytest.mark.parametrize("wish", ["--mirror", "--no-mirror"])
def test_whether_images_are_mirrored_can_be_said(wish: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting.Fit, "_train", _stopped)
    fit("pictures", "-o", "told", *SHORT[2:], "--linear", wish)
    assert ("mirror: true" in Path("told/model/net.prototxt").read_text()) == (wish == "--mirror")
    assert f" {wish} " in Path("told/steps.sh").read_text().splitlines()[2]
    assert main(["fit", "pictures", "--dims", "2", "-o", "told", "--linear"]) == 2  # another wish


@pytest.fixture
def alone_is_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short race, in which a network beside the linear way learns nothing."""
    monkeypatch.setattr(schedule, "SHORTEST", 30)
    monkeypatch.setattr(schedule, "RATE", 1e-9)
    monkeypatch.setattr(schedule, "ALONE", 1e7)
    monkeypatch.setattr(designed, "JUDGES", 5)
    monkeypatch.setattr(significance, "WORTH", -1e9)  # whatever is ahead is good enough
    monkeypatch.setattr(significance, "SURE", -1e9)


@pytest.mark.usefixtures("alone_is_ahead")
def test_the_design_that_is_ahead_in_a_race_is_trained(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    longer = ["--set", "max_iter: 240 test_interval: 120 momentum: 0.8", *SHORT[2:]]
    fit("pictures", "-o", "raced", *longer)
    assert "race       30 iterations each; held-out error" in capsys.readouterr().err
    assert "linear_encode" not in Path("raced/model/net.prototxt").read_text()
    design = Path("raced/steps.sh").read_text().splitlines()[2].replace("raced/model", "byhand")
    assert main([*shlex.split(design)[1:], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["race"]["winner"], told["race"]["iterations"], told["starts_as_pca"]) == ("alone", 30, False)
    for name in ("net.prototxt", "solver.prototxt", "start.caffemodel"):
        ours, theirs = (Path(folder, name).read_bytes() for folder in ("raced/model", "byhand"))
        assert ours.replace(b"../data", b"") == theirs.replace(b"../raced/data", b"").replace(b"raced/data", b""), name
    fit("pictures", "-o", "raced", *longer)  # finished: nothing is raced again
    assert "race " not in capsys.readouterr().err
    assert Path("raced/steps.sh").read_text().splitlines()[2].replace("raced/model", "byhand") == design


@pytest.mark.usefixtures("alone_is_ahead")
@pytest.mark.parametrize(
    ("words", "length"), [([], 30), (["--linear"], 0), (["--set", "max_iter: 170"], 0), (["--minutes", "0.01"], 0)]
)
def test_a_look_counts_the_race(
    words: list[str], length: int, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitplan.FitPlan, "timed", lambda *_: Estimate(0.01, (0.02,)))
    fit("pictures", "-o", "other", "--dry-run", "--json", *SHORT[2:], *words)
    told, said = capsys.readouterr()
    assert json.loads(told)["race"] == {"iterations": length, "seconds": pytest.approx(0.02 * length)}
    assert ("race       30 iterations of each of two networks" in said) == bool(length)


@pytest.mark.usefixtures("alone_is_ahead")
def test_a_race_leaves_less_of_the_minutes(here: Path) -> None:
    fit_options = FitOptions([Path("pictures")], 2, 10.0, None, 20, (), ImageFlags())
    planned = fitting.Fit(Path("other"), fit_options, options.Machine("cpu", 1), False, True).look()
    quick, slow = Estimate(0.001, (0.02,)), Estimate(0.1, (0.02,))
    assert [planned.race(each) for each in (quick, slow)] == [30, 30]
    assert planned._left(quick) - planned._left(slow) == pytest.approx(2 * 30 * 0.099)


@pytest.mark.usefixtures("alone_is_ahead")
@pytest.mark.parametrize(
    ("words", "flag"),
    [(["--linear"], "--linear"), (["--no-linear"], "--no-linear"), (["--minutes", "0.01"], "--linear")],
)
def test_without_a_race_the_steps_say_which_design_it_is(
    words: list[str], flag: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fitplan, "SHARE_OF_RACE", 1e-9)
    monkeypatch.setattr(fitting.Fit, "_train", _stopped)
    fit("pictures", "-o", "told", *SHORT[2:], *words)
    assert "race" not in capsys.readouterr().err
    design = Path("told/steps.sh").read_text().splitlines()[2]
    assert f" {flag} " in design
    assert ("linear_encode" in Path("told/model/net.prototxt").read_text()) == (flag == "--linear")
    pca = json.loads(Path("told/fit.json").read_text())["design"]["pca"]
    if flag == "--linear":
        assert pca is None, "the first test tells it"
    else:
        assert pca == pytest.approx(_by_sklearn(Path("told/data")), rel=1e-4)


def _by_sklearn(data: Path) -> float:
    """Half the squared error of PCA with two numbers per held-out image, as it is shown."""
    scaling = Prepared.load(data).understood.scaling
    stored = [open_rows(data / f"{each}.h5") for each in ("train", "test")]
    train, test = (scaling.shown(rows.read(slice(0, rows.total))["data"]).reshape(-1, 120) for rows in stored)
    fitted = PCA(2).fit(train)
    return float(np.square(test - fitted.inverse_transform(fitted.transform(test))).sum() / 2 / len(test))


def _stopped(self: fitting.Fit) -> Any:
    return SimpleNamespace(finished=SimpleNamespace(reason="stopped"), require_whole=lambda: None)


def test_where_minutes_are_few_the_held_out_images_alone_are_encoded(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fitplan, "FOR_CODES", 0.0)
    fit("pictures", "-o", "brief", "--minutes", 0.02, *SHORT)
    assert "of the held-out images alone; `deepcae encode brief brief/data/all.txt -o FILE`" in capsys.readouterr().err
    assert len(codes.load("brief/codes.h5").codes) == len(codes.load("brief/codes.csv").codes) == 9
    assert "encode brief brief/data/test.txt" in Path("brief/steps.sh").read_text()


def test_what_comes_after_a_training_takes_a_part_of_the_minutes() -> None:
    told = Understood((), 10**6, {"train": 950_000, "test": 50_000}, (1, 8, 8), "uint8", (0, 1), Scaling(), {})

    def fit_options(minutes: float | None) -> FitOptions:
        return FitOptions([], 16, minutes, None, None, (), ImageFlags())

    assert fitplan.mapped(fit_options(None)) == fitplan.mapped(fit_options(60)) == options.SHOWN
    assert fitplan.MAPPED * fitplan.mapped(fit_options(2)) <= 60 * 2 * fitplan.FOR_MAP
    assert fitplan.mapped(fit_options(0.01)) == fitplan.FEWEST
    assert fitplan.only_held_out(fit_options(5), told, 10.0)
    assert not fitplan.only_held_out(fit_options(50), told, 10.0)
    assert not fitplan.only_held_out(fit_options(None), told, 10.0)
    assert fitplan.after(fit_options(5), told, 10.0) < 60 * 5 * (fitplan.FOR_MAP + fitplan.FOR_CODES) + fitplan.SPARE
    assert fitplan.after(fit_options(None), told, 10.0) > 200


def stop_at(iteration: int, *words: object) -> None:
    """A fit that is stopped behind an iteration."""
    take = training.Listener.take

    def stopping(self: training.Listener, record: Any) -> None:
        take(self, record)
        if isinstance(record, Step) and record.iteration >= iteration:
            self.solver.request_stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.Listener, "take", stopping)
        fit(*words)


def test_a_stopped_training_is_gone_on_with(here: Path) -> None:
    stop_at(12, "pictures", "-o", "parts", *SHORT)
    assert not Path("parts/codes.csv").exists()
    fit("pictures", "-o", "parts", *SHORT)
    for name in ("design_iter_30.caffemodel", "codes.csv"):
        assert Path("parts", name).read_bytes() == Path("run", name).read_bytes(), name
    assert not [*Path("parts").rglob("*~*")]  # nothing there is taken for somebody else's


def stamps(folder: Path) -> dict[str, int]:
    """When each file of a fit was written; steps.sh and fit.json, which tell of it, aside."""
    found = {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    return {name: at for name, at in found.items() if name not in ("steps.sh", "fit.json")}


def test_what_is_done_is_not_done_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit("pictures", "-o", "parts", *SHORT)
    before, steps = stamps(Path("parts")), Path("parts/steps.sh").read_text()
    capsys.readouterr()
    fit("pictures", "-o", "parts", *SHORT, "--json")
    told, said = capsys.readouterr()
    assert stamps(Path("parts")) == before
    assert Path("parts/steps.sh").read_text() == steps
    assert "done before: it trained 30 iterations" in said
    assert "all of this was there before" in said
    assert json.loads(told)["test"] == json.loads(Path("parts/metrics.jsonl").read_text().splitlines()[-1])["test"]


def test_what_is_missing_or_older_than_the_weights_is_made_again(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = "codes.h5"
    fit("pictures", "-o", "parts", *SHORT)
    content, before = Path("parts", lost).read_bytes(), stamps(Path("parts"))
    Path("parts", lost).unlink()
    fit("pictures", "-o", "parts", *SHORT)
    assert Path("parts", lost).read_bytes() == content
    now = stamps(Path("parts"))
    assert {name for name in now if now[name] != before[name]} == {lost, "codes.csv"}  # computed once for both
    os.utime(Path("parts", lost), (0, 0))
    capsys.readouterr()
    fit("pictures", "-o", "parts", *SHORT)
    assert Path("parts", lost).stat().st_mtime > 0
    assert "all of this was there before" not in capsys.readouterr().err
    assert not [*Path("parts").rglob("*~*")]


def test_more_time_goes_on_with_a_finished_training(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the iterations of a training that has so many from the beginning; by hand the same."""
    longer = [SHORT[0], SHORT[1].replace("30", "50"), *SHORT[2:]]
    fit("pictures", "-o", "parts", *SHORT)
    shorter = Path("parts/codes.csv").read_bytes()
    capsys.readouterr()
    fit("pictures", "-o", "parts", *longer)
    assert "20 more iterations, to 50" in capsys.readouterr().err
    assert Path("parts/codes.csv").read_bytes() != shorter
    lines = [line for line in Path("parts/steps.sh").read_text().splitlines() if " train " in line]
    assert len(lines) == 2
    for line in lines:
        words = [word.replace("--out", "--out=byhand").replace("parts", "") for word in shlex.split(line)]
        words = [word for word in words if word != ""]
        words = [word.replace("/model/", "parts/model/") if word.startswith("/model") else word for word in words]
        assert main(words[1:]) == 0
    last = "design_iter_50.caffemodel"
    assert Path("byhand", last).read_bytes() == Path("parts", last).read_bytes()
    capsys.readouterr()
    fit("pictures", "-o", "parts", *SHORT)  # fewer: nothing of what is done is given up
    said = capsys.readouterr().err
    assert "50 iterations are done, and no more are asked for" in said
    assert "all of this was there before" in said


def test_minutes_bound_a_training_and_more_of_them_go_on(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["pictures", "-o", "short", "--batch", "20", "--threads", "1", "--set", "patience: 0"]
    fit(*words, "--minutes", 0.01)
    assert "--minutes 0.01: " in capsys.readouterr().err
    (first,) = json.loads(Path("short/fit.json").read_text())["lengths"]
    assert f"--set '{first['course'][0]}'" in Path("short/steps.sh").read_text()
    fit(*words, "--minutes", 0.03)
    lengths = json.loads(Path("short/fit.json").read_text())["lengths"]
    assert [each["minutes"] for each in lengths] == [0.01, 0.03]
    assert lengths[0] == first
    assert lengths[1]["begins"] == first["ends"] < lengths[1]["ends"]
    records = [json.loads(line) for line in Path("short/metrics.jsonl").read_text().splitlines()]
    assert records[-1]["iteration"] == lengths[1]["ends"]


def test_a_stopped_training_takes_a_new_length_and_says_where_it_was_stopped(here: Path) -> None:
    stop_at(12, "pictures", "-o", "parts", *SHORT)
    fit("pictures", "-o", "parts", SHORT[0], SHORT[1].replace("30", "20"), *SHORT[2:])
    assert Path("parts/design_iter_20.caffemodel").exists()
    assert "# stopped at iteration 13, and gone on with by" in Path("parts/steps.sh").read_text()


def test_patience_ends_a_training_and_the_rest_follows(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    early = ["--set", "max_iter: 400 test_interval: 1 patience: 2 base_lr: 0.5", "--threads", "1"]
    fit("pictures", "-o", "early", *early)
    records = [json.loads(line) for line in Path("early/metrics.jsonl").read_text().splitlines()]
    assert records[-1]["reason"] == "stopped early"
    assert codes.load("early/codes.h5").codes.shape == (COUNT, 2)
    before = stamps(Path("early"))
    capsys.readouterr()
    fit("pictures", "-o", "early", *early, "--minutes", 10)
    assert "ended as the held-out images were restored no better; more time changes nothing" in capsys.readouterr().err
    assert stamps(Path("early")) == before


def test_another_fit_in_its_place_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("run/codes.csv").read_bytes()
    fit("pictures", "-o", "run", *SHORT, "--crop", "8x8", code=2)
    assert "holds a fit with another choice of images: none, not --crop 8x8; take another -o" in capsys.readouterr().err
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
    one = next(Path("pictures").rglob("*.png"))
    capsys.readouterr()
    refit()
    assert "written to" not in capsys.readouterr().err
    one.write_bytes(one.read_bytes() + b"more")
    refit()
    assert f"warning: written to since they were stored, which is not looked at: {one}" in capsys.readouterr().err
    one.unlink()
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


def test_minutes_are_kept_for_codes_and_pictures() -> None:
    """By what a test of the held-out images takes, and by what a map of them does."""

    def left(minutes: float, rows: dict[str, int], dims: int = 16, test: float = 2.0) -> float:
        fit_options = FitOptions([Path("images")], dims, minutes, None, None, (), None)  # type: ignore[arg-type]
        return left_of(fit_options, SimpleNamespace(rows=rows), test)  # type: ignore[arg-type]

    mnist = {"train": 60_000, "test": 10_000}
    assert left(10, mnist) == pytest.approx(600 - 30 - 7 * 2 - 70, abs=1)
    assert left(10, mnist, dims=2) == pytest.approx(600 - 30 - 7 * 2, abs=1)
    assert left(10, {"train": 900_000, "test": 10_000}, dims=2) == pytest.approx(600 - 30 - 91 * 2, abs=1)
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


def test_what_gives_more_time_is_told() -> None:
    records = records_of(4.0, 3.0, 2.0)
    every = came_to(records, 8, Judged(bounded=True))[-1]  # iteration was made: minutes alone bring no more
    assert "with --set 'max_iter: 40' and, where they do not reach, more --minutes goes on" in every
    assert "the same command with --set 'max_iter: 40' goes on" in came_to(records, 8, Judged(bounded=False))[-1]
    cut = came_to(records, 8, Judged(bounded=True, whole=500, takes="9 min"))[-1]
    assert cut == (
        "next: --minutes left it 20 of 500 iterations; all of them take about 9 min; "
        "the same command with more --minutes goes on from here"
    )


def test_the_time_of_all_iterations_has_their_tests() -> None:
    """55 iterations of 0.1 s and 10 tests of 1.5 s; a whole training of 504 has tests, too, though fewer for each."""
    tests = [{"kind": "test", "iteration": step} for step in range(0, 60, 6)]
    ended = {"kind": "finished", "iteration": 55, "seconds": 20.5, "seconds_per_iteration": 0.1}
    part = [{"kind": "started", "iteration": 0}, *tests, ended]
    assert seconds_for(504, 42, part) == pytest.approx(50.4 + 13 * 1.5)
    assert seconds_for(504, 0, part) == pytest.approx(50.4)
    nothing = {"kind": "finished", "iteration": 55, "seconds": 1.0, "seconds_per_iteration": 0.0}
    assert seconds_for(504, 42, [*part, {"kind": "started", "iteration": 55}, tests[0], nothing]) > 60
    assert seconds_for(504, 42, []) == 0


def test_a_training_that_ended_too_early_does_not_blame_the_images() -> None:
    """PCA is kept, as no test was surely better; but patience did not end it."""
    records = [*records_of(4.0, 3.99, 3.98), {"kind": "kept", "iteration": 0}]
    said = came_to(records, 8, Judged(bounded=True))
    assert said[-1].startswith("next: 20 iterations brought little: the same command with --set 'max_iter: 40' and")
    assert "(the best of them, 3.98 at iteration 20, by 0.5 %)" in said[-2]
    ended = [*records, {"kind": "finished", "reason": "stopped early"}]
    assert came_to(ended, 8)[-1].startswith("next: more images")


def test_what_was_learned_by_heart_is_told_without_a_warning() -> None:
    trained = [
        {"kind": "train", "iteration": step, "outputs": {"l2_error": error}} for step, error in ((9, 3), (20, 1))
    ]
    for last, heart in ((4.0, True), (3.1, False)):
        said = came_to([*trained, *records_of(5.0, 3.0, last)], 8)
        assert ("by heart" in said[-1]) == heart


def test_the_share_of_the_variance_that_is_restored_is_told() -> None:
    said = came_to(records_of(4.0, 3.0, 3.5), 8, Judged(mean=12.0))
    assert "3 (75 % of their variance restored), after 10" in said[0]
    assert "4 (66.7 % of their variance restored)" in said[1]


def test_minutes_that_do_not_reach_are_told_before() -> None:
    def told(minutes: float | None, rest: float, training: float) -> list[str]:
        return too_few(FitOptions([], 2, minutes, None, None, (), None), rest, training)  # type: ignore[arg-type]

    assert told(0.5, 40, 15) == [
        "codes, pictures and report alone take about 40 s: all together takes longer than --minutes 0.5, about 55 s"
    ]
    assert told(1, 40, 15) == told(None, 400, 150) == []


def test_a_training_that_is_cut_short_has_no_patience() -> None:
    """Tests follow each other so closely then that none is surely better."""
    param = SimpleNamespace(max_iter=1000, test_interval=50, test_iter=[1], test_initialization=True, patience=12)
    assert "patience: 0" in shortened(Estimate(1.0, (0.0,)), param, 100)[0]
    assert "patience" not in shortened(Estimate(1.0, (0.0,)), param, 800)[0]
    assert shortened(Estimate(1.0, (0.0,)), param, 5000) == []


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
