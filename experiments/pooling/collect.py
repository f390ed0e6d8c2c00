"""The results of finished trainings as small JSON: what `experiments/pooling/results.json` holds.

    python experiments/pooling/collect.py RUN... --out FILE.json

RUN: folders of `deepcae train --runs 3`, each with its seed-1, seed-2, seed-3. kNN accuracy is that of the test set's
codes (10 neighbours, the example itself left out); `seconds` are those of a training beside others. `l2_late`: the mean
Euclidean loss of the last five tests, 1,000 iterations apart; with a fixed rate the loss swings from one to the next.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from deepcae.codes import knn_accuracy
from deepcae.solver.run import Run
from deepcae.trained.examples import open_examples
from deepcae.trained.network import Trained
from deepcae.trained.passes import encoded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    found = [result(folder) for several in asked.runs for folder in sorted(several.glob("seed-*"))]
    asked.out.write_text("[\n" + ",\n".join(json.dumps(each) for each in found) + "\n]\n", encoding="utf-8")


def result(folder: Path) -> dict[str, Any]:
    run = Run(folder)
    trained, metrics = Trained.of_run(run), run.metrics()
    last = metrics[-1]
    late = [record["outputs"]["l2_error"] for record in metrics if record["kind"] == "test"][-5:]
    codes, labels = encoded(trained, open_examples(trained, None), trained.code)
    assert labels is not None
    name, dims = run.about["name"], int(codes.shape[1])
    where = f"{name}-{dims}"
    texts = f"deepcae zoo {name} --dims {dims} -o my/{where}"
    train = f"deepcae train --solver my/{where}/solver.prototxt --runs 3 --seed 1 --threads 1 --out runs/{where}"
    return {
        "network": name,
        "dims": dims,
        "seed": run.about["seed"],
        "iterations": last["iteration"],
        **{loss: round(value, 3) for loss, value in last["test"].items()},
        "l2_late": round(sum(late) / len(late), 3),
        "knn_accuracy": round(knn_accuracy(codes, labels), 4),
        "cae_size": trained.summary.size,
        "parameters": trained.summary.parameters,
        "seconds": round(last["seconds"], 1),
        "command": f"{texts} && {train}",
    }


if __name__ == "__main__":
    main()
