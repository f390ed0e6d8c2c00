"""`deepcae eval`: codes judged from the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deepcae import codes
from deepcae.cli import main
from deepcae.codes import knn_accuracy
from deepcae.codes.classify import linear_accuracy
from deepcae.codes.faithful import trustworthiness

ROWS = {"train": 1000, "test": 200}  # so many that t-SNE looks for neighbours as it does among thousands
SMALL = "max_iter: {} test_iter: 3 test_interval: 20 display: 0 random_seed: 2"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a part of the embedded digits and two short trainings on them, `first` and `second`."""
    folder = tmp_path_factory.mktemp("digits")
    assert main(["data", "digits", "-o", str(folder / "data"), "-q"]) == 0
    for part, rows in ROWS.items():
        with h5py.File(folder / f"data/{part}.h5", "r+") as file:
            for name in ("data", "label"):
                kept = file[name][:rows]
                del file[name]
                file[name] = kept
    lists = [str(folder / f"data/{part}.txt") for part in ("train", "test")]
    for name, dims, steps in (("first", 2, 20), ("second", 5, 40)):
        texts, out = folder / f"{name}-model", folder / name
        assert main(["zoo", "cae1", "--dims", str(dims), "--data", *lists, "-o", str(texts)]) == 0
        argv = ["--solver", str(texts / "solver.prototxt"), "--set", SMALL.format(steps), "--out", str(out)]
        assert main(["train", *argv, "--threads", "1", "-q"]) == 0
    return folder


def answered(capsys: pytest.CaptureFixture[str], *argv: object) -> Any:
    capsys.readouterr()
    assert main(["eval", *map(str, argv), "--json", "-q", "--threads", "1"]) == 0
    return json.loads(capsys.readouterr().out)


def contents(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with h5py.File(path) as file:
        return file["data"][()], file["label"][()]


def test_what_goes_with_the_codes(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The labels, without being asked for; a column of a file; counts for programs."""
    speed = np.random.default_rng(0).random(ROWS["test"])
    np.save(tmp_path / "speed.npy", speed)
    (found,) = answered(capsys, digits / "first", "--covariate", tmp_path / "speed.npy")["codes"]
    assert (found["test"], found["left_out"], found["classes"]) == (200, 0, 10)
    by_label, by_speed = found["related"]
    assert (by_label["name"], by_label["n"], len(by_label["eta2"])) == ("label", 200, 2)
    assert (by_speed["name"], len(by_speed["spearman"]), len(by_speed["pearson"])) == ("speed", 2, 2)
    assert 0 < by_speed["chance"] < 0.3 < max(by_label["eta2"])
    assert main(["eval", str(digits / "first"), "--covariate", f"{tmp_path}/speed.npy", "-q", "--threads", "1"]) == 0
    told = capsys.readouterr().out
    assert "η² label   r speed   ρ speed" in told


def test_a_run_beside_another_and_the_baselines(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answered(capsys, digits / "first", "--against", digits / "second", "--baselines", "--seed", 3)
    names = ["first", "second", "PCA, N = 2", "PCA, N = 5", "t-SNE, N = 2"]
    judged = {each["name"]: each for each in found["codes"]}
    assert list(judged)[:5] == names
    assert [judged[name]["dims"] for name in names] == [2, 5, 2, 5, 2]
    assert {(each["train"], each["test"], each["classes"]) for each in judged.values()} == {(*ROWS.values(), 10)}
    assert found["seed"] == 3
    assert judged["t-SNE, N = 2"]["knn"] > 0.9 > judged["PCA, N = 2"]["knn"] > judged["first"]["knn"]
    assert judged["PCA, N = 5"]["l2"] < judged["PCA, N = 2"]["l2"] < judged["first"]["l2"]
    assert ("UMAP, N = 2" in judged) != any("pip install 'deepcae[umap]'" in note for note in found["notes"])


def test_a_runs_numbers_are_those_of_its_codes(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = answered(capsys, digits / "second")["codes"]
    for part in ("train", "test"):
        argv = [str(digits / "second"), str(digits / f"data/{part}.txt"), "-o", str(digits / f"{part}.npz")]
        assert main(["encode", *argv, "-q"]) == 0
    train, test = (codes.load(digits / f"{part}.npz") for part in ("train", "test"))
    images, truth = contents(digits / "data/test.h5")
    assert train.labels is not None
    given = (train.codes, train.labels, test.codes, truth)
    assert found["knn"] == knn_accuracy(*given[:2], test_codes=test.codes, test_labels=truth)
    assert found["linear"] == linear_accuracy(*given)
    assert found["trustworthiness"] == pytest.approx(trustworthiness(images, test.codes))
    test_records = [json.loads(line) for line in (digits / "second/metrics.jsonl").read_text().splitlines()]
    outputs = [record["outputs"] for record in test_records if record["kind"] == "test"][-1]
    assert found["cross_entropy"] == pytest.approx(outputs["cross_entropy_loss"], rel=0.05)  # of other batches
    assert found["l2"] == pytest.approx(outputs["l2_error"], rel=0.05)


def test_files_of_codes_say_the_same_with_images_beside_them(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (expected,) = answered(capsys, digits / "first")["codes"]
    files = [digits / f"codes-{part}.h5" for part in ("train", "test")]
    lists = [digits / f"data/{part}.txt" for part in ("train", "test")]
    for file, images in zip(files, lists, strict=True):
        assert main(["encode", str(digits / "first"), str(images), "-o", str(file), "-q"]) == 0
    answer = answered(capsys, "--codes", *files, "--data", *lists)
    (found,) = answer["codes"]
    assert answer["notes"] == []
    for name in ("l2", "l2_median", "l2_worst"):  # of the column `error`, in single precision
        assert found[name] == pytest.approx(expected.pop(name), rel=1e-5)
    missing = dict.fromkeys(("cross_entropy", "l2_pca", "l2_mean"))
    assert {name: value for name, value in found.items() if name not in ("l2", "l2_median", "l2_worst")} == {
        **expected,
        "name": "codes-test",
        **missing,
    }
    (alone,) = answered(capsys, "--codes", *files)["codes"]
    assert alone == {**found, "trustworthiness": None, "continuity": None}


def heaps(folder: Path, labels: bool = True) -> tuple[list[Path], np.ndarray]:
    """Two files of codes in three heaps, and the classes."""
    truth = np.arange(90) % 3
    paths = []
    for seed, name in enumerate(("train", "test")):
        rows = np.random.default_rng(seed).normal(size=(90, 2)) + 20 * np.eye(3, 2)[truth]
        paths.append(codes.save(folder / f"heaps-{name}.h5", rows, truth if labels else None))
    return paths, truth


def test_labels_from_other_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, truth = heaps(tmp_path, labels=False)
    without = answered(capsys, "--codes", *files)
    assert without["codes"][0]["kmeans"] is None
    assert "heaps-test: the test codes have no classes: only the measures that need none" in without["notes"]
    np.save(tmp_path / "labels.npy", truth)
    np.savez(tmp_path / "hot.npz", data=np.zeros((90, 2)), label=np.eye(3)[truth])
    (found,) = answered(capsys, "--codes", *files, "--labels", tmp_path / "labels.npy", tmp_path / "hot.npz")["codes"]
    assert {found[name] for name in ("knn", "linear", "mlp", "kmeans", "ari")} == {1.0}
    assert (found["separated"], found["classes"]) == (3, 3)


def test_the_table_and_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, _ = heaps(tmp_path)
    assert main(["eval", "--codes", *map(str, files), "--seed", "7"]) == 0
    shown = capsys.readouterr()
    assert "100.00 %" in shown.out
    assert "3 of 3" in shown.out
    assert "seed 7; " in shown.out
    assert "accuracy on 90 test codes" in shown.out
    assert "after 90 training codes" in shown.out
    assert "the images of the codes are not at hand" in shown.err
    assert main(["eval", "--codes", *map(str, files), "--csv", "-q"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["name"], row["dims"], row["linear"], row["l2"], row["separated"]) == ("heaps-test", "2", "1.0", "", "3")


def test_few_examples_leave_out_what_needs_more(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answered(capsys, run)
    (judged,) = found["codes"]
    assert judged["linear"] is not None
    assert judged["l2"] is not None
    assert judged["trustworthiness"] is None
    worse, *others = found["notes"]
    assert worse.startswith("run: its images are worse than those of PCA: ")
    assert others == [
        "run: no trustworthiness and continuity: neighbourhoods of 10 need more than 20 codes; there are 12"
    ]


def test_a_run_without_its_training_data_keeps_the_other_measures(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "train.h5").unlink()
    found = answered(capsys, run, "--baselines")
    assert found["codes"][0]["knn"] is None
    assert found["codes"][0]["kmeans"] is not None
    assert "no baselines: there are no training images" in found["notes"]
    assert any(
        note.startswith("run: no training codes: ") and "'train.h5', does not" in note for note in found["notes"]
    )


def test_pairs_of_a_siamese_net_are_no_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, truth = heaps(tmp_path)
    codes.save(files[1], codes.load(files[1]).codes, truth, {"labels": "sim"})
    assert answered(capsys, "--codes", *files)["codes"][0]["knn"] is None


def test_a_code_of_one_image_is_not_compared_with_a_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "pairs", "--source", "digits", "-o", "pairs", "-q"]) == 0
    assert main(["zoo", "siamese", "--data", "pairs/train.txt", "pairs/test.txt", "-o", "net"]) == 0
    settings = "max_iter: 3 test_interval: 3 test_initialization: false snapshot: 0"
    assert main(["train", "--solver", "net/solver.prototxt", "--out", "pairs-run", "--set", settings, "-q"]) == 0
    capsys.readouterr()
    found = answered(capsys, "pairs-run")
    assert (found["codes"][0]["trustworthiness"], found["codes"][0]["continuity"]) == (None, None)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ("", "give RUN, or --codes TRAIN TEST"),
        ("run --json --csv", "give --json or --csv, not both"),
        ("run --labels a.npy b.npy", "--labels belong to --codes"),
        ("nowhere", "nowhere: no run there"),
        ("run --data heaps-train.h5 nowhere.h5", "nowhere.h5: no such file"),
        ("--codes heaps-train.h5 nowhere.h5", "nowhere.h5: no such file"),
        ("--codes heaps-train.h5 wide.h5", "codes of one kind are needed; these have shapes [2] and [3]"),
        (
            "--codes heaps-train.h5 heaps-test.h5 --labels few.npy few.npy",
            "few.npy: holds 5 examples, but heaps-train.h5 has 90 codes",
        ),
        (
            "--codes heaps-train.h5 heaps-test.h5 --labels bare.h5 few.npy",
            "bare.h5: has neither 'label' nor 'labels'",
        ),
        ("--codes heaps-train.h5 nan.h5", "nan: code 4 holds a value that is not finite"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    run: Path, argv: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    heaps(Path())
    codes.save("wide.h5", np.zeros((90, 3)), np.arange(90))
    codes.save("bare.h5", np.zeros((90, 3)))
    broken = np.zeros((90, 2))
    broken[4] = np.nan
    codes.save("nan.h5", broken, np.arange(90) % 3)
    np.save("few.npy", np.arange(5))
    assert main(["eval", *argv.split()]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert sentence in errors[0]
