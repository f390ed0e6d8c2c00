"""One of several runs (`runs`), in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    """Its job lies on standard input, its answer goes to stdout; the exit code."""
    from ..layers.python import python_layers
    from ..writes import writes_elsewhere
    from .device import choose_device
    from .exits import guarded
    from .options import Output
    from .training import TrainingOptions, train_one

    def work(began: float) -> int:
        job = json.loads(sys.stdin.read())
        options = TrainingOptions.from_json(job["options"])
        with python_layers(job["allow_python_layers"]), writes_elsewhere(job["allow_writes_elsewhere"]):
            choose_device(options.device, options.threads)
            train_one(options, Path(job["folder"]), job["seed"], Output(job["quiet"], json=True), began)
        return 0

    return guarded(work)
