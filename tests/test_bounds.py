"""A small file that says it holds much takes no more than twice its size and 256 MiB of memory: measured in a child."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells a peak of memory")
BOMBS = Path(__file__).with_name("bombs.py")
REFUSED = {
    "sources": {
        "picture": "is no readable image",
        "tiff of one page": "a page: it would take",
        "zarr of a great row": "would not fit into memory",
    },
    "data": {
        "wrong h5": "a.h5: blob 'data' of net '' has shape (N, 6); given are rows of shape [4, 256, 256]",
        "wrong h5 of bytes": "b.h5: blob 'data' of net '' has shape (N, 6)",
        "wrong npz": "c.npz: blob 'data' of net '' has shape (N, 6)",
        "wrong idx": "d.gz: blob 'data' of net '' has shape (N, 6)",
        "wrong h5 of one chunk": "g.h5: dataset 'data' is packed in chunks of 160.0 MiB",
        "right h5 of one chunk": "at most 64.0 MiB are unpacked; use smaller ones",
        "wrong labels": "l.h5: rows of its labels 'label' have shape [4194304]",
    },
    "weights": {
        "wrong caffemodel.h5": "layer 'code': blob 0 has shape [80, 1048576] there and [2, 6] here",
        "caffemodel.h5 of one chunk": "/data/code/0 is packed in chunks of 1,024.0 MiB",
        "wrong safetensors": "layer 'code': blob 0 has shape [2, 33554432] there and [2, 6] here",
        "solverstate.h5": "it would take 640.0 MiB of memory, but its file has",
        "caffemodel of empty layers": "holds more than 50000 layers, blobs and settings",
        "caffemodel of empty blobs": "holds more than 50000 layers, blobs and settings",
    },
    "codes": {
        "parquet of one long word": "w.parquet: not a readable .parquet file of codes: it would take 13,733",
        "parquet of categories": "k.parquet: not a readable .parquet file of codes: it would take 915",
        "h5": "it would take 320.0 MiB of memory, but its file has",
        "labels": "b.h5: 83886080 labels for 40 codes",
        "words": "it would take 3,072.0 MiB of memory",
        "npz": "it would take 320.0 MiB of memory",
        "mat": "it would take more memory than twice its size and 192 MiB",
        "csv of one long label": "f.csv:100002: a label of 100000 characters",
    },
    "other": {
        "load npz": "it would take 1,280.0 MiB of memory",
        "load h5": "it would take 320.0 MiB of memory",
        "labels idx": "it would take 320.0 MiB of memory",
        "run.json": "run.json: damaged",
        "prototxt": "nested more than 64 deep",
        "png": "is no readable image",
    },
    "messages": {
        "caffemodel of empty names": "holds more than 1000000 values that are not packed",
        "caffemodel of dims": "holds more than 1000000 values that are not packed",
        "caffemodel of a long name": "holds more than 1000000 values that are not packed",
    },
    "lines": {
        "csv of long labels": "of memory, but its file has",
        "csv of one line": "e.csv:1: a line of 4194304 characters or more",
        "image list of one line": "i.txt:1: needs an image file, a blank and an integer label",
        "hdf5 list": "h.txt: lists more than ",
        "log of rows": "r.log: it would take",
    },
    "pictures": {
        "png of 16 bits, too large": "its 5000 x 5000 pixels would take 310 MiB of memory; at most 19 million are read",
        "tiff of tags": "it says that its tag 273 has 16777216 values",
        "tiff of tags in its second page": "it says that its tag 273 has 16777216 values",
        "tiff of one tile": "a tile of it takes 2400000000 bytes",
        "tiff of pages": "it has more than 1000 pages",
        "tiff of pages without end": "it has more than 1000 pages",
    },
}
READ = {
    "sources": {"npy, prepared": "1280", "mat, one image": "(1, 1, 1024, 1024)"},
    "data": {"right h5": "320", "right h5 of bytes": "1280", "right npz": "1280", "right idx": "1280"},
    "weights": {"caffemodel.h5 of other layers": "0 layer(s) loaded; not in this net: unknown"},
    "codes": {"csv": "3000000"},
    "messages": {"caffemodel of one blob": "1 layer(s) loaded", "solverstate of one blob": "1"},
    "lines": {
        "metrics": "4",
        "metrics of one line": "1",
        "log of one line": "1",
        "image list": "1500000",
    },
    "pictures": {
        "png of 16 bits": "(3, 3700, 3700)",
        "png of 16 bits as gray": "(1, 3700, 3700)",
        "jpeg of inks": "(3, 4000, 4000)",
        "tiff of a deep strip": "(3, 3700, 3700)",
        "webp": "(3, 3400, 3400)",
    },
}


@cache
def measured(kind: str) -> dict[str, dict[str, Any]]:
    done = subprocess.run([sys.executable, BOMBS, kind], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in REFUSED.items() for name in names])
def test_it_is_refused_before_it_is_read(kind: str, name: str) -> None:
    found = measured(kind)[name]
    assert REFUSED[kind][name] in found["said"]
    assert found["rose"] <= 2 * found["size"] + 256


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in READ.items() for name in names])
def test_what_is_rightly_larger_than_its_file_is_read_in_pieces(kind: str, name: str) -> None:
    found = measured(kind)[name]
    assert READ[kind][name] in found["said"]
    assert found["rose"] <= 2 * found["size"] + 256


def test_every_bomb_is_looked_at_and_the_measure_measures() -> None:
    other = measured("other")
    assert other.pop("the measure")["rose"] > 390
    for kind in REFUSED:
        assert set(measured(kind)) == {*REFUSED[kind], *READ.get(kind, {})}
