"""What `zoo best` reaches, and what each of its parts brings: every training of models/best/README.md.

    python experiments/best/run.py recipes --dims 2 10 30 --seeds 1 2 3
    python experiments/best/run.py parts            # data/mnist must be there: deepcae data mnist

`recipes` trains the texts as they are. `parts` changes one thing at a time, at N = 30, width 1 and 2,000 iterations.
Every finished training is a row of results.json at once; whoever starts again goes on there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from deepcae import zoo
from deepcae.atomic import whole_file
from deepcae.proto.read import read_net_text
from deepcae.proto.text import to_text
from deepcae.solver.records import Step, Test
from deepcae.solver.solver import Solver
from deepcae.zoo.text import in_file_order

HERE = Path(__file__).parent
DIMS, WIDTH, ITERATIONS = 30, 1.0, 2000  # of `parts`
CROSS_ENTROPY = """
layer { name: "cross_entropy_loss" type: "SigmoidCrossEntropyLoss"
        bottom: "deconv1neur" bottom: "data" top: "cross_entropy_loss" }
"""
Change = Callable[[str], str]


def replaced(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new)

    return change


def without_inner_layers(text: str) -> str:
    """One fully connected layer on either side of the code: ip2encode and ip2decode are left out."""
    net = read_net_text(text).message
    routes = {"ip2encodeelu": "ip1encodeelu", "ip2decodeelu": "ip3decodeelu"}
    kept = [layer for layer in net.layer if not layer.name.startswith(("ip2encode", "ip2decode"))]
    for layer in kept:
        layer.bottom[:] = [routes.get(bottom, bottom) for bottom in layer.bottom]
    layers = [type(layer).FromString(layer.SerializeToString()) for layer in kept]
    del net.layer[:]
    net.layer.extend(layers)
    return to_text(net)


def with_batch_norm(text: str) -> str:
    """BatchNorm and Scale before every ELU."""
    net = read_net_text(text).message
    layers = []
    for layer in net.layer:
        if layer.type == "ELU":
            (blob,) = layer.bottom
            for kind, settings in (("BatchNorm", ""), ("Scale", "scale_param { bias_term: true }")):
                one = (
                    f'layer {{ name: "{blob}{kind.lower()}" type: "{kind}" bottom: "{blob}" top: "{blob}" {settings} }}'
                )
                layers.append(read_net_text(one).message.layer[0])
        layers.append(type(layer).FromString(layer.SerializeToString()))
    del net.layer[:]
    net.layer.extend(layers)
    return to_text(net)


PARTS: dict[str, tuple[Change | None, str]] = {  # what is changed: in the net's text, and over the solver's
    "as it is": (None, ""),
    "ReLU in place of ELU": (replaced('"ELU"', '"ReLU"'), ""),
    "Sigmoid in place of ELU": (replaced('"ELU"', '"Sigmoid"'), ""),
    "one fully connected layer on either side": (without_inner_layers, ""),
    "BatchNorm and Scale before each ELU": (with_batch_norm, ""),
    "both losses": (lambda text: text + CROSS_ENTROPY, ""),
    "training images in one order": (in_file_order, ""),
    "a fixed rate": (None, 'lr_policy: "fixed"'),
    "SGD with momentum, the best of three rates": (None, 'type: "SGD"'),
    "xavier in place of msra": (replaced('"msra"', '"xavier"'), ""),
}
SGD_RATES = (0.001, 0.003, 0.01)


class Results:
    """The rows of a JSON file, kept at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[dict[str, Any]]:
        return json.loads(self.path.read_text()) if self.path.exists() else []

    def has(self, about: dict[str, Any]) -> bool:
        return any(about.items() <= row.items() for row in self.rows())

    def add(self, row: dict[str, Any]) -> None:
        text = "[\n" + ",\n".join(f" {json.dumps(each)}" for each in [*self.rows(), row]) + "\n]\n"
        with whole_file(self.path) as temporary:
            temporary.write_text(text)
        print(json.dumps(row), flush=True)


def train(about: dict[str, Any], change: Change | None, settings: str, args: argparse.Namespace) -> None:
    """One training, unless its row is there; its run stays in `args.out`, for `deepcae eval`."""
    results = Results(args.results)
    if results.has(about):
        return
    name = "-".join(str(value).replace(" ", "-") for value in about.values())
    texts = args.out / "texts" / name
    lists = args.data / "train.txt", args.data / "test.txt"
    width = about.get("width")
    net, solver_text = zoo.write(zoo.build("best", about["dims"], *lists, width=width, folder=texts), texts)
    if change:
        net.write_text(change(net.read_text()))
    solver = Solver(solver_text, out=args.out / name, seed=about["seed"], overrides=settings)
    began, test, last = time.perf_counter(), float("nan"), []
    for record in solver.solve():
        if isinstance(record, Test):
            test = float(record.outputs["l2_error"])  # type: ignore[arg-type]
        elif isinstance(record, Step) and record.displayed and record.iteration >= 0.9 * solver.param.max_iter:
            last.append(float(record.outputs["l2_error"]))  # type: ignore[arg-type]
    results.add({
        **about, "iterations": solver.param.max_iter, "test_l2_error": round(test, 4),
        "training_batches_l2_error": round(sum(last) / len(last), 4), "threads": torch.get_num_threads(),
        "seconds": round(time.perf_counter() - began, 1),
    })  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["recipes", "parts"])
    parser.add_argument("--dims", type=int, nargs="+", default=[2, 10, 30])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=Path("data/mnist"))
    parser.add_argument("--out", type=Path, default=Path("runs/best"))
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.what == "recipes":
        for seed in args.seeds:
            for dims in args.dims:
                train({"part": "recipe", "dims": dims, "seed": seed}, None, "", args)
        return
    brief = f"max_iter: {ITERATIONS} test_interval: {ITERATIONS} test_initialization: false snapshot: 0"
    for seed in args.seeds:
        for part, (change, settings) in PARTS.items():
            for rate in SGD_RATES if "SGD" in part else [None]:
                about = {"part": part, **({"rate": rate} if rate else {}), "dims": DIMS, "width": WIDTH, "seed": seed}
                train(about, change, f"{brief} {settings}" + (f" base_lr: {rate}" if rate else ""), args)


if __name__ == "__main__":
    main()
