"""What trains an auto-encoder of `deepcae zoo design --plain` without tuning: activations, updates and rates compared.

    python experiments/design/measure.py --mnist data/mnist --neuro FOLDER [--only mouse --way 0]

FOLDER holds `mouse_2p/mouse_2p.tif` (500 frames of calcium imaging, 64×64; the last 100 are the test) and
`drosophila_em/*.png` (25 slices of electron microscopy; crops of 37×53, those of the last 5 are the test). The digits
of 8×8 pixels are scikit-learn's. Images in the order of their file, one thread, seed 1; a line of JSON for each
training: test losses before, at the quarters, at the end.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from deepcae import Solver, TrainingError, zoo
from deepcae.solver.records import Test
from deepcae.zoo.design import parse_image
from deepcae.zoo.text import in_file_order

SETS: dict[str, tuple[str, int, int]] = {
    "digits8": ("1x8x8", 8, 1000),
    "mnist": ("1x28x28", 30, 1000),
    "em": ("1x37x53", 16, 300),
    "mouse": ("1x64x64", 16, 300),
}
"""Size, code neurons, iterations."""
OURS = ("ELU", "Adam", 0.003, False)
WAYS = [OURS, ("ELU", "Adam", 0.001, False), ("ELU", "Adam", 0.01, False), ("ReLU", "Adam", 0.001, False),
        ("TanH", "Adam", 0.001, False), ("Sigmoid", "Adam", 0.001, False), ("Sigmoid", "SGD", 0.006, True)]  # fmt: skip
"""Activation, update, rate; whether fillers (xavier) and rate (fixed) are as in the paper."""


def images(name: str, neuro: Path) -> tuple[Any, Any]:
    """Training and test images (n, 1, h, w) in 0..1."""
    if name == "digits8":
        digits = load_digits().images[:, None] / 16
        order = np.random.default_rng(0).permutation(len(digits))
        return digits[order[:1500]], digits[order[1500:]]
    if name == "mouse":
        film: Any = Image.open(neuro / "mouse_2p" / "mouse_2p.tif")
        frames = []
        for number in range(film.n_frames):
            film.seek(number)
            frames.append(np.array(film))
        scaled = np.clip(np.stack(frames) / np.percentile(frames, 99.9), 0, 1)[:, None]
        return scaled[:400], scaled[400:]
    slices = sorted((neuro / "drosophila_em").glob("*.png"))
    pixels = np.stack([np.array(Image.open(each).convert("L")) for each in slices])[:, None] / 255
    rng = np.random.default_rng(0)
    return crops(pixels[:20], 2000, rng), crops(pixels[20:], 300, rng)


def crops(slices: Any, count: int, rng: np.random.Generator) -> Any:
    """`count` pieces of 37×53 pixels, cut anywhere out of (n, 1, h, w)."""
    places = rng.integers(0, (len(slices), slices.shape[2] - 36, slices.shape[3] - 52), (count, 3))
    return np.stack([slices[number, :, y : y + 37, x : x + 53] for number, y, x in places])


def lists(name: str, folder: Path, neuro: Path, mnist: Path) -> tuple[Path, Path]:
    """The list files of a set, written to `folder` unless it is MNIST."""
    if name == "mnist":
        return mnist.absolute() / "train.txt", mnist.absolute() / "test.txt"
    for kind, values in zip(("train", "test"), images(name, neuro), strict=True):
        with h5py.File(folder / f"{kind}.h5", "w") as file:
            file["data"] = values.astype(np.float32)
        (folder / f"{kind}.txt").write_text(f"{kind}.h5\n")
    return folder / "train.txt", folder / "test.txt"


def mean_image(train_list: Path, test_list: Path) -> float:
    """Euclidean loss of the training images' mean on the test images: what a net reaches without a code."""
    train, test = (h5py.File(each.with_suffix(".h5"))["data"][()].astype(float) for each in (train_list, test_list))
    return float(0.5 * np.square(test - train.mean(0)).sum() / len(test))


def train(name: str, way: tuple[str, str, float, bool], data: tuple[Path, Path]) -> Any:
    """Iteration → test losses (cross-entropy, Euclidean); or why it failed."""
    activation, update, rate, as_in_paper = way
    size, dims, iterations = SETS[name]
    with TemporaryDirectory() as folder:
        model = zoo.build_design(parse_image(size), dims, *data, folder=folder, plain=True)
        net, solver = zoo.write(model, folder)
        text = model.net_text.replace('type: "ELU"', f'type: "{activation}"')
        if as_in_paper:
            text = re.sub(r'type: "gaussian" std: [\d.e-]+', 'type: "xavier"', text)
        net.write_text(in_file_order(text))
        quarter = iterations // 4
        settings = f'type: "{update}" base_lr: {rate} max_iter: {iterations} test_interval: {quarter} random_seed: 1 '
        settings += "snapshot: 0 snapshot_after_train: false " + ('lr_policy: "fixed"' if as_in_paper else "")
        losses = {}
        try:
            for record in Solver(str(solver), overrides=settings).solve():
                if isinstance(record, Test):
                    losses[record.iteration] = [float(f"{value:.5g}") for value in record.outputs.values()]
        except TrainingError as error:
            return {"failed": str(error), "test": losses}
        return {"test": losses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, default=Path("data/mnist"))
    parser.add_argument("--neuro", type=Path, required=True)
    parser.add_argument("--only", choices=SETS)
    parser.add_argument("--way", type=int, help="a number in WAYS")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, (size, dims, *_) in SETS.items():
        if args.only not in (None, name):
            continue
        with TemporaryDirectory() as folder:
            data = lists(name, Path(folder), args.neuro, args.mnist)
            print(json.dumps({"set": name, "mean image": mean_image(*data)}), flush=True)
            for way in WAYS if args.way is None else [WAYS[args.way]]:
                told = dict(zip(("activation", "update", "rate", "paper"), way, strict=True))
                found = train(name, way, data)
                print(json.dumps({"set": name, "input": size, "dims": dims, **told, **found}), flush=True)


if __name__ == "__main__":
    main()
