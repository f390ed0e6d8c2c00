"""Data without classes at the command line: errors of images, colours of the points, the line of PCA in `eval`."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae import codes
from deepcae.cli import main
from deepcae.codes.cluster import find_clusters
from deepcae.net.net import Net


@pytest.fixture
def plain(run: Path, model: Path) -> Path:
    """A run whose data have a speed in place of classes."""
    for name in ("train", "test"):
        with h5py.File(model / f"{name}.h5", "a") as file:
            del file["label"]
            file["label"] = np.linspace(0, 29.5, len(file["data"]), dtype=np.float32)
            file["side"] = np.arange(len(file["data"])) % 2
    return run


def errors_of(run: Path, model: Path) -> np.ndarray:
    net = Net(model / "net.prototxt", "TEST", weights=run / "tiny_iter_6.caffemodel", seed=0)
    with h5py.File(model / "test.h5") as file:
        images = file["data"][()]
    restored = net(data=images, want=["restored"])["restored"].numpy()
    return 0.5 * ((restored - images.reshape(12, 36)) ** 2).sum(axis=1)


@pytest.mark.parametrize("ending", ["h5", "npz", "csv", "mat"])
def test_encode_writes_the_error_of_each_image(
    ending: str, plain: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encode", str(plain), "-o", f"c.{ending}"]) == 0
    found = codes.load(f"c.{ending}")
    expected = errors_of(plain, model)
    np.testing.assert_allclose(found.error, expected, rtol=1e-5)
    assert found.classes is None  # the labels are a speed
    assert f"mean {expected.mean():.4g}, median {np.median(expected):.4g}" in capsys.readouterr().err
    assert main(["encode", str(plain), "-o", f"c.{ending}", "--json"]) == 0
    answered = json.loads(capsys.readouterr().out)
    assert answered["codes"] == 12
    assert answered["error"]["worst"] == pytest.approx(expected.max(), rel=1e-5)


def test_clusters_are_a_column_that_colours(
    plain: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["encode", str(plain), "-o", "c.csv", "--clusters"]) == 0
    assert "clusters, in column 'cluster': " in capsys.readouterr().err
    found = codes.load("c.csv")
    wanted = find_clusters(found.codes)
    np.testing.assert_array_equal(found.columns["cluster"], wanted.labels)
    assert np.bincount(wanted.labels).tolist() == wanted.to_json()["sizes"]
    monkeypatch.delattr("deepcae.codes.cluster.find_clusters")  # those of the file are drawn
    assert main(["plot", "c.csv", "-o", "c.svg", "--colour-by", "cluster", "-q"]) == 0


def test_a_blob_of_another_kind_has_the_same_errors(plain: Path, model: Path) -> None:
    assert main(["encode", str(plain), "-o", "c.npz", "--blob", "conv", "-q"]) == 0
    np.testing.assert_allclose(codes.load("c.npz").error, errors_of(plain, model), rtol=1e-5)
    assert main(["encode", str(plain), "-o", "c.npz", "--blob", "restored", "-q"]) == 0
    np.testing.assert_allclose(codes.load("c.npz").error, errors_of(plain, model), rtol=1e-5)


def test_eval_without_classes(plain: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["eval", str(plain), "-q"]) == 0
    out, err = capsys.readouterr()
    expected = errors_of(plain, model)
    for title, value in (
        ("Euclidean loss", expected.mean()),
        ("its median", np.median(expected)),
        ("worst image", expected.max()),
    ):
        (line,) = [line for line in out.splitlines() if line.startswith(title)]
        assert float(line.split()[-1]) == pytest.approx(value, rel=1e-3)
    assert "PCA of as many N" in out
    assert "mean image" in out
    assert "–" not in out  # no rows of dashes
    assert "kNN" not in out
    assert "labels 'label' are numbers, not classes" in err
    assert "its images are worse than those of PCA" in err
    assert main(["eval", str(plain), "-q", "--json"]) == 0
    (values,) = json.loads(capsys.readouterr().out)["codes"]
    assert values["l2_pca"] < values["l2"]
    assert values["knn"] is None


def test_plot_by_any_column(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("beh.csv").write_text("lick,trial\n" + "".join(f"{number / 7},{number % 3}\n" for number in range(12)))
    asked = [word for name in ("time", "error", "side", "beh.csv:lick") for word in ("--colour-by", name)]
    assert main(["plot", str(plain), "-o", "p", "--what", "scatter", *asked]) == 0
    names = sorted(path.name for path in Path("p").iterdir())
    assert names == ["scatter-error.png", "scatter-lick.png", "scatter-side.png", "scatter-time.png"]
    assert main(["plot", str(plain), "-o", "one.svg", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": ["one.svg"]}
    assert "separated" not in Path("one.svg").read_text()
    assert main(["encode", str(plain), "-o", "c.csv", "-q"]) == 0
    assert main(["plot", "c.csv", "-o", "m.svg", "--colour-by", "error"]) == 0
    assert main(["plot", "c.csv", "-o", "e.png", "--what", "errors"]) == 0
    capsys.readouterr()
    for name, words in (("beh.csv", "has 2 columns; name one"), ("speed", "no array 'speed'")):
        assert main(["plot", str(plain), "-o", "x.png", "--colour-by", name]) == 2
        assert words in capsys.readouterr().err


def test_report_by_a_column(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(plain), "--colour-by", "side", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(plain / "report.html")}
    text = (plain / "report.html").read_text()
    for words in ("Codes by label", "Codes by side", "Error of each image"):
        assert words in text
