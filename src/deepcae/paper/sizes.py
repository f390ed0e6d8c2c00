"""Tables II and III: sizes and numbers of parameters, computed from the networks themselves."""

from __future__ import annotations

from typing import Any

from ..net.graph import build_graph
from ..net.plan import Plan, make_plan
from ..net.step import Step
from ..net.summary import summarize
from ..page.html import Judged
from ..printed import tables as printed
from ..proto.read import read_net_text
from ..zoo import build
from .table import Table

IMAGES = (100, 1, 28, 28)


def plan_of(network: str, dims: int = 2) -> Plan:
    """The plan of a network of the zoo on images of 28×28; no data are looked for."""
    document = read_net_text(build(network, dims, "none/train.txt", "none/test.txt").net_text)
    return make_plan(build_graph(document, "TRAIN"), lambda *_: [IMAGES])


def learning(plan: Plan) -> list[Step]:
    """The layers that learn, from the image to the restored image."""
    return [step for step in plan.steps if step.kind.is_product]


def maps(plan: Plan) -> str:
    """The sizes of all hidden layers as Table II prints them: `(20x20x4)-(12x12x2)-125-N-…`."""
    hidden = learning(plan)[:-1]
    shapes = [plan.shapes[step.tops[0]] or () for step in hidden]
    return "-".join(
        _size(shape[1:], step.tops[0] == summarize(plan).code) for step, shape in zip(hidden, shapes, strict=True)
    )


def architecture(plan: Plan) -> str:
    """Kernels in place of maps: `784-(9x9x4)-(9x9x2)-125-N-…-784`."""
    code, parts = summarize(plan).code, ["784"]
    steps = learning(plan)
    for step in steps[:-1]:
        shape = plan.params[step.params[0]].shape or ()
        num_output = (plan.shapes[step.tops[0]] or (0, 0))[1]
        kernel = f"({shape[3]}x{shape[2]}x{num_output})" if len(shape) == 4 else str(num_output)
        parts.append("N" if step.tops[0] == code else kernel)
    return "-".join([*parts, "784"])


def _size(shape: tuple[int, ...], is_code: bool) -> str:
    if is_code:
        return "N"
    return f"({shape[2]}x{shape[1]}x{shape[0]})" if len(shape) == 3 and shape[1] * shape[2] > 1 else str(shape[0])


def formula(plan: Plan, step: Step) -> tuple[str, int, int]:
    """How a layer's parameters are counted, in the paper's letters, and the numbers of weights and biases.

    w: weights, b: biases, i: inputs, o: outputs: `(9*9w*4i+1b)*2o` is 648 weights and 2 biases.
    """
    weights, biases = (plan.params[index] for index in step.params)
    shape, num_output = weights.shape or (), biases.count
    if len(shape) == 4:
        num_input = weights.count // (shape[2] * shape[3] * num_output)
        return f"({shape[2]}*{shape[3]}w*{num_input}i+1b)*{num_output}o", weights.count, biases.count
    return f"({shape[1]}i+1b)*{num_output}o", weights.count, biases.count


def table1() -> Table:
    """The first columns of Table I."""
    printed_table = printed.table("table1")
    rows = []
    for row in printed_table["rows"]:
        plan = plan_of(row["network"])
        summary = summarize(plan)
        ratio = f"{printed_table['train_elements'] / summary.parameters:.2f}/1"
        steps = learning(plan)
        widths = [
            "N" if step.tops[0] == summary.code else str((plan.shapes[step.tops[0]] or (0, 0))[1]) for step in steps
        ]
        ours = ["-".join(["784", *widths]), str(summary.parameters), str(summary.size)]
        expected = [row["architecture"], str(row["parameters"]), str(row["size"])]
        pairs = [each for pair in zip(expected[1:], ours[1:], strict=True) for each in pair]
        rows.append([row["network"], ours[0], *pairs, row["data_ratio"], ratio, _apart(expected, ours)])
    return Table(
        "table1-sizes", "Table I", "architectures, parameters and sizes, N = 2",
        ("network", "architecture", "paper: w+b", "ours: w+b", "paper: size", "ours: size", "paper: data/(w+b)",
         "ours: data/(w+b)", "verdict"), rows,
        ["Data: 60,000 images of 784 elements.",
         "The paper's w+b are 782 short in every row: it counts the 784 biases of the restored image as 2."],
        under="table1",
    )  # fmt: skip


def table2() -> Table:
    """Sizes and numbers of parameters of both CAE models, from their texts."""
    rows = []
    for row in printed.table("table2")["rows"]:
        plan = plan_of(row["network"])
        summary = summarize(plan)
        ours = {
            "architecture": architecture(plan),
            "maps": maps(plan),
            "sizes": "-".join(str(size) if name != summary.code else "N" for name, size in summary.hidden),
            "size": summary.size,
            "parameters": summary.parameters,
        }
        rows += [
            [row["network"], _WHAT[name], str(row[name]), str(ours[name]), same(row[name], ours[name])] for name in ours
        ]
    return Table(
        "table2",
        "Table II",
        "architecture parameters of the two CAE models, N = 2",
        ("network", "what", "paper", "ours", "verdict"),
        rows,
        ["Ours: counted in the networks that deepcae zoo writes."],
    )


_WHAT = {
    "architecture": "architecture",
    "maps": "feature maps and hidden nodes",
    "sizes": "elements",
    "size": "CAE size, elements",
    "parameters": "trainable parameters (w+b)",
}


def table3() -> Table:
    """The same layer by layer, with the formula of each."""
    rows: list[list[str]] = []
    for row in printed.table("table3")["rows"]:
        plan = plan_of(row["network"])
        steps = {step.name: step for step in learning(plan)}
        rows += [_layer(row["network"], layer, plan, steps) for layer in row["layers"]]
        rows += _sums(row, plan, list(steps))
    return Table(
        "table3", "Table III", "calculation of the number of trainable parameters, N = 2",
        ("network", "layer", "paper's formula", "paper", "our formula", "ours", "verdict"), rows,
        ["w: weights, b: biases, i: inputs, o: outputs. The paper's formulas of convolutions give each pair of maps a "
         "bias; its sums count, as Caffe has them, one bias for each output: so do our formulas."],
    )  # fmt: skip


def _layer(network: str, layer: dict[str, Any], plan: Plan, steps: dict[str, Step]) -> list[str]:
    ours, weights, biases = formula(plan, steps[layer["layer"]])
    expected, found = f"{layer['weights']}w+{layer['biases']}b", f"{weights}w+{biases}b"
    return [network, layer["layer"], layer["formula"], expected, ours, found, same(expected, found)]


def _sums(row: dict[str, Any], plan: Plan, names: list[str]) -> list[list[str]]:
    counts = {
        name: sum(plan.params[i].count for i in step.params) for name, step in zip(names, learning(plan), strict=True)
    }
    half = len(names) // 2  # ip1encode, ip2encode | ip1decode
    encoder, decoder = sum(counts[name] for name in names[:half]), sum(counts[name] for name in names[half:])
    sums = {"encoder": encoder, "decoder": decoder, "total": encoder + decoder}
    return [
        [row["network"], name, "", str(row[name]), "", str(found), same(row[name], found)]
        for name, found in sums.items()
    ]


def _apart(expected: list[str], found: list[str]) -> Judged:
    """Of architecture, w+b and size."""
    more = int(found[1]) - int(expected[1])
    if expected[::2] != found[::2] or not more:
        return same(expected[::2], found[::2])
    return Judged(f"same, but for {more} more w+b", True)


def same(expected: object, found: object) -> Judged:
    """Whether they are."""
    return Judged("same", True) if expected == found else Judged("no: differs", False)
