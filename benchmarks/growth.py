"""Cost as work grows: time for an image and peak memory, in training and in encoding, for larger and larger files.

    python benchmarks/growth.py [--sizes N …] [--types uint8 float32] [--network cae1] [--shuffle] [--json FILE]

Makes HDF5 files of random 28x28 images, and runs two child processes for each: one trains a fixed number of iterations
(median over pieces of 50), one encodes the whole file to an .h5 and, in the same process and in turns, only reads the
file, and only computes (images that lie in memory). Peak memory is the child's largest resident size (`ru_maxrss`).
Beside the clock's time stands that of the processor, all threads together, which other programs disturb less. The files
are deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BLOCK = 10_000  # images that are written at a time
PIECE = 50  # iterations that are timed together
QUIET = "test_interval: 1000000000 test_initialization: false display: 0 snapshot: 0 snapshot_after_train: false"


def write_images(path: Path, images: int, kind: str) -> None:
    """`data` (images, 1, 28, 28), bytes 0..255 or float32 0..1, and `label`."""
    import h5py
    import numpy as np

    generator = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", (images, 1, 28, 28), kind)
        label = file.create_dataset("label", (images,), "float32")
        for start in range(0, images, BLOCK):
            size = min(BLOCK, images - start)
            block = generator.integers(0, 256, (size, 1, 28, 28), np.uint8)
            data[start : start + size] = block if kind == "uint8" else block / np.float32(255)
            label[start : start + size] = generator.integers(0, 10, size)


def write_model(folder: Path, network: str, batch: int, kind: str, shuffle: bool) -> None:
    """The network's texts, reading images.h5."""
    from deepcae import zoo
    from deepcae.zoo.text import in_file_order

    lists = folder / "images.txt"
    lists.write_text("images.h5\n")
    zoo.write(zoo.build(network, 2, train_list=lists, test_list=lists, batch=batch), folder)
    text = (folder / "net.prototxt").read_text()
    if kind == "uint8":
        text = text.replace("hdf5_data_param {", "transform_param { scale: 0.00392156862745 } hdf5_data_param {")
    if not shuffle:
        text = in_file_order(text)
    (folder / "net.prototxt").write_text(text)


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def nothing(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The net alone, a batch from memory."""
    import numpy as np

    from deepcae.net.net import Net

    net = Net(folder / "net.prototxt", seed=1)
    net({name: np.zeros((args.batch, *(net.plan.shapes[name] or ())[1:])) for name in net.inputs})
    return {"peak_mib": peak()}


def training(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Microseconds for an image, and the peak."""
    from deepcae.solver.solver import Solver

    solver = Solver(folder / "solver.prototxt", out=folder / "run", seed=1, overrides=QUIET)
    solver.step(PIECE)
    pieces = []
    for _ in range(max(1, args.iterations // PIECE)):
        began, cpu = time.perf_counter(), time.process_time()
        solver.step(PIECE)
        pieces.append((time.perf_counter() - began, time.process_time() - cpu))
    us, cpu_us = (statistics.median(times) / PIECE / args.batch * 1e6 for times in zip(*pieces, strict=True))
    return {"us": us, "cpu_us": cpu_us, "peak_mib": peak()}


def encoding(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Microseconds for an image of encoding, reading alone and computing alone, and the peak of encoding."""
    import numpy as np

    from deepcae.codes import files
    from deepcae.net.net import Net
    from deepcae.trained import passes
    from deepcae.trained.examples import open_examples
    from deepcae.trained.network import Trained

    trained = Trained(Net(folder / "net.prototxt", "TEST", seed=1), args.network, [folder])
    size, code = passes.batch_size(trained), trained.code
    memory = np.random.default_rng(0).random((16 * size, 1, 28, 28), np.float32)

    def encode() -> int:
        examples = open_examples(trained, folder / "images.h5")
        with files.writing(folder / "codes.h5", len(examples), {}) as write:
            for codes, labels in passes.encoded_blocks(trained, examples, code):
                write(codes, labels)
        return len(examples)

    def read() -> int:
        examples = open_examples(trained, folder / "images.h5")
        return sum(len(images) for images, _ in examples.batches(size))

    def compute() -> int:
        for start in range(0, len(memory), size):
            entry, images = trained.fed(memory[start : start + size])
            trained.net({entry: images}, want=[code])
        return len(memory)

    encode()
    found: dict[str, Any] = {"peak_mib": peak()}
    times: dict[str, list[tuple[float, float]]] = {"": [], "reading_": [], "computing_": []}
    for _ in range(args.rounds):
        for name, run in zip(times, (encode, read, compute), strict=True):
            times[name].append(timed(run))
    for name, values in times.items():
        found[f"{name}us"], found[f"{name}cpu_us"] = (statistics.median(each) for each in zip(*values, strict=True))
    return found


def timed(run: Callable[[], int]) -> tuple[float, float]:
    """Microseconds for an image, by the clock and of the processor, over at least a second."""
    began, cpu, images = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < 1:
        images += run()
    return (time.perf_counter() - began) / images * 1e6, (time.process_time() - cpu) / images * 1e6


CHILDREN = {"nothing": nothing, "training": training, "encoding": encoding}


def child(name: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """What a process of its own finds out."""
    options = ["--child", name, str(folder), "--network", args.network, "--batch", str(args.batch)]
    options += ["--iterations", str(args.iterations), "--rounds", str(args.rounds), "--threads", str(args.threads)]
    done = subprocess.run([sys.executable, __file__, *options], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run_child(args: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(args.threads)
    name, folder = args.child
    print(json.dumps(CHILDREN[name](Path(folder), args)))


HEAD = f"{'images':>9} {'type':<8}{'MiB':>6}" + "".join(
    f" |{name:>11}{'peak' if peaks else '':>6}"
    for name, peaks in (("training", True), ("encoding", True), ("reading", False), ("computing", False))
)


def line(found: dict[str, Any]) -> str:
    """A row of the table."""
    text = f"{found['images']:>9} {found['type']:<8}{found['file_mib']:>6.0f}"
    columns = [(which, "") for which in ("training", "encoding")] + [
        ("encoding", "reading_"),
        ("encoding", "computing_"),
    ]
    for which, part in columns:
        if of := found.get(which):
            text += f" |{of[part + 'us']:>6.2f}{of[part + 'cpu_us']:>5.1f}{'' if part else round(of['peak_mib']):>6}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[10**3, 10**4, 10**5, 10**6])
    parser.add_argument("--types", nargs="+", default=["uint8", "float32"], choices=["uint8", "float32"])
    parser.add_argument("--network", default="cae1")
    parser.add_argument("--batch", type=int, default=100, help="of training")
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3, help="of encoding")
    parser.add_argument("--shuffle", action="store_true", help="train in random order")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", nargs="+", default=["training", "encoding"], choices=["training", "encoding"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        run_child(args)
        return
    rows: list[dict[str, Any]] = []
    for kind in args.types:
        for images in args.sizes:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                write_images(folder / "images.h5", images, kind)
                write_model(folder, args.network, args.batch, kind, args.shuffle)
                if not rows:
                    alone = child("nothing", folder, args)["peak_mib"]
                    print(
                        f"µs for an image: by the clock, of the processor; peaks in MiB, {alone:.0f} for the net alone"
                    )
                    print(HEAD, flush=True)
                found = {"images": images, "type": kind, "file_mib": (folder / "images.h5").stat().st_size / 2**20}
                rows.append({**found, **{which: child(which, folder, args) for which in args.measure}})
            print(line(rows[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
