"""What a user writes, waits for and gets: PCA, UMAP, a plain PyTorch auto-encoder and `ConvAutoencoder`, side by side.

    python experiments/comparison/measure.py --mnist data/mnist --neuro FOLDER [--digits 10000 2000]
        [--only pca pytorch] [--set mouse] [--dims 2]

Each script in `scripts/` is what a user of that library would write. It runs in a process of its own, from arrays to
codes; a line of JSON for each: its lines, seconds and peak memory in MiB (Python and imports included), parameters that
are trained, half the squared error per test image in grey levels of 0..1, accuracy of the nearest neighbours among the
test codes (left out one by one), trustworthiness of the first 2,000 test images. MNIST: 60,000 and 10,000 digits, or
the first `--digits`; mouse: 400 and 100 frames of calcium imaging in order of time, 64×64, 16 bits. Both networks make
as many passes over the training images at most (`PASSES`), and the plain one has as many neurons as make it as large as
the designed one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np

from deepcae.codes import knn_accuracy
from deepcae.codes.faithful import trustworthiness
from deepcae.data import open_rows
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.zoo import build_design

SCRIPTS = Path(__file__).parent / "scripts"
PASSES = {"mnist": 10, "mouse": 125}
MOST = 2000  # images whose neighbourhoods are compared
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]


def mnist(folder: Path, counts: list[int]) -> Arrays:
    """Grey levels 0..255 (n, 28, 28) as bytes, and the test digits' classes; of each part the first so many."""
    parts = {}
    for name, count in zip(("train", "test"), counts, strict=True):
        with h5py.File(folder / f"{name}.h5") as file:
            parts[name] = (np.rint(file["data"][:count, 0] * 255).astype(np.uint8), file["label"][:count])
    return parts["train"][0], parts["test"][0], parts["test"][1].reshape(-1).astype(int)


def mouse(folder: Path) -> Arrays:
    """Counts of 16 bits (n, 64, 64), in order of time."""
    import tifffile

    frames = tifffile.imread(folder / "mouse_2p" / "mouse_2p.tif").astype(np.uint16)
    return frames[:400], frames[400:], None


def trainable(images: np.ndarray, dims: int) -> int:
    """Parameters that training moves in the network that `ConvAutoencoder` designs for images (n, h, w)."""
    model = build_design((1, *images.shape[1:]), dims, images=open_rows(images[:, None]))
    return sum(blob.tensor.numel() for blob in Net(read_net_text(model.net_text)).learnable if blob.lr_mult)


def measured(script: Path, arrays: Arrays, words: list[int], folder: Path) -> dict[str, Any]:
    """One script with one set. `words`: dimensions, passes and parameters."""
    train, test, labels = arrays
    np.save(folder / "train.npy", train)
    np.save(folder / "test.npy", test)
    out = folder / "out.npz"
    began = time.perf_counter()
    argv = [sys.executable, "-W", "ignore", str(script), *(str(folder / f"{each}.npy") for each in ("train", "test"))]
    argv += [str(words[0]), str(out), *map(str, words[1:])]
    with (folder / "said.txt").open("w+") as said:
        process = subprocess.Popen(argv, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        return {"failed": (folder / "said.txt").read_text().strip().splitlines()[-1:]}
    seconds = time.perf_counter() - began
    with np.load(out) as made:
        codes, restored, parameters = made["codes"], made.get("restored"), made.get("parameters")
    found: dict[str, Any] = {"lines": lines(script), "seconds": round(seconds, 1), "peak": used.ru_maxrss // 1024}
    if parameters is not None:
        found["parameters"] = int(parameters)
    if restored is not None:
        span = float(np.ptp(train))
        error = (restored.reshape(len(test), -1) - test.reshape(len(test), -1)) / span
        found["error"] = float(np.square(error).sum() / len(test) / 2)
    if labels is not None:
        found["knn"] = knn_accuracy(codes, labels)
    found["trustworthiness"] = trustworthiness(test[:MOST].reshape(len(test[:MOST]), -1), codes[:MOST])
    return found


def lines(script: Path) -> int:
    """Lines that are not empty."""
    return sum(bool(line.strip()) for line in script.read_text().splitlines())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--digits", type=int, nargs=2, default=[60_000, 10_000])
    parser.add_argument("--neuro", type=Path)
    parser.add_argument("--set", dest="sets", nargs="*", choices=["mnist", "mouse"], default=["mnist", "mouse"])
    parser.add_argument("--dims", nargs="*", type=int, default=[2, 16])
    parser.add_argument("--only", nargs="*", help="names of scripts")
    given = parser.parse_args()
    for name in given.sets:
        arrays = mnist(given.mnist, given.digits) if name == "mnist" else mouse(given.neuro)
        for dims in given.dims:
            size = trainable(arrays[0], dims)
            for script in sorted(SCRIPTS.glob("*.py")):
                if given.only and script.stem not in given.only:
                    continue
                with TemporaryDirectory() as folder:
                    found = measured(script, arrays, [dims, PASSES[name], size], Path(folder))
                if script.stem == "conv_autoencoder":
                    found["parameters"] = size
                print(json.dumps({"set": name, "dims": dims, "script": script.stem, **found}), flush=True)


if __name__ == "__main__":
    main()
