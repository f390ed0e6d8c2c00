"""Auto-encoders for images of any size: exact, symmetric, accepted by `check`, and they train."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from deepcae import Solver, zoo
from deepcae.check.findings import examine
from deepcae.cli import main
from deepcae.errors import SpecError
from deepcae.net.graph import build_graph
from deepcae.net.net import Net
from deepcae.net.plan import make_plan
from deepcae.net.summary import Summary, summarize
from deepcae.proto.read import read_net, read_net_text, read_solver
from deepcae.proto.schema import TRAIN
from deepcae.solver.records import Test
from deepcae.zoo import symmetry
from deepcae.zoo.design import CODES, design, parse_image, plain_design, window
from deepcae.zoo.designed import DesignedModel, build_design

Image = tuple[int, int, int]
SIZES = st.one_of(
    st.tuples(st.integers(1, 6), st.integers(8, 100), st.integers(8, 100)),
    st.tuples(st.integers(1, 40), st.integers(1, 12), st.integers(8, 2000)),
    st.tuples(st.integers(1, 3), st.sampled_from([8, 13, 97, 127, 256]), st.sampled_from([8, 11, 101, 251, 256])),
).flatmap(lambda size: st.sampled_from([size, (size[0], size[2], size[1])]))
PAPER = {"1x28x28": 30, "1x8x8": 16, "3x64x96": 16, "3x256x256": 64, "1x1x48": 4, "1x8x2048": 16, "64x16x16": 300}


def list_files(folder: Path, images: np.ndarray[Any, Any]) -> tuple[Path, Path]:
    """The same images as training and as test set."""
    with h5py.File(folder / "images.h5", "w") as file:
        file["data"] = images
    for name in ("train", "test"):
        (folder / f"{name}.txt").write_text("images.h5\n")
    return folder / "train.txt", folder / "test.txt"


def summary_of(model: DesignedModel, image: Image) -> Summary:
    graph = build_graph(read_net_text(model.net_text), TRAIN)
    plan = make_plan(graph, source_shapes=lambda layer, *_: [(layer.hdf5_data_param.batch_size, *image)])
    return summarize(plan)


@settings(max_examples=60)
@given(image=SIZES, dims=st.integers(1, 400), width=st.sampled_from([0.1, 0.5, 1, 1.7, 4]))
def test_any_size_gives_a_symmetric_network_that_shrinks_to_the_code_and_restores_the_image(
    image: Image, dims: int, width: float
) -> None:
    try:
        model = build_design(image, dims, width=width, plain=True)
    except SpecError:
        assume(False)
    found = summary_of(model, image)
    sizes = [elements for _, elements in found.hidden]
    middle = len(sizes) // 2
    assert sizes == sizes[::-1], "encoder and decoder mirror each other"
    assert sizes[middle] == dims < min(sizes[:middle])
    assert all(before > after for before, after in pairwise(sizes[: middle + 1]))
    assert (found.code, found.symmetric) == ("ip2encode", True)
    shapes = {name: shape for name, shape in found.blobs.items() if shape is not None}
    assert shapes["deconv1neursig"] == shapes["data"] == (shapes["data"][0], *image)
    for number in range(1, len(model.plan.maps) + 1):
        assert shapes[f"conv{number}"] == shapes[f"deconv{number}"]
    told = model.plan.to_json(None)
    assert (told["parameters"], told["cae_size"], told["sizes"]) == (found.parameters, found.size, sizes)


@settings(max_examples=8)
@given(image=SIZES, width=st.sampled_from([0.5, 1, 2]))
def test_check_accepts_whatever_is_written(image: Image, width: float) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        lists = list_files(folder, np.zeros((2, *image), np.uint8))
        model = build_design(image, 2, *lists, width=width, folder=folder / "net")
        for path in zoo.write(model, folder / "net"):
            findings = examine(path)
            assert (findings.problems, findings.warnings) == ([], [])


@given(size=st.integers(1, 5000), stride=st.sampled_from([1, 2, 4]))
def test_a_deconvolution_gives_back_what_its_convolution_was_given(size: int, stride: int) -> None:
    filter_ = window(size, stride)
    small = filter_.over(size)
    assert small == math.ceil(size / stride) or size == 1
    assert filter_.back(small) == size
    assert filter_.stride <= filter_.kernel <= max(3, 2 * stride), "no pixel is left out"


@pytest.mark.parametrize(("size", "dims"), PAPER.items())
def test_every_layer_keeps_the_variance_at_the_start(size: str, dims: int) -> None:
    image = parse_image(size)
    net = Net(read_net_text(build_design(image, dims, plain=True).net_text), seed=1, input_shapes={"data": (4, *image)})
    values = np.random.default_rng(0).random((4, *image), np.float32)
    filters = [row.name for row in summary_of(build_design(image, dims, plain=True), image).rows if row.parameters]
    blobs = net(data=values, want=filters)
    spread = {name: float(blobs[name].square().mean().sqrt()) for name in filters}
    assert all(0.03 < each < 5 for each in spread.values()), spread


def trained(folder: Path, images: np.ndarray[Any, Any], dims: int, iterations: int, width: float = 1) -> list[float]:
    """L2 error on the images before and after training."""
    size: Any = images.shape[1:]
    model = build_design(size, dims, *list_files(folder, images), folder=folder, width=width, plain=True)
    _, path = zoo.write(model, folder)
    overrides = (
        f"max_iter: {iterations} test_interval: {iterations} random_seed: 1 "
        "snapshot: 0 snapshot_after_train: false snapshot_best: false"
    )
    tests = [record for record in Solver(str(path), overrides=overrides).solve() if isinstance(record, Test)]
    assert len(tests) == 2
    losses: list[Any] = [test.outputs["l2_error"] for test in tests]
    return losses


def test_trains_on_digits(tmp_path: Path) -> None:
    digits = load_digits().images[:, None].astype(np.float32) / 16
    mean = 0.5 * float(np.square(digits - digits.mean(0)).sum()) / len(digits)
    first, last = trained(tmp_path, digits, 16, 80)
    assert first > mean > 1.5 * last, "better by far than the mean image, which needs no code"


@pytest.mark.parametrize("image", [(1, 1, 48), (2, 9, 13), (3, 31, 8), (12, 17, 17)])
def test_trains_on_odd_sizes(image: Image, tmp_path: Path) -> None:
    """Images of three numbers: how much of each of three smooth patterns they show."""
    rng = np.random.default_rng(0)
    patterns = np.sin(np.arange(prod(image)) * 20 / prod(image) + np.arange(3)[:, None])
    images = (0.5 + (rng.random((60, 3)) - 0.5) @ patterns / 3).reshape(60, *image)
    first, last = trained(tmp_path, images.astype(np.float32), 4, 60, width=0.5)
    assert math.isfinite(last)
    assert last < 0.5 * first


def test_the_code_s_neurons_bound_the_sizes() -> None:
    for dims in (1, 30, 150, 300, 392):
        plan = design((1, 28, 28), dims)
        assert plan.maps[-1].elements >= CODES * dims
        assert plan.maps[-1].elements > plan.hidden[0] > dims


def test_the_linear_way_is_no_hidden_layer_of_its_own() -> None:
    model = build_design((1, 28, 28), 5)
    found = summary_of(model, (1, 28, 28))
    assert "linear_encode" in [row.name for row in found.rows]
    assert [elements for _, elements in found.hidden] == [*model.plan.sizes]
    assert (found.code, found.symmetric, found.size) == ("code", True, model.plan.size)


@pytest.mark.parametrize(("width", "maps"), [(0.5, [4, 8]), (1, [8, 16]), (2, [16, 32]), (1.3, [10, 20])])
def test_width_scales_the_maps(width: float, maps: list[int]) -> None:
    assert [each.count for each in design((1, 28, 28), 2, width).maps] == maps


def test_a_long_image_becomes_square_first() -> None:
    assert [str(each) for each in design((1, 8, 100), 4).maps] == ["8x8x25", "8x8x13", "16x4x7"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ((1, 28, 28), 393),
            r"conv1 has 1,568 elements \(8x14x14\), enough for at most 392 .*; --width 1\.1 is enough",
        ),
        (((1, 28, 28), 784), "dims is 784, but must be less than the 784 values of an image of 1x28x28"),
        (((1, 28, 28), 0), "dims is 0, but must be a whole number of at least 1"),
        (((1, 7, 7), 2), "input is 1x7x7, but the longer side of an image must have at least 8 pixels"),
        (((48,), 2), "input is 48, but the longer side of an image must have at least 8 pixels"),
        (((7, 7), 2), r"input is \(7, 7\), but must be \(channels, height, width\), or \(values,\) for flat rows"),
        (((0, 28, 28), 2), "input is 0x28x28, but channels, height and width must be at least 1"),
        (((1, 28, 28), 2, 0), "width is 0, but must be a number above 0"),
        (((1, 28, 28), 2, 1e308), "width is .*308, but must be at most 1,000,000: it is a factor of the maps"),
        (((1, 28, 28), 2**31), "dims is 2147483648, but must be at most 2,147,483,647"),
        (((1, 28, 28), 2, math.nan), "width is nan, but must be a number above 0"),
    ],
)
def test_refuses_what_cannot_be(arguments: Any, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence) as error:
        plain_design(*arguments)
    assert "\n" not in str(error.value)


@given(image=SIZES, dims=st.integers(1, 10**5))
def test_the_width_that_is_advised_is_enough(image: Image, dims: int) -> None:
    try:
        plain_design(image, dims)
    except SpecError as error:
        assume("--width" in str(error))
        advised = float(str(error).split("--width ")[1].split()[0])
        assert plain_design(image, dims, advised).dims == dims
        with pytest.raises(SpecError):
            plain_design(image, dims, advised - 0.1)


@pytest.mark.parametrize("text", ["1x2x28x28x3", "28x", "1 28 28", "ax8x8", "1x-8x8", "", "1x2٣x9"])
def test_refuses_an_input_that_is_no_size(text: str) -> None:
    with pytest.raises(SpecError, match="must be CHANNELSxHEIGHTxWIDTH, such as 3x64x96, or 64x96, or 48 for"):
        parse_image(text)


@pytest.mark.parametrize(("text", "meant"), [("1x28x28x3", "3x28x28"), ("100x3x64x96", "3x64x96")])
def test_an_input_that_counts_the_images_is_told_the_size_of_one(text: str, meant: str) -> None:
    with pytest.raises(SpecError, match=f"the size of one image, without their number: --input {meant}$"):
        parse_image(text)


@pytest.mark.parametrize(("text", "image"), [("3x64x96", (3, 64, 96)), ("64x96", (1, 64, 96)), ("48", (48,))])
def test_an_input_may_be_an_image_a_grey_one_or_a_row(text: str, image: tuple[int, ...]) -> None:
    assert parse_image(text) == image


def test_tells_sizes_and_parameters_per_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, test = list_files(tmp_path, np.zeros((150, 1, 8, 8), np.float32))
    command = ["zoo", "design", "--plain", "--input", "8x8", "--dims", "4", "--data", str(train), str(test)]
    assert main([*command, "-o", str(tmp_path / "net")]) == 0
    out = capsys.readouterr().out
    text = (tmp_path / "net" / "net.prototxt").read_text(encoding="utf-8")
    parameters = summary_of(build_design((1, 8, 8), 4, plain=True), (1, 8, 8)).parameters
    for told in (out, text.replace("# ", "")):
        assert "1x8x8 - 8x4x4 - 32 - 4 - 32 - 8x4x4 - 1x8x8" in told
        assert "324 elements: 128-32-4-32-128" in told
        assert f"{parameters:,}, {parameters / 150:.0f} for each of 150 training images" in told
    document = read_net(tmp_path / "net" / "net.prototxt")
    assert [layer.hdf5_data_param.batch_size for layer in document.message.layer[:2]] == [100, 75]
    assert list(read_solver(tmp_path / "net" / "solver.prototxt").message.test_iter) == [2]
    assert main([*command, "-o", str(tmp_path / "net"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["parameters"], answer["images"], answer["dims"]) == (parameters, 150, 4)
    assert answer["parameters_per_image"] == pytest.approx(parameters / 150)


def test_without_lists_it_reads_those_beside_it(tmp_path: Path) -> None:
    model = build_design((3, 64, 96), 16, folder=tmp_path)
    names = [layer.hdf5_data_param.source for layer in read_net_text(model.net_text).message.layer[:2]]
    assert names == ["train.txt", "test.txt"]
    assert (model.start, model.files) == (None, {})


@pytest.mark.parametrize(("size", "batch"), [("1x28x28", 100), ("3x256x256", 10), ("1x250x250", 32)])
def test_large_images_come_in_small_batches(size: str, batch: int) -> None:
    assert build_design(parse_image(size), 16).plan.batch == batch


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("zoo design", "design needs --dims N, the neurons of the code, such as --dims 16"),
        ("zoo design --dims 4", "design needs the images, --data TRAIN TEST, or their size: --input CxHxW"),
        ("zoo design --input 3,64 --dims 2", "input is '3,64', but must be CHANNELSxHEIGHTxWIDTH"),
        ("zoo design --plain --input 1x8x8 --dims 60", "--width 1.9 is enough for 60"),
        ("zoo design --input 1x8x8 --dims 2 --width 0", "width is 0, but must be a number above 0"),
        ("zoo cae1 --input 1x8x8", "network 'cae1' has one size of images; --input is for design"),
        ("zoo cae1 --plain", "--plain, --linear, --neighbours and --set are for design"),
        ("zoo design --input 8x8 --dims 2 --scale 0", "--scale is 0, which makes all images alike"),
        ("zoo cae1 --width 2", "network 'cae1' has one width; a width may be given for design"),
    ],
)
def test_the_command_refuses_in_one_line(
    command: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) != 0
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_is_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo"]) == 0
    assert any(line.startswith("design ") for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(("text", "meant"), [("32x32x3", "3x32x32"), ("64x96x1", "1x64x96")])
def test_channels_last_are_told_what_they_become(text: str, meant: str) -> None:
    with pytest.raises(SpecError, match=f"--input {meant}"):
        parse_image(text)


def test_of_very_many_test_images_each_test_looks_at_some(tmp_path: Path) -> None:
    for count, shuffled, batches in ((50_000, False, 500), (80_000, True, 500)):
        with h5py.File(tmp_path / "images.h5", "w") as file:
            file.create_dataset("data", data=np.zeros((count, 1, 2, 2), np.uint8))
        files = [tmp_path / "images.h5"] * 2
        model = build_design((1, 2, 2), 1, *files, batch=100, folder=tmp_path)
        test = next(each for each in read_net_text(model.net_text).message.layer if each.include[0].phase != TRAIN)
        assert test.hdf5_data_param.shuffle == shuffled
        assert ("others of them" in model.net_text) == shuffled
        assert f"test_iter: {batches}\n" in model.solver_text


def test_what_is_looked_at_to_tell_left_from_right_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    def blocks() -> Any:
        return iter([np.zeros((100, 12), np.float32)] * 5)

    kept = symmetry._spread(blocks, 40)
    assert kept.shape == (39, 12)
    held: list[Any] = []
    monkeypatch.setattr(symmetry.np, "concatenate", lambda parts: held.extend(parts) or np.zeros((0, 12)))
    symmetry._spread(blocks, 40)
    assert all(part.base is None for part in held)  # no view, which would hold its block
