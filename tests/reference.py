"""Where the reference data lies: beside the checkout where it exists, else the small selection in tests/golden."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from deepcae.layers import Layer
from deepcae.proto.binary import write_message
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import BlobProto, NetParameter

WORST: dict[str, float] = {}  # family of comparisons → greatest relative error so far
COMPARED: dict[str, set[str]] = {}  # and the tests that made them
GOLDEN = Path(__file__).parent / "golden"


def _shared() -> Path | None:
    data = os.environ.get("DEEPCAE_DATA")
    candidates = [Path(data).parent] if data else []
    candidates.append(Path(__file__).resolve().parents[2] / "shared")
    return next((path for path in candidates if (path / "caffe_reference").is_dir()), None)


def reference_dir(*parts: str) -> Path:
    """`reference_dir("layers")`: Caffe's cases of one family, all that can be had here."""
    shared = _shared()
    return (shared / "caffe_reference" if shared else GOLDEN).joinpath(*parts)


def cases(family: str, pattern: str = "*.npz") -> list[Path]:
    """The case files of a family, in name order."""
    return sorted(reference_dir(family).glob(pattern))


def mnist_dir() -> Path | None:
    """The folder with MNIST's four IDX files, or None."""
    shared = _shared()
    folder = shared / "data" / "mnist" if shared else None
    return folder if folder and folder.is_dir() else None


@dataclass(frozen=True)
class Outline:
    """What a case is about, without its arrays: all that is needed to choose it while tests are collected."""

    net: NetParameter
    tops: bool  # whether it has any
    random: bool
    has_backward: bool
    resumed: bool

    @property
    def types(self) -> set[str]:
        return {layer.type for layer in self.net.layer}

    @property
    def known(self) -> bool:
        """Whether all its layers exist here."""
        return self.types <= set(Layer.registry)


@cache
def outline(path: Path) -> Outline:
    """Of a case file of layers or of a solver, read once in each process."""
    with np.load(path) as file:
        text = str(file["prototxt" if "prototxt" in file else "net_prototxt"])
        return Outline(
            net=read_net_text(text).message,
            tops="top_names" in file and file["top_names"].size > 0,
            random="random" in file and bool(file["random"]),
            has_backward="has_backward" not in file or bool(file["has_backward"]),
            resumed="resumed_lr" in file,
        )


def read_case(path: Path) -> dict[str, Any]:
    """All arrays of a case file."""
    with np.load(path) as file:
        return dict(file)


def write_extra_files(case: dict[str, Any], folder: Path) -> None:
    """The files that a case's text names beside its data (InfogainLoss's matrix), as Caffe stores them."""
    for k, name in enumerate(case.get("aux_names", ())):
        rows = np.atleast_2d(case[f"aux_{k}"])
        blob = BlobProto(num=1, channels=1, height=rows.shape[0], width=rows.shape[1], data=rows.ravel().tolist())
        write_message(folder / str(name), blob)


def compared(family: str, got: Any, wanted: Any) -> None:
    """Notes how far two arrays are apart, relative to the greatest value wanted, for the table of `conformance.py`."""
    got, wanted = np.asarray(got, np.float64).reshape(-1), np.asarray(wanted, np.float64).reshape(-1)
    finite = np.isfinite(wanted)
    scale = np.abs(wanted[finite]).max(initial=0.0)
    apart = np.abs(got[finite] - wanted[finite]).max(initial=0.0) - 1e-6  # rounding noise around 0
    WORST[family] = max(WORST.get(family, 0.0), apart / scale if scale and apart > 0 else 0.0)
    COMPARED.setdefault(family, set()).add(os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0])
