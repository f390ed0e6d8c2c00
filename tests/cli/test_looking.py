"""`deepcae encode`, `decode`, `embed`, `layers`, `plot`: what a run learned, in files and pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

from deepcae import codes
from deepcae.cli import main
from deepcae.net.net import Net


def done(*argv: object) -> None:
    assert main([*map(str, argv), "-q"]) == 0


def expected_codes(run: Path, model: Path, part: str = "test", blob: str = "code") -> np.ndarray:
    net = Net(model / "net.prototxt", "TEST", weights=run / "tiny_iter_6.caffemodel", seed=0)
    with h5py.File(model / f"{part}.h5") as file:
        return net(data=file["data"][()], want=[blob])[blob].numpy()


@pytest.mark.parametrize("ending", ["h5", "npz", "csv", "mat"])
def test_encode_the_runs_own_test_data(run: Path, model: Path, ending: str) -> None:
    done("encode", run, "-o", f"codes.{ending}")
    found = codes.load(f"codes.{ending}")
    np.testing.assert_allclose(found.codes, expected_codes(run, model), rtol=1e-6)
    np.testing.assert_array_equal(found.labels, np.arange(12) % 3)  # though the net reads none


def test_encode_writes_several_files_at_once(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done("encode", run, "-o", "one.csv")
    capsys.readouterr()
    done("encode", run, "-o", "both.h5", "-o", "both.csv", "--json")
    assert json.loads(capsys.readouterr().out)["files"] == ["both.h5", "both.csv"]
    before = Path("both.h5").read_bytes()
    assert main(["encode", str(run), "both.h5", "-o", "new.csv", "-o", "both.h5"]) == 2
    assert Path("both.h5").read_bytes() == before
    assert Path("both.csv").read_bytes() == Path("one.csv").read_bytes()
    np.testing.assert_allclose(codes.load("both.h5").codes, codes.load("one.csv").codes, rtol=1e-6)


def test_encode_from_files_and_any_blob(run: Path, model: Path) -> None:
    weights = run / "tiny_iter_6.caffemodel"
    done("encode", "--model", model / "net.prototxt", "--weights", weights, model / "train.h5", "-o", "a.h5")
    np.testing.assert_allclose(codes.load("a.h5").codes, expected_codes(run, model, "train"), rtol=1e-6)
    done("encode", run, model / "train.txt", "-o", "b.npz", "--blob", "conv")
    np.testing.assert_allclose(codes.load("b.npz").codes, expected_codes(run, model, "train", "conv"), rtol=1e-6)


def test_encode_bytes_from_numpy(run: Path, model: Path) -> None:
    with h5py.File(model / "test.h5") as file:
        grey = np.round(255 * file["data"][()]).astype(np.uint8)
    np.save("grey.npy", grey)
    done("encode", run, "grey.npy", "-o", "codes.h5")
    found = codes.load("codes.h5")
    np.testing.assert_allclose(found.codes, expected_codes(run, model), atol=0.02)
    assert found.labels is None


def test_decode_is_the_decoder_alone(run: Path, model: Path) -> None:
    done("encode", run, "-o", "codes.h5")
    done("decode", run, "codes.h5", "-o", "images.h5")
    with h5py.File("images.h5") as file:
        images, labels = file["data"][()], file["label"][()]
    np.testing.assert_allclose(images, expected_codes(run, model, blob="restored"), rtol=1e-5)
    np.testing.assert_array_equal(labels, np.arange(12) % 3)


def test_decode_of_own_numbers(run: Path, model: Path) -> None:
    Path("mine.csv").write_text("code_1,code_2\n0,0\n1,-1\n")
    weights = run / "tiny_iter_6.caffemodel"
    done("decode", "--model", model / "net.prototxt", "--weights", weights, "mine.csv", "-o", "images.npz")
    assert np.load("images.npz")["data"].shape == (2, 36)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ("encode run -o codes.h6", ".h5"),
        ("encode run -o c.h5 --blob cod", "did you mean 'code'"),
        ("encode run empty.h5 -o c.h5", "empty.h5: has no 'data'; it holds"),
        ("encode run nowhere.h5 -o c.h5", "nowhere.h5: no such file"),
        ("encode run run -o c.h5", "run: this is a folder, not a file"),
        ("encode run lmdb -o c.h5", "lmdb: is an LMDB, which only a net's own layer of type Data reads"),
        (
            "encode run large.h5 -o c.h5",
            "large.h5: blob 'data' of net 'tiny' has shape (N, 1, 6, 6); given are rows of shape [1, 6, 7]; "
            "`deepcae data any large.h5 --resize 6x6 -o DIR` makes images of this size",
        ),
        ("decode run wide.csv -o i.h5", "wide.csv: codes have 3 values each, but blob 'code' has shape [2]"),
        ("decode run codes.csv -o i.gif", "images are written as"),
        ("encode run -o c.h5 --blob l2", "blob 'l2' has shape [] for 12 images; a code has one row for each"),
        ("layers run large.h5 -o p.png", "large.h5: blob 'data' of net 'tiny' has shape"),
        ("plot run --data nowhere.h5 -o p", "nowhere.h5: no such file"),
        ("plot nowhere -o p.png", "nowhere: neither a run nor a file of codes is there"),
        ("plot nan.csv -o p.png", "code 1 holds a value that is not finite"),
        ("embed codes.csv -o p.png", "codes are kept as"),
        ("report run -o run", "error: run: Is a directory"),
        ("layers run -o p.png --index 12", "rows are 0 to 11"),
        ("plot codes.csv -o p --what curves", "needs a RUN"),
        ("plot run -o p.png --what curves --what scatter", "give a folder"),
    ],
)
def test_what_does_not_fit_is_refused(argv: str, sentence: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wide.csv").write_text("code_1,code_2,code_3\n0,0,0\n")
    Path("lmdb").mkdir()
    Path("lmdb/data.mdb").write_bytes(b"x")
    Path("codes.csv").write_text("code_1,code_2\n0,0\n1,1\n")
    Path("nan.csv").write_text("code_1,code_2\n0,0\n1,nan\n")
    with h5py.File("empty.h5", "w") as file:
        file["pictures"] = np.zeros((2, 1, 6, 6))
    with h5py.File("large.h5", "w") as file:
        file["data"] = np.zeros((2, 1, 6, 7))
    assert main(argv.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert sentence in err


def test_embed(run: Path) -> None:
    done("encode", run, "-o", "codes.h5", "--blob", "up")
    done("embed", "codes.h5", "-o", "map.h5", "--method", "pca")
    found = codes.load("map.h5")
    np.testing.assert_allclose(found.codes, codes.pca(codes.load("codes.h5").codes), rtol=1e-6)
    np.testing.assert_array_equal(found.labels, np.arange(12) % 3)
    assert found.attributes["method"] == "pca"
    done("embed", "codes.h5", "-o", "tsne.csv", "--perplexity", "3")
    assert codes.load("tsne.csv").codes.shape == (12, 2)


def test_a_flat_code_needs_no_map(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done("encode", run, "-o", "codes.csv")
    assert main(["embed", "codes.csv", "-o", "map.csv", "--method", "pca"]) == 0
    assert "codes.csv: its codes have 2 dimensions already" in capsys.readouterr().err


def test_layers(run: Path) -> None:
    done("layers", run, "--index", "3", "-o", "layers.png")
    assert imread("layers.png").ndim == 3


def test_plot_a_run_and_codes(run: Path) -> None:
    done("plot", run, "-o", "pictures")
    names = {path.stem for path in Path("pictures").iterdir()}
    assert names == {"scatter", "curves", "filters", "reconstructions", "thumbnails", "traversals", "errors"}
    done("encode", run, "-o", "codes.h5")
    done("plot", "codes.h5", "-o", "map.svg")
    assert Path("map.svg").read_text().startswith("<?xml")
    done("plot", run, "-o", "curves.pdf", "--what", "curves")
    assert Path("curves.pdf").read_bytes().startswith(b"%PDF")


def test_plot_leaves_out_what_a_net_does_not_give(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (model / "net.prototxt").read_text()
    text = text[: text.index('layer { name: "code"')].replace('top: "data" include', 'top: "data" top: "label" include')
    text += """layer { name: "code" type: "InnerProduct" bottom: "conv" top: "code"
          inner_product_param { num_output: 3 } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "code" bottom: "label" top: "loss" }"""
    (model / "net.prototxt").write_text(text)
    done("train", "--solver", model / "solver.prototxt", "--out", "run")
    assert main(["plot", "run", "-o", "p"]) == 0
    assert "no reconstructions: run: which blob is the restored image cannot be told" in capsys.readouterr().err
    assert "no errors: run: no image is restored, so that there are no errors" not in capsys.readouterr().out
    names = sorted(path.name for path in Path("p").iterdir())
    assert names == ["curves.png", "filters.png", "scatter.png", "thumbnails.png"]
    assert main(["plot", "run", "-o", "p", "--what", "reconstructions"]) == 2


def test_a_run_moved_elsewhere_still_works(run: Path, model: Path) -> None:
    """Its data are found by the folder of the original texts, which the run keeps."""
    expected = expected_codes(run, model)
    shutil.move(run, "moved")
    done("encode", "moved", "-o", "codes.h5")
    with h5py.File("codes.h5") as file:
        assert np.allclose(file["codes"][()], expected, atol=1e-6)


def test_decode_to_a_sheet_of_numbered_images(run: Path) -> None:
    """The net's rows of 36 values are shown as the 6 by 6 images that it reads."""
    Path("mine.csv").write_text("code_1,code_2,label\n0,0,cat\n1,-1,dog\n")
    done("decode", run, "mine.csv", "-o", "sheet.svg")
    assert Path("sheet.svg").read_text().count("<image") == 2
    done("decode", run, "mine.csv", "-o", "sheet.png")
    done("decode", run, "mine.csv", "-o", "images.h5")
    with h5py.File("images.h5") as file:
        assert file["label"].asstr()[()].tolist() == ["cat", "dog"]


def test_flat_rows_and_images_without_channels_are_read(run: Path, model: Path) -> None:
    with h5py.File(model / "test.h5") as file:
        images, labels = file["data"][()], file["label"][()]
    with h5py.File("flat.h5", "w") as file:
        file["data"], file["labels"] = images.reshape(12, 36), np.eye(3)[labels.astype(int)]
    np.save("grey.npy", images[:, 0])
    for source in ("flat.h5", "grey.npy"):
        done("encode", run, source, "-o", "codes.h5")
        np.testing.assert_allclose(codes.load("codes.h5").codes, expected_codes(run, model), rtol=1e-6)
    done("encode", run, "flat.h5", "-o", "codes.h5")
    np.testing.assert_array_equal(codes.load("codes.h5").labels, labels)  # told from one-hot rows
    done("plot", run, "--data", "flat.h5", "-o", "p", "--what", "reconstructions")
    done("layers", run, "flat.h5", "-o", "layers.png")


def test_labels_that_are_no_numbers_are_shown_as_they_are(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(model / "test.h5", "a") as file:
        file["label"][...] = [np.nan, 0.5, *range(10)]
    for index, word in enumerate(["nan", "0.5", "0"]):
        assert main(["layers", str(run), "--index", str(index), "-o", "layers.png"]) == 0
        assert f"image {index} (label {word})" in capsys.readouterr().out  # a half is the name of no class
    done("report", run)


def test_the_losses_are_drawn_though_the_data_are_gone(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "test.h5").unlink()
    done("plot", run, "-o", "curves.png", "--what", "curves")
    assert main(["plot", str(run), "-o", "p"]) == 0
    assert "no scatter: " in capsys.readouterr().err
    assert [path.name for path in Path("p").iterdir()] == ["curves.png"]


def test_a_pairs_similarity_is_no_class(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    for name in ("train", "test"):
        with h5py.File(model / f"{name}.h5", "w") as file:
            file["pair_data"] = generator.random((8, 2, 28, 28), dtype=np.float32)
            file["sim"] = np.arange(8) % 2
    lists = [str(model / "train.txt"), str(model / "test.txt")]
    assert main(["zoo", "siamese", "--batch", "4", "--data", *lists, "-o", "net"]) == 0
    settings = "max_iter: 1 test_iter: 1 test_interval: 1"
    done("train", "--solver", "net/solver.prototxt", "--out", "pairs", "--set", settings, "--seed", 1)
    capsys.readouterr()
    assert main(["layers", "pairs", "-o", "layers.png", "--index", "1"]) == 0
    assert "blobs of image 1 (sim 1)" in capsys.readouterr().out
    for source in ("pairs", "codes.h5"):
        done("encode", "pairs", "-o", "codes.h5")
        done("plot", source, "-o", f"{source}.svg", "--what", "scatter")
        assert "separated" not in Path(f"{source}.svg").read_text()
    assert codes.load("codes.h5").attributes["labels"] == "sim"


def test_report(run: Path) -> None:
    done("report", run)
    page = (run / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "http://" not in page.replace("http://www.w3.org", "")
