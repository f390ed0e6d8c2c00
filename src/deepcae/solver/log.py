"""Records as the lines that Caffe's `caffe train` writes, so that every tool that reads Caffe's logs reads ours.

    I1121 22:39:32.341892 28452 solver.cpp:239] Iteration 0 (0 iter/s, 0.012s/100 iters), loss = 206.512

The prefix is glog's with a date of month and day, the form that Caffe's own `parse_log.py` can read (glog 0.6 and later
write the year too, on which that script fails). Values have 6 significant digits, as C++ prints them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime

from ..errors import in_one_line
from .records import (
    Debugged,
    Failed,
    Finished,
    Kept,
    LastPass,
    Loaded,
    Noted,
    Record,
    Snapshotted,
    Started,
    Step,
    Test,
    Values,
    Warned,
)

Line = tuple[str, str]  # where Caffe writes it (file:line), text


def log_lines(record: Record, when: datetime | None = None) -> list[str]:
    """The lines of Caffe's log for one record, with glog's prefix; `when` defaults to now."""
    when = when or datetime.now()
    stamp = f"{when:%m%d %H:%M:%S}.{when.microsecond:06d} {os.getpid():5d}"
    doubtful = isinstance(record, Warned) or (isinstance(record, Loaded) and not record.complete)
    level = "W" if doubtful else "E" if isinstance(record, Failed) else "I"
    return [f"{level}{stamp} {source}] {in_one_line(text)}" for source, text in plain_lines(record)]


def plain_lines(record: Record) -> Iterator[Line]:
    """(where Caffe writes it, text) for each line of a record."""
    match record:
        case Started():
            yield from _started(record)
        case Step():
            yield from _step(record)
        case Test():
            yield from _test(record)
        case Loaded():
            yield "caffe.cpp:158", f"Finetuning from {record.message}"
        case Debugged():
            yield from _debugged(record)
        case LastPass():
            yield "solver.cpp:327", f"Iteration {record.iteration}, loss = {number(record.smoothed_loss)}"
        case Snapshotted():
            yield from _snapshotted(record)
        case Kept():
            yield "solver.cpp:464", _kept(record)
        case Warned() | Noted():
            yield "solver.cpp:263", f"Iteration {record.iteration}: {record.message}"
        case Failed():
            yield "solver.cpp:263", record.message
        case Finished():
            early = record.reason != "done"
            yield "solver.cpp:332", "Optimization stopped early." if early else "Optimization Done."
            yield "caffe.cpp:250", "Optimization Done."


def number(value: float) -> str:
    """A value with 6 significant digits, as C++ streams print floats."""
    return f"{value:.6g}"


def _snapshotted(record: Snapshotted) -> Iterator[Line]:
    in_hdf5 = record.path.endswith(".h5")
    model, state = (".caffemodel.h5", ".solverstate.h5") if in_hdf5 else (".caffemodel", ".solverstate")
    kind = "HDF5 file" if in_hdf5 else "binary proto file"
    yield f"solver.cpp:{474 if in_hdf5 else 464}", f"Snapshotting to {kind} {record.path}"
    place = f"sgd_solver.cpp:{296 if in_hdf5 else 284}"
    yield place, f"Snapshotting solver state to {kind} {record.path.removesuffix(model)}{state}"


def _kept(record: Kept) -> str:
    """Without the word that Caffe's parse_log takes an iteration from."""
    return f"Snapshotting the best test (iteration {record.iteration}, loss = {number(record.loss)}) to {record.path}"


def _started(record: Started) -> Iterator[Line]:
    if record.resumed_from:
        yield "caffe.cpp:235", f"Resuming from {record.resumed_from}"
    yield "caffe.cpp:239", "Starting Optimization"
    yield "solver.cpp:289", f"Solving {record.name}"
    yield "solver.cpp:290", f"Learning Rate Policy: {record.lr_policy}"
    if record.threads:
        yield "solver.cpp:263", record.threads


def _step(record: Step) -> Iterator[Line]:
    if record.displayed:
        speed = record.iterations / record.seconds if record.seconds else 0.0
        timing = f"{number(speed)} iter/s, {number(record.seconds)}s/{record.display} iters"
        yield "solver.cpp:239", f"Iteration {record.iteration} ({timing}), loss = {number(record.smoothed_loss)}"
        for line in _outputs("Train", record.outputs, record.weights):
            yield "solver.cpp:258", line
    if record.raised_step is not None:
        yield "sgd_solver.cpp:53", f"MultiStep Status: Iteration {record.iteration}, step = {record.raised_step}"
    if record.displayed:
        yield "sgd_solver.cpp:112", f"Iteration {record.iteration}, lr = {number(record.lr)}"
    if record.clipped_to is not None:
        norm, clip = record.gradient_norm, record.clipped_to
        sizes = f"(L2 norm {number(norm)} > {number(clip)}) by scale factor {number(clip / norm)}"
        yield "sgd_solver.cpp:122", f"Gradient clipping: scaling down gradients {sizes}"


def _test(record: Test) -> Iterator[Line]:
    yield "solver.cpp:347", f"Iteration {record.iteration}, Testing net (#{record.net_index})"
    if record.show_loss:
        yield "solver.cpp:401", f"Test loss: {number(record.loss)}"
    for line in _outputs("Test", record.outputs, record.weights):
        yield "solver.cpp:414", line


def _debugged(record: Debugged) -> Iterator[Line]:
    for stage, place in (("Forward", "net.cpp:593"), ("Backward", "net.cpp:621"), ("Update", "net.cpp:650")):
        for mean in (mean for mean in record.means if mean.stage == stage):
            diff = f"; diff: {number(mean.diff)}" if mean.diff is not None else ""
            yield place, f"    [{stage}] Layer {mean.layer}, {mean.what}: {number(mean.value)}{diff}"
        if stage == "Backward":
            yield _norms(record)


def _norms(record: Debugged) -> Line:
    weights1, gradients1, weights2, gradients2 = map(number, record.norms)
    norms = f"L1 norm = ({weights1}, {gradients1}); L2 norm = ({weights2}, {gradients2})"
    return "net.cpp:581", f"    [Backward] All net params (data, diff): {norms}"


def _outputs(which: str, outputs: Mapping[str, Values], weights: Mapping[str, float]) -> Iterator[str]:
    index = 0
    for name, values in outputs.items():
        weight = weights.get(name)
        for value in values if isinstance(values, tuple) else (values,):
            loss = f" (* {number(weight)} = {number(weight * value)} loss)" if weight else ""
            yield f"    {which} net output #{index}: {name} = {number(value)}{loss}"
            index += 1
