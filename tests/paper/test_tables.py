"""The tables' arithmetic, their titles, and the files they are written to."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from deepcae.paper import losses, sizes, times, variants
from deepcae.paper.book import Book, write
from deepcae.paper.experiment import Data
from deepcae.paper.experiments import FINDINGS, NAMES, needed
from deepcae.paper.store import Store
from deepcae.paper.table import Table
from deepcae.paper.worker import STUCK
from deepcae.printed import tables as printed
from paper.results import result


def column(table: Table, name: str) -> list[str]:
    place = list(table.columns).index(name)
    return [row[place] for row in table.rows]


def test_the_papers_tables_agree_with_one_another() -> None:
    """Sums and products that the paper prints twice: a slip of the hand in the data would show."""
    assert len(printed.cells("table1")) == 15
    assert len(printed.cells("table4")) == 6
    sizes_of = {row["network"]: row for row in printed.table("table2")["rows"]}
    for row in printed.table("table4")["rows"]:
        assert (row["parameters"], row["size"]) == (
            sizes_of[row["network"]]["parameters"],
            sizes_of[row["network"]]["size"],
        )
    for row in printed.table("table3")["rows"]:
        counts = [layer["weights"] + layer["biases"] for layer in row["layers"]]
        assert (sum(counts[:4]), sum(counts[4:])) == (row["encoder"], row["decoder"])
        assert sum(counts) == row["total"] == sizes_of[row["network"]]["parameters"]
    for row in printed.table("table2")["rows"]:
        assert sum(int(part) if part != "N" else 2 for part in row["sizes"].split("-")) == row["size"]
    for name in ("table1", "table4"):
        for cell in printed.cells(name).values():
            assert len(cell.runs) == 3
            assert 0 <= cell.classes <= 30
            for run in cell.runs:  # both losses rise together, from train to test and from run to run
                assert 6 < run.test["cross_entropy_loss"] / run.test["l2_error"] < 20
                assert run.train["l2_error"] < run.test["l2_error"]


@pytest.mark.parametrize("table", [sizes.table2(), sizes.table3()], ids=["II", "III"])
def test_sizes_and_parameters_are_the_papers(table: Table) -> None:
    assert set(column(table, "verdict")) == {"same"}


def test_formulas_give_the_numbers_beside_them() -> None:
    for row in sizes.table3().rows:
        if row[4]:
            formula = row[4].replace("*", " * ").replace("+", " + ")
            product, _, outputs = formula.rpartition(" * ")
            weights = 1
            for factor in product.strip("()").split(" + ")[0].split(" * "):
                weights *= int(factor.strip("wi"))
            num_output = int(outputs.strip("o"))
            assert row[5] == f"{weights * num_output}w+{num_output}b"


def test_the_classic_networks_are_as_large_as_in_the_paper() -> None:
    table = sizes.table1()
    assert set(column(table, "verdict")) == {"same, but for 782 more w+b"}
    assert column(table, "ours: data/(w+b)")[2] == "16.66/1"


def test_a_row_of_losses() -> None:
    tests = [(90.0, 7.0), (92.0, 7.2), (94.0, 7.4)]
    runs = [result("cae2", 10, seed, test, classes=seed) for seed, test in enumerate(tests, 1)]
    table = losses.table("table4", {("cae2", 10): runs}, 3)
    row = dict(zip(table.columns, table.rows[4], strict=True))
    assert (row["network"], row["N"], row["seeds"]) == ("cae2", "10", "3")
    assert row["paper: test"] == "93.74; 7.25"  # (93.12 + 93.20 + 94.91) / 3; (7.15 + 7.19 + 7.42) / 3
    assert row["ours: test"] == "92.00; 7.20"
    assert row["spread"] == "±2.00; ±0.20"
    assert (row["paper: classes of 30"], row["ours: classes"], row["kNN"]) == ("26", "6 (1+2+3)", "90.0 %")
    assert row["verdict"] == "reproduced: -1.9 %, -0.7 %"
    assert table.rows[0][-1] == "not run"


def test_runs_that_fail_are_counted_and_their_reason_told() -> None:
    why = ["layer 'decode1' (InnerProduct): blob is constant; so it is", "the gradients are gone"]
    runs = [result("classic-3000", 2, 1, (205.8, 26.44), STUCK, why), result("classic-3000", 2, 2, (150.0, 17.0))]
    table = losses.table("table1", {("classic-3000", 2): runs}, 3)
    row = dict(zip(table.columns, table.rows[12], strict=True))
    assert (row["paper: test"], row["ours: test"]) == ("none (0 of 3)", "150.00; 17.00 (1 of 2)")
    assert row["ours: classes"] == "16 of 20 (8+8)"
    assert row["verdict"] == "1 of 2 converge; paper: 0 of 3"
    assert table.notes[-1] == (
        "classic-3000, N = 2, seed 1: stuck. layer 'decode1' (InnerProduct): blob is constant; so it is"
    )
    each = losses.runs_table("table1", {("classic-3000", 2): runs})
    assert column(each, "outcome") == ["stuck", "converged"]
    assert column(each, "the guard says")[0] == "; ".join(why)


def test_other_data_than_mnist_are_told_of() -> None:
    run = result("cae2", 10, 1, (90.0, 7.0))
    for mean_image, told in (((205.8047, 26.4483), False), ((346.1, 24.0), True)):
        run["mean_image"] = dict(zip(printed.LOSSES, mean_image, strict=True))
        notes = losses.table("table4", {("cae2", 10): [run]}, 3).notes
        assert any("not on MNIST" in note for note in notes) is told


def test_times_are_compared_by_the_iteration() -> None:
    runs = {"cae1": [result("cae1", 2, 1, (1, 1), iterations=2000, seconds=30)]}
    table = times.table5(runs)
    row = next(row for row in table.rows if row[:2] == ["cae1", "training time"])
    assert row[2:] == ["68 min", "0.5 min for 2000 iterations", "lower: 13.6 times as fast"]  # 68 * 60 / 300
    told = [row for row in table.rows if row[1] != "training time" and row[2] != "not named"]
    assert {row[-1] for row in told} == {"same"}


def test_findings_are_judged_against_the_network_as_it_is() -> None:
    tests = {"": (100.0, 9.0), "relu": (110.0, 9.0), "xavier": (101.0, 9.1), "entropy-alone": (100.0, 9.0)}
    spread = {"entropy-alone": 20.0}

    def results(experiments: list) -> list[dict]:
        made = []
        for each in experiments:
            if each.variant in tests:
                entropy, l2 = tests[each.variant]
                made.append(
                    result(each.network, each.dims, each.seed, (entropy + spread.get(each.variant, 0) * each.seed, l2))
                )
        return made

    table = variants.findings(results, 3, False)
    assert column(table, "verdict") == [
        "as the paper says", "as the paper says: worse, +40.0 %, +0.0 %", "",
        "as the paper says: worse, +10.0 %, +0.0 %", "", "no: stable",
    ]  # fmt: skip


def findings_of(runs: dict[str, list[tuple[float, float]]]) -> dict[str, str]:
    """Verdicts by variant, of made up test losses by variant."""

    def results(experiments: list) -> list[dict]:
        made = zip(experiments, runs.get(experiments[0].variant, []), strict=False)
        return [result(each.network, each.dims, each.seed, test) for each, test in made]

    verdicts = column(variants.findings(results, 3, False), "verdict")
    return {finding.variant: told for finding, told in zip(FINDINGS, verdicts, strict=True) if told}


STEADY, STUCK_ONE = [(100.0, 9.0)] * 3, [(100.0, 9.0), (100.0, 9.0), (205.8, 26.44)]
SPREAD = [(90.0, 8.0), (100.0, 9.0), (120.0, 11.0)]


def test_a_change_for_the_better_is_not_what_the_paper_says() -> None:
    assert findings_of({"": STEADY, "relu": [(60.0, 5.0)] * 3, "entropy-alone": STUCK_ONE}) == {
        "": "as the paper says",
        "relu": "no: better, -40.0 %, -44.4 %",
        "entropy-alone": "as the paper says: 2 of 3 converge",
    }


def test_only_beside_a_stable_network_can_a_change_be_called_unstable() -> None:
    told = findings_of({"": STEADY, "gaussian": STUCK_ONE, "xavier": SPREAD})
    assert told == {
        "": "as the paper says",
        "gaussian": "as the paper says: 2 of 3 converge",
        "xavier": "as the paper says: not stable",
    }
    told = findings_of({"": SPREAD, "gaussian": SPREAD, "xavier": STEADY})
    assert told == {
        "": "no: not stable",
        "gaussian": "open: nor is the network as in Table IV",
        "xavier": "no: stable",
    }


def test_runs_that_are_missing_leave_a_finding_open() -> None:
    assert findings_of({"": STEADY, "relu": STUCK_ONE[1:]})["relu"] == "2 of 3 runs"
    assert findings_of({"": STEADY[1:], "xavier": STEADY})["xavier"] == "2 of 3 runs"


def test_large_networks_train_when_all_their_runs_do() -> None:
    def results(experiments: list) -> list[dict]:
        return [
            result(each.network, each.dims, each.seed, (100, 9) if each.variant else (205.8, 26.44))
            for each in experiments
            if each.dims > 2 and not (each.dims == 30 and each.seed == 3)
        ]

    table = variants.large(results, 3, False)
    assert column(table, "paper: converge") == ["1 of 3", "2 of 3", "3 of 3", "0 of 3", "0 of 3", "0 of 3"]
    assert column(table, "ours: converge")[:2] == ["", "0 of 3"]
    assert column(table, "verdict")[:3] == ["", "yes: all train", "2 of 3 runs"]


def test_both_orders_of_the_images_stand_beside_the_paper() -> None:
    def results(experiments: list) -> list[dict]:
        return [
            result(each.network, each.dims, each.seed, (80, 4.5) if each.changes else (72, 3.8))
            for each in experiments
            if (each.network, each.dims) == ("cae2", 30)
        ]

    table = variants.order(results, 3, False)
    assert column(table, "shuffled: verdict")[-1] == "reproduced: -0.8 %, -1.3 %"
    assert column(table, "in file order: verdict")[-1] == "no: +10.2 %, +16.9 %"
    assert set(column(table, "in file order: test")[:-1]) == {"not run"}


@pytest.mark.parametrize("name", NAMES)
def test_quick_is_a_tenth_and_says_so_in_every_title(name: str, tmp_path: Path) -> None:
    whole, quick = needed(name, 2), needed(name, 2, quick=True)
    assert [10 * each.iterations for each in quick] == [each.iterations for each in whole]
    assert all("stepsize: 100" in each.settings for each in quick if each.network.startswith("classic"))
    for is_quick in (False, True):
        book = Book(_Empty(tmp_path), 2, is_quick)
        assert all(("(quick, 1/10 of the iterations)" in table.heading) is is_quick for table in book.tables(name))


class _Empty(Store):
    """A store in which nothing is finished."""

    def __init__(self, out: Path) -> None:
        super().__init__(out, Data(out, out, out))

    def result(self, experiment: object) -> None:
        return None


def test_markdown_and_csv_hold_the_same_cells(tmp_path: Path) -> None:
    table = Table("t", "T", "a title", ("a", "b"), [["1", "x|y"], ["2", 'he said "no", twice']], ["a note"])
    paths = write([table], tmp_path)
    assert [path.name for path in paths] == ["t.md", "t.csv"]
    assert paths[0].read_text().splitlines() == [
        "## T: a title", "", "| a | b |", "| --- | --- |", "| 1 | x\\|y |", '| 2 | he said "no", twice |', "",
        "- a note",
    ]  # fmt: skip
    with open(paths[1], newline="") as file:
        assert list(csv.reader(file)) == [["a", "b"], *table.rows]
    assert table.to_text().splitlines()[2:] == [
        "a  b",
        "──────────────────────",
        "1  x|y",
        '2  he said "no", twice',
        "  a note",
    ]


def test_a_wide_table_is_shown_in_parts_on_a_narrow_screen() -> None:
    rows = [["cae1", str(n), "149.78; 17.27", "158.00; 18.37 (1 of 3)", "verdict " * 4] for n in (2, 10)]
    columns = ("network", "N", "paper: train", "paper: test", "what is to be said of it")
    table = Table("t", "T", "a title", columns, rows, ["a note of several words, and more than the screen holds"])
    assert table.to_text(200) == table.to_text()
    told = table.to_text(50)
    assert max(map(len, told.splitlines())) <= 50
    assert told.count("cae1     2 ") == told.count("cae1     10") == 2, "what tells rows apart begins each part"
    for word in (word for line in [columns, *rows, table.notes] for each in line for word in each.split()):
        assert word in told
    assert max(map(len, table.to_text(30).splitlines())) <= 30


def test_expected_numbers_are_json() -> None:
    paths = sorted(Path(printed.__file__).parent.glob("*.json"))
    assert [path.stem for path in paths] == ["table1", "table2", "table3", "table4", "table5"]
    assert all(json.loads(path.read_text(encoding="utf-8"))["title"] for path in paths)
