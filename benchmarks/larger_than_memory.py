"""Files larger than memory: seconds and peak memory of each part of `deepcae fit`, and what reading costs a training.

    python benchmarks/larger_than_memory.py [--kinds h5 tiff zarr] [--gigabytes N …] [--iterations 1000]
                                            [--dims 16] [--width W] [--folder DIR] [--json FILE] [--verbose]

Makes one file after another of 64x64 images, by a seed:

    h5      20 GB of float32, one dataset in one piece; sparse: a thousand images here and there, the rest zeros
    tiff    5 GB of 16 bits, a BigTIFF whose pages lie one after another
    zarr    5 GB of 16 bits, in packed chunks of 100 images

and has `deepcae fit FILE --dims 16 --set 'max_iter: 1000'` read, store, design, train, encode all images and report, in
a process of its own with one thread. Seconds are told by the clock, and of the processor, which other programs disturb
less. Peak memory is what the process and its children hold at a time (`VmHWM`, beginning anew with each part; children
are looked at ten times a second); files that the system keeps in its cache are not in it.

`step`: milliseconds of an iteration that reads the stored file, in random order, and of one that has `FEW` of its
images in memory, in turns in one process; least of `TURNS` turns, by the clock and of the processor. Disk space of
about twice the file is needed; all is deleted at the end of each kind.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

SIDE, RICH, PLACES, CHUNK = 64, 1000, 20, 100
FEW, TURNS, PIECE = 2000, 12, 5
QUIET = "test_interval: 1000000000 test_initialization: false display: 0 snapshot: 0 snapshot_after_train: false"
PARTS = {"1/5": "read and store", "2/5": "design", "3/5": "train", "4/5": "encode", "5/5": "report"}


def images_of(seed: int) -> Any:
    """Two blobs and noise: (RICH, SIDE, SIDE) uint16."""
    import numpy as np

    draw, (y, x) = np.random.default_rng(seed), np.mgrid[:SIDE, :SIDE].astype(np.float32)
    at = draw.uniform(8, SIDE - 8, (RICH, 2, 2, 1, 1)).astype(np.float32)
    blobs = np.exp(-((y - at[:, 0]) ** 2 + (x - at[:, 1]) ** 2) / 40).sum(axis=1)
    return (4000 * blobs + draw.normal(300, 20, blobs.shape)).clip(0).astype(np.uint16)


def blocks(count: int) -> Iterator[tuple[int, Any]]:
    """(first row, images) of all rows: five thousand images, again and again."""
    some = [images_of(seed) for seed in range(5)]
    for number, first in enumerate(range(0, count, RICH)):
        yield first, some[number % len(some)][: count - first]


def make_h5(path: Path, count: int) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space = h5py.h5s.create_simple((count, 1, SIDE, SIDE))
        data = h5py.Dataset(h5py.h5d.create(file.id, b"data", h5py.h5t.NATIVE_FLOAT, space, dcpl=plist))
        for seed, first in enumerate(range(0, count, max(RICH, count // PLACES))):
            data[first : first + RICH, 0] = images_of(seed)[: count - first]


def make_tiff(path: Path, count: int) -> None:
    import tifffile

    pages = (page for _, images in blocks(count) for page in images)
    tifffile.imwrite(path, pages, shape=(count, SIDE, SIDE), dtype="uint16", bigtiff=True, photometric="minisblack")


def make_zarr(path: Path, count: int) -> None:
    import zarr

    data = zarr.open_array(path, mode="w", shape=(count, SIDE, SIDE), chunks=(CHUNK, SIDE, SIDE), dtype="uint16")
    for first, images in blocks(count):
        data[first : first + len(images)] = images


MAKERS: dict[str, tuple[str, float, int, Callable[[Path, int], None]]] = {  # file, GB, bytes of a value
    "h5": ("big.h5", 20, 4, make_h5),
    "tiff": ("big.tif", 5, 2, make_tiff),
    "zarr": ("big.zarr", 5, 2, make_zarr),
}


class Watch:
    """A process: seconds by the clock and of the processor since the last `lap`, and the peak of its memory in MiB."""

    def __init__(self, process: int) -> None:
        self._process, self._peak, self._ends = process, 0.0, threading.Event()
        self._clock, self._processor = time.perf_counter(), 0.0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def lap(self) -> dict[str, float]:
        self._take()
        clock, processor = time.perf_counter(), self._used()
        found = {"seconds": clock - self._clock, "processor": processor - self._processor, "mib": self._peak}
        self._clock, self._processor, self._peak = clock, processor, 0.0
        with suppress(OSError):
            Path(f"/proc/{self._process}/clear_refs").write_text("5")  # VmHWM begins anew
        return found

    def close(self) -> None:
        self._ends.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ends.wait(0.1):
            self._take()

    def _take(self) -> None:
        with suppress(OSError):
            own = _status(self._process, "VmHWM")
            self._peak = max(self._peak, own + sum(_status(child, "VmRSS") for child in _children(self._process)))

    def _used(self) -> float:
        try:
            words = Path(f"/proc/{self._process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return self._processor
        return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")  # its own and its children's


def _status(process: int, name: str) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _children(process: int) -> Iterator[int]:
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                yield child
                yield from _children(child)


def fitted(source: Path, run: Path, args: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    """The figures of each part of a fit, as soon as it is done."""
    words = ["fit", str(source), "--dims", str(args.dims), "--set", f"max_iter: {args.iterations}", "-o", str(run)]
    words += ["--threads", "1", *(["--width", str(args.width)] if args.width else [])]
    with subprocess.Popen(
        [str(Path(sys.executable).parent / "deepcae"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        watch, part, said = Watch(process.pid), "begin", [""]
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said.append(line)
                if line[:3] in PARTS:
                    yield part, watch.lap()
                    part = PARTS[line[:3]]
                    said = [line]
                elif args.verbose:
                    print(line, end="", flush=True)
            yield part, watch.lap()
        finally:
            watch.close()
    if process.returncode:
        raise SystemExit(f"deepcae {' '.join(words)}\n{''.join(said)[-2000:]}")


def pace(run: Path) -> None:
    """Prints milliseconds of an iteration that reads the stored file, and of one whose images lie in memory.

    By the clock, then of the processor, the thread that reads ahead included.
    """
    import h5py

    from deepcae.data import open_rows
    from deepcae.solver.solver import Solver

    model, listed = run / "model", (run / "data" / "train.txt").resolve()
    with tempfile.TemporaryDirectory() as name:
        few = Path(name) / "few.h5"
        with h5py.File(few, "w") as file:
            file["data"] = open_rows(listed, ["data"]).read(slice(0, FEW))["data"]
        few.with_suffix(".txt").write_text(f"{few}\n")
        solvers = []
        for kind, there in (("file", listed), ("memory", few.with_suffix(".txt"))):
            home = Path(name) / kind
            home.mkdir()
            text = (model / "net.prototxt").read_text().replace("../data/train.txt", str(there))
            (home / "net.prototxt").write_text(text.replace("../data/test.txt", str(few.with_suffix(".txt"))))
            for copied in ("solver.prototxt", "start.caffemodel"):
                (home / copied).write_bytes((model / copied).read_bytes())
            solvers.append(Solver(home / "solver.prototxt", out=home / "run", seed=1, overrides=QUIET))
        times: list[list[float]] = [[], [], [], []]
        for _ in range(TURNS):
            for number, solver in enumerate(solvers):
                began = time.perf_counter(), time.process_time()
                solver.step(PIECE)
                ended = time.perf_counter(), time.process_time()
                for clock, taken in enumerate(times[number::2]):
                    taken.append(1e3 * (ended[clock] - began[clock]) / PIECE)
    print(json.dumps([min(taken[1:]) for taken in times]))


def measured(kind: str, gigabytes: float, args: argparse.Namespace) -> dict[str, Any]:
    """All figures of a kind of file, which are printed as they come."""
    file_name, _, size, make = MAKERS[kind]
    count = int(gigabytes * 1e9 / (size * SIDE * SIDE))
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        source, run = Path(name) / file_name, Path(name) / "run"
        print(f"{kind}: {gigabytes:g} GB, {count:,} images of {SIDE}x{SIDE}", flush=True)
        make(source, count)
        parts: dict[str, dict[str, float]] = {}
        for part, figures in fitted(source, run, args):
            parts[part] = figures
            row = "{seconds:8.0f} s {processor:8.0f} s of the processor {mib:6.0f} MiB".format(**figures)
            print(f"  {part:<15}{row}", flush=True)
        words = [sys.executable, __file__, "--pace", str(run)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        told = subprocess.run(words, check=True, capture_output=True, text=True, env=environment).stdout
        steps = json.loads(told)
        for what, (file, memory) in zip(("by the clock", "of the processor"), (steps[:2], steps[2:]), strict=True):
            row = f"{file:.1f} ms {what} from the file, {memory:.1f} ms from memory: {file / memory:.2f}"
            print(f"  step           {row}", flush=True)
    return {"kind": kind, "gigabytes": gigabytes, "images": count, "parts": parts, "step_ms": steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=list(MAKERS), choices=list(MAKERS))
    parser.add_argument("--gigabytes", nargs="+", type=float, help="of each kind, or one size for all")
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--dims", type=int, default=16)
    parser.add_argument("--width", type=float, help="as of `deepcae fit`")
    parser.add_argument("--folder", type=Path, help="where the files are made")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--verbose", action="store_true", help="what `deepcae fit` says, too")
    parser.add_argument("--pace", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.pace:
        return pace(args.pace)
    sizes = args.gigabytes or [MAKERS[kind][1] for kind in args.kinds]
    sizes = sizes * len(args.kinds) if len(sizes) == 1 else sizes
    found = [measured(kind, size, args) for kind, size in zip(args.kinds, sizes, strict=True)]
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
