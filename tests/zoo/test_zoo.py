"""The zoo's texts: the paper's counts and sizes, fillers that Caffe accepts, and models/ as the zoo writes it."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deepcae import zoo
from deepcae.errors import DataError, SpecError
from deepcae.net.graph import build_graph
from deepcae.net.net import Net
from deepcae.net.plan import Plan, make_plan
from deepcae.proto.read import read_net, read_net_text, read_solver, read_solver_text
from deepcae.proto.schema import TEST, TRAIN
from deepcae.zoo.streams import WholeTest, named_from, whole_test

MODELS = Path(__file__).parents[2] / "models"
# name: (parameters, auto-encoder size) of Tables I and II, N = 2. Table I counts the output's 784 biases as 2.
PRINTED = {
    "classic-300": (584254 + 782, 1052),
    "classic-500": (1098754 + 782, 1752),
    "classic-1000": (2822504 + 782, 3502),
    "classic-2000": (8145004 + 782, 7002),
    "classic-3000": (15967504 + 782, 10502),
    "cae1": (74893, 3996),
    "cae2": (297391, 7990),
}
FIGURE_7 = [
    "conv1", "conv1sig", "conv2", "conv2sig", "ip1encode", "ip1encodesig", "ip2encode", "ip1decode", "ip1decodesig",
    "deconv2", "deconv2sig", "deconv1", "deconv1sig", "deconv1neur", "deconv1neursig",
]  # fmt: skip
WITHOUT_CODE = {"cae2-classifier", "cae2-classifier-frozen", "cae2-stage1", "cae2-stage2"}
LEARNED = {"InnerProduct", "Convolution", "Deconvolution"}


def plan_of(name: str, dims: int, phase: int = TRAIN, stages: tuple[str, ...] = ()) -> Plan:
    graph = build_graph(read_net_text(zoo.build(name, dims).net_text), phase, stages=stages)
    tops = {"data": (100, 1, 28, 28), "label": (100,), "pair_data": (100, 2, 28, 28), "sim": (100,)}
    return make_plan(graph, source_shapes=lambda layer, *_: [tops[top] for top in layer.top])


@pytest.mark.parametrize("name", PRINTED)
def test_has_as_many_parameters_as_the_paper_prints(name: str) -> None:
    assert plan_of(name, 2).num_parameters == PRINTED[name][0]


@pytest.mark.parametrize("name", PRINTED)
def test_has_the_size_that_the_paper_prints(name: str) -> None:
    plan = plan_of(name, 2)
    hidden = [step.tops[0] for step in plan.steps if step.type in LEARNED][:-1]  # all but the restored image
    assert sum(prod(plan.shapes[blob] or ()) for blob in hidden) == 100 * PRINTED[name][1]


@pytest.mark.parametrize("phase", [TRAIN, TEST])
@pytest.mark.parametrize("dims", [1, 2, 10, 15, 25, 30, 300])
@pytest.mark.parametrize("name", [name for name in zoo.names() if name not in WITHOUT_CODE])
def test_every_network_can_be_planned_for_any_number_of_code_neurons(name: str, dims: int, phase: int) -> None:
    plan = plan_of(name, dims, phase)
    code = {"si": "feat", "ca": "ip2encode", "cl": "encode4", "be": "ip3encode"}[name[:2]]
    assert plan.shapes[code] == (100, dims)


@pytest.mark.parametrize("name", PRINTED)
def test_restores_the_size_of_its_input_and_puts_out_both_losses(name: str) -> None:
    plan = plan_of(name, 2, TEST)
    image = "deconv1neursig" if name.startswith("cae") else "decode1neuron"
    assert prod(plan.shapes[image] or ()) == 100 * 784
    assert plan.outputs == ("cross_entropy_loss", "l2_error")


@pytest.mark.parametrize(("name", "weights"), [("cae1", [1, 1]), ("cae2", [1, 1]), ("classic-1000", [1, 0])])
def test_loss_weights(name: str, weights: list[float]) -> None:
    message = read_net_text(zoo.build(name).net_text).message
    losses = [layer for layer in message.layer if layer.type.endswith("Loss")]
    assert [(layer.top[0], list(layer.loss_weight)) for layer in losses] == [
        ("cross_entropy_loss", weights[:1]),
        ("l2_error", weights[1:]),
    ]


@pytest.mark.parametrize("name", ["cae1", "cae2"])
def test_every_picture_of_figure_7_is_a_blob_of_its_own(name: str) -> None:
    plan = plan_of(name, 10)
    assert [step.name for step in plan.steps if step.name in FIGURE_7] == FIGURE_7
    assert not any(step.in_place for step in plan.steps)


@pytest.mark.parametrize("name", PRINTED)
@pytest.mark.parametrize("dims", [2, 10, 14, 15, 24, 25, 30])
def test_sparse_never_exceeds_the_number_of_outputs(name: str, dims: int) -> None:
    sparse = 15 if name.startswith("classic") else 25
    for layer in read_net_text(zoo.build(name, dims).net_text).message.layer:
        if layer.type != "InnerProduct":
            continue
        parameters = layer.inner_product_param
        filler = parameters.weight_filler
        assert (filler.type, filler.std) == ("gaussian", 1)
        assert filler.HasField("sparse") == (parameters.num_output >= sparse)
        assert not filler.HasField("sparse") or filler.sparse == sparse
        assert parameters.bias_filler.type == "constant"


def test_convolutions_start_from_xavier_and_constant() -> None:
    layers = [layer for layer in read_net_text(zoo.build("cae2").net_text).message.layer if "onvolution" in layer.type]
    assert [layer.name for layer in layers] == ["conv1", "conv2", "deconv2", "deconv1", "deconv1neur"]
    assert {layer.convolution_param.weight_filler.type for layer in layers} == {"xavier"}
    assert {layer.convolution_param.bias_filler.type for layer in layers} == {"constant"}


def solver_of(name: str) -> Any:
    return read_solver_text(zoo.build(name).solver_text).message


def test_cae_solver_is_table_v() -> None:
    solver = solver_of("cae1")
    assert (solver.base_lr, solver.lr_policy, solver.max_iter) == (pytest.approx(0.006), "fixed", 20000)
    assert (solver.weight_decay, solver.momentum) == (pytest.approx(0.0005), 0)
    assert list(solver.test_iter) == [100]


def test_classic_solver_is_table_v_with_caffe_s_two_tests() -> None:
    solver = solver_of("classic-1000")
    assert (solver.base_lr, solver.lr_policy, solver.max_iter) == (pytest.approx(0.01), "step", 5000)
    assert (solver.gamma, solver.stepsize) == (pytest.approx(0.1), 1000)
    assert (solver.weight_decay, solver.momentum) == (pytest.approx(0.0005), pytest.approx(0.9))
    assert list(solver.test_iter) == [600, 100]
    assert [list(state.stage) for state in solver.test_state] == [["test-on-train"], ["test-on-test"]]


def test_siamese_solver_is_caffe_s() -> None:
    solver = solver_of("siamese")
    assert (solver.base_lr, solver.lr_policy, solver.max_iter) == (pytest.approx(0.01), "inv", 50000)
    assert (solver.gamma, solver.power) == (pytest.approx(0.0001), pytest.approx(0.75))
    assert (solver.weight_decay, solver.momentum) == (0, pytest.approx(0.9))


@pytest.mark.parametrize("name", zoo.names())
def test_leaves_the_seed_to_the_caller_and_the_snapshots_to_the_run(name: str) -> None:
    solver = solver_of(name)
    assert not solver.HasField("random_seed")
    assert (solver.net, solver.snapshot_prefix) == ("net.prototxt", name)
    assert 0 < solver.snapshot <= solver.max_iter


def sources(plan: Plan) -> list[str]:
    return [step.node.param.hdf5_data_param.source for step in plan.sources]


def test_classic_test_net_reads_the_test_set_unless_the_stage_says_train() -> None:
    assert sources(plan_of("classic-300", 2, TEST)) == ["data/mnist/test.txt"]
    assert sources(plan_of("classic-300", 2, TEST, ("test-on-test",))) == ["data/mnist/test.txt"]
    assert sources(plan_of("classic-300", 2, TEST, ("test-on-train",))) == ["data/mnist/train.txt"]


def test_siamese_branches_share_every_parameter() -> None:
    plan = plan_of("siamese", 2)
    owners = 20 * 25 + 20 + 50 * 20 * 25 + 50 + 500 * 800 + 500 + 10 * 500 + 10 + 2 * 10 + 2
    assert plan.num_parameters == owners
    assert plan.outputs == ("loss",)


def test_siamese_gives_codes_of_any_number_of_pairs_or_single_images(tmp_path: Path) -> None:
    text = zoo.build("siamese", 3, folder=tmp_path).net_text
    net = Net(read_net_text(text), input_shapes={"pair_data": (100, 2, 28, 28), "sim": (100,)})
    pairs = np.random.default_rng(0).random((7, 2, 28, 28), np.float32)
    codes = net(pair_data=pairs, want=["feat", "feat_p"])
    assert codes["feat"].shape == codes["feat_p"].shape == (7, 3)
    np.testing.assert_allclose(net(data=pairs[:, 1:], want=["feat"])["feat"], codes["feat_p"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", zoo.names())
def test_models_folder_holds_what_the_zoo_writes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no data here: MNIST's counts are taken
    model = zoo.build(name, folder=Path("models") / name)
    folder = MODELS / name
    assert (folder / "net.prototxt").read_text(encoding="utf-8") == model.net_text, "run `make models`"
    assert (folder / "solver.prototxt").read_text(encoding="utf-8") == model.solver_text, "run `make models`"
    assert "## Differences" in (folder / "README.md").read_text(encoding="utf-8")


def test_models_folder_holds_nothing_else() -> None:
    assert sorted(folder.name for folder in MODELS.iterdir()) == sorted(zoo.names())


def test_describes_each_network_in_one_line() -> None:
    assert all(zoo.describe(name) and "\n" not in zoo.describe(name) for name in zoo.names())


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(SpecError, match=r"^no network 'cae3' in the zoo; did you mean 'cae2'\? \(there are: "):
        zoo.build("cae3")


@pytest.mark.parametrize("dims", [0, -1, True, 2.0])
def test_refuses_a_number_of_code_neurons_that_is_none(dims: Any) -> None:
    with pytest.raises(SpecError, match=r"^dims is .*, but must be a whole number of at least 1$"):
        zoo.build("cae1", dims)


def list_file(folder: Path, name: str, counts: list[int], dataset: str = "data") -> Path:
    """A list file of HDF5 files with that many rows each."""
    folder.mkdir(exist_ok=True)
    for index, count in enumerate(counts):
        with h5py.File(folder / f"{name}{index}.h5", "w") as file:
            file[dataset] = np.zeros((count, 1, 2, 2), np.float32)
    path = folder / f"{name}.txt"
    path.write_text("\n".join(f"{name}{index}.h5" for index in range(len(counts))))
    return path


def test_a_test_sees_each_row_of_the_given_files_once(tmp_path: Path) -> None:
    train, test = list_file(tmp_path, "train", [1000, 500]), list_file(tmp_path, "test", [200, 97])
    model = zoo.build("classic-300", 2, train, test)
    solver = read_solver_text(model.solver_text).message
    batches = [layer.hdf5_data_param.batch_size for layer in read_net_text(model.net_text).message.layer[:3]]
    assert batches == [100, 100, 99]
    assert list(solver.test_iter) == [15, 3]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (10_000, (100, 100)),
        (297, (99, 3)),
        (7, (7, 1)),
        (100, (100, 1)),
        (101, (51, 2)),
        (125, (25, 5)),
        (1009, (92, 11)),
        (144, (72, 2)),
    ],
)
def test_passes(rows: int, expected: tuple[int, int]) -> None:
    assert whole_test(rows) == WholeTest(*expected)


def test_a_list_file_that_names_no_readable_data_is_an_error(tmp_path: Path) -> None:
    wrong = list_file(tmp_path, "wrong", [3], dataset="images")
    with pytest.raises(DataError, match="no dataset 'data', which this network reads"):
        zoo.build("cae1", 2, wrong, wrong)
    for name, make, why in (
        ("group", lambda file: file.create_group("data"), "'data' is a group, not a dataset; the file holds 'data'"),
        ("scalar", lambda file: file.create_dataset("data", data=3.0), r"dataset 'data' has shape \(\)"),
        ("none", lambda file: file.create_dataset("data", data=np.zeros((0, 2))), "dataset 'data' has no rows"),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            make(file)
        (tmp_path / f"{name}.txt").write_text(f"{name}.h5")
        with pytest.raises(DataError, match=rf"{name}\.h5: {why}"):
            zoo.build("cae1", 2, tmp_path / f"{name}.txt", wrong)
    (tmp_path / "gone.txt").write_text("gone.h5")
    with pytest.raises(DataError, match=r"gone\.txt: file 1 of 1, 'gone\.h5', does not exist"):
        zoo.build("cae1", 2, tmp_path / "gone.txt", wrong)
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(DataError, match=r"empty\.txt: lists no file"):
        zoo.build("cae1", 2, tmp_path / "empty.txt", wrong)


def test_written_texts_find_their_data_from_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = list_file(tmp_path / "mnist", "train", [20]), list_file(tmp_path / "mnist", "test", [10])
    monkeypatch.chdir(tmp_path)
    folder = Path("models/mine")
    relative = (Path("mnist") / train.name, Path("mnist") / test.name)
    net, solver = zoo.write(zoo.build("cae1", 3, *relative, folder=folder), folder)
    monkeypatch.chdir("/")
    document = read_net(tmp_path / net)
    for layer, path in zip(document.message.layer[:2], (train, test), strict=True):
        assert (document.folder / layer.hdf5_data_param.source).resolve() == path.resolve()
    assert list(read_solver(tmp_path / solver).message.test_iter) == [1]


def test_data_far_away_is_named_absolutely(tmp_path: Path) -> None:
    assert named_from(tmp_path / "a.txt", tmp_path / "one" / "two") == "../../a.txt"
    assert named_from(tmp_path / "a.txt", tmp_path / "one" / "two" / "three") == (tmp_path / "a.txt").as_posix()
    assert named_from("lists/a.txt", None) == "lists/a.txt"


def test_quotes_in_a_path_survive(tmp_path: Path) -> None:
    odd = tmp_path / 'odd "name".txt'
    source = read_net_text(zoo.build("cae1", 2, odd, odd).net_text).message.layer[0].hdf5_data_param.source
    assert source == str(odd)


def test_lists_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.txt").write_bytes(b"\x02\x03\x04\x00\xd1")
    (tmp_path / "lost.txt").write_text("nowhere.h5\n")
    for name, sentence in (
        (".", "this is a folder, not a file"),
        ("bytes.txt", r"bytes\.txt: is no list of files, which is a text: it holds other bytes"),
        ("lost.txt", r"lost\.txt: file 1 of 1, 'nowhere\.h5', does not exist"),
    ):
        with pytest.raises(DataError, match=sentence):
            zoo.build("cae1", train_list=tmp_path / name)
