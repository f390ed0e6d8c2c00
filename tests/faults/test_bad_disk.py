"""A disk that fails: every reader and writer says which file, and why; none ends the process, none leaves anything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from faults.server import HERE, compile_shim, compiler, scratch

pytestmark = pytest.mark.skipif(
    shutil.which(compiler()[0]) is None or not Path("/proc/self/fd").exists(),
    reason="needs a C compiler, for what stands between Python and the system, and Linux's /proc",
)
READERS = (
    "a.h5", "z.h5", "a.npy", "f.npy", "a.npz", "a-idx3-ubyte", "b-idx3-ubyte.gz", "rows of HDF5", "scattered rows",
    "list of HDF5", "list of images", "lmdb", "mean", "image png", "image jpg", "image tif", "image bmp", "image webp",
    "w.caffemodel", "w.caffemodel.h5", "w.safetensors", "w.pt", "w.solverstate", "w.solverstate.h5", "kind of file",
    "codes.h5", "codes.npz", "codes.csv",
    "net.prototxt", "solver.prototxt", "metrics.jsonl", "train.log", "run.json", "s.ok.json",
)  # fmt: skip
WRITERS = (
    "codes.h5", "codes.npz", "codes.csv", "codes.mat", "w.caffemodel", "w.caffemodel.h5", "w.safetensors", "w.pt",
    "net.svg", "net.dot", "net.png", "p.png", "p.svg", "p.pdf", "db", "mean.binaryproto", "w.onnx", "page.html",
    "train.log", "part",
)  # fmt: skip
WORDS = ("Input/output error", "No space left on device", "Permission denied")


@cache
def failures(module: str) -> dict[str, list[list[str]]]:
    with scratch() as folder:
        shim = str(compile_shim(Path(folder), "bad_disk"))
        paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "LD_PRELOAD": shim, "BAD_DISK": shim, "PYTHONPATH": paths, "TMPDIR": folder}
        command = [sys.executable, "-m", f"faults.{module}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert not done.returncode, done.stderr[-3000:]
    found: dict[str, list[list[str]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", READERS)
def test_a_reader_names_the_file_and_the_systems_reason(name: str) -> None:
    found = failures("readers")[name]
    assert len(found) >= 2
    for what, file, kind, said in found:
        assert kind.endswith("Error"), (what, kind, said)
        assert not kind.startswith("unexpected"), (what, kind, said)
        assert file in said, (what, said)
        library = name == "w.safetensors" and what.startswith("open")  # it does not tell why
        assert any(word in said for word in WORDS) or (library and "cannot be opened" in said), (what, said)


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_names_the_file_and_leaves_nothing_half_written(name: str) -> None:
    found = failures("writers")[name]
    assert len(found) >= 4
    for what, file, kind, said, left in found:
        assert ".tmp" not in said + left, (what, said, left)
        if name == "codes.npz" and not kind:  # a nameless file that cannot be had is made under a name
            assert left == name
            continue
        assert kind.endswith("Error"), (what, kind, said)
        assert not kind.startswith("unexpected"), (what, kind, said)
        assert file in said, (what, said)
        assert any(word in said for word in WORDS), (what, said)


def test_all_are_looked_at() -> None:
    assert set(failures("readers")) == set(READERS)
    assert set(failures("writers")) == set(WRITERS)
