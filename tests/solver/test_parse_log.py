"""Logs of Caffe's and ours as tables."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from deepcae.errors import DataError
from deepcae.solver.log import log_lines
from deepcae.solver.parse_log import parse_lines, parse_log, write_tables
from deepcae.solver.records import LastPass, Started, Step, Test
from reference import reference_dir

OLD = """\
I1231 23:59:58.500000  4242 solver.cpp:280] Solving LeNet
I1231 23:59:58.500000  4242 solver.cpp:281] Learning Rate Policy: inv
I1231 23:59:58.750000  4242 solver.cpp:338] Iteration 0, Testing net (#0)
I1231 23:59:59.000000  4242 solver.cpp:406]     Test net output #0: accuracy = 0.0865
I1231 23:59:59.000000  4242 solver.cpp:406]     Test net output #1: loss = 2.39 (* 1 = 2.39 loss)
I1231 23:59:59.000000  4242 solver.cpp:338] Iteration 0, Testing net (#1)
I1231 23:59:59.250000  4242 solver.cpp:406]     Test net output #0: accuracy = 0.5
I1231 23:59:59.250000  4242 solver.cpp:406]     Test net output #1: loss = 1e-05 (* 1 = 1e-05 loss)
I0101 00:00:00.500000  4242 solver.cpp:229] Iteration 0, loss = 2.4
I0101 00:00:00.500000  4242 solver.cpp:245]     Train net output #0: loss = 2.4 (* 1 = 2.4 loss)
I0101 00:00:00.500000  4242 sgd_solver.cpp:106] Iteration 0, lr = 0.01
I0101 00:00:02.500000  4242 solver.cpp:229] Iteration 100, loss = nan
I0101 00:00:02.500000  4242 solver.cpp:245]     Train net output #0: loss = nan (* 1 = nan loss)
I0101 00:00:02.500000  4242 sgd_solver.cpp:106] Iteration 100, lr = 0.00992565
"""


def test_an_old_log_over_new_year() -> None:
    log = parse_lines(OLD.splitlines())
    assert log.test == [
        {"NumIters": 0, "Seconds": 0.5, "LearningRate": 0.01, "accuracy": 0.0865, "loss": 2.39},
        {"NumIters": 0, "Seconds": 0.75, "LearningRate": 0.01, "accuracy": 0.5, "loss": 1e-05},
    ]
    first, second = log.train
    assert first == {"NumIters": 0, "Seconds": 2.0, "LearningRate": 0.01, "loss": 2.4}
    assert (second["NumIters"], second["Seconds"], second["LearningRate"]) == (100, 4.0, 0.00992565)
    assert math.isnan(second["loss"])


def test_a_log_that_caffe_wrote() -> None:
    """The date has a year (glog 0.6), on which Caffe's own script fails."""
    log = parse_log(reference_dir("files", "ae", "caffe_train.log"))
    assert [row["NumIters"] for row in log.train] == [0, 5, 10, 15]
    assert [row["LearningRate"] for row in log.train] == [0.05, 0.05, 0.025, 0.025]
    assert [row["cross_entropy"] for row in log.train] == [47.8369, 43.0456, 45.5754, 43.7474]
    assert [row["NumIters"] for row in log.test] == [0, 8, 16]
    assert [row["l2"] for row in log.test] == [4.87551, 4.1918, 3.9126]
    seconds = [row["Seconds"] for row in log.train]
    assert seconds == sorted(seconds)
    assert seconds[0] == pytest.approx(0.000267, abs=1e-6)


def test_our_own_lines_come_back_as_they_were_told() -> None:
    records = [
        Started(0, "net", "fixed", 20, 1),
        Test(0, 0, {"loss": 3.5}, 3.5, {"loss": 1.0}),
        Step(0, 2.5, 2.5, 0.1, 1.0, True, {"loss": 2.5, "scores": (0.25, 0.75)}, {"loss": 2.0}, 1.0, 1, 10),
        Step(10, 1.5, 1.5, 0.05, 1.0, True, {"loss": 1.5, "scores": (-1e-7, float("inf"))}, {"loss": 2.0}, 1.0, 10, 10),
        LastPass(20, 1.0, 1.0, {"loss": 1.0}),
    ]
    log = parse_lines(line for record in records for line in log_lines(record))
    assert [row["LearningRate"] for row in log.train] == [0.1, 0.05]
    assert [(row["loss"], row["scores"], row["scores[1]"]) for row in log.train] == [
        (2.5, 0.25, 0.75),
        (1.5, -1e-7, float("inf")),
    ]
    assert [(row["loss"], row["LearningRate"]) for row in log.test] == [(3.5, 0.1)]


def test_the_tables_are_csv_with_caffes_names(tmp_path: Path) -> None:
    paths = write_tables(parse_lines(OLD.splitlines()), "logs/my.log", tmp_path / "out")
    assert [path.name for path in paths] == ["my.log.train", "my.log.test"]
    text = paths[1].read_text()
    assert text.startswith("NumIters,Seconds,LearningRate,accuracy,loss\n0.0,0.5,0.01,0.0865,2.39\n")
    with paths[0].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["NumIters"] for row in rows] == ["0.0", "100.0"]
    assert rows[1]["loss"] == "nan"
    semicolons = write_tables(parse_lines(OLD.splitlines()), "my.log", tmp_path, delimiter=";")
    assert semicolons[0].read_text().startswith("NumIters;Seconds;")


def test_what_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.log: No such file"):
        parse_log(tmp_path / "gone.log")
    (tmp_path / "x.log").write_bytes(b"\xff\x00 Iteration 1\nI9999 99:99:99.9 Iteration 2, lr = x\n")
    with pytest.raises(DataError, match=r"x.log: holds no line 'Train net output"):
        parse_log(tmp_path / "x.log")
