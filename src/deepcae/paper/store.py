"""Where results are kept: a folder that processes on several machines may fill together.

OUT/results/<name>-<key>.json   a finished run in a few hundred bytes; appears whole, and at once
OUT/runs/<name>-<key>/          the run's folder as a training makes it, its texts in `model`
OUT/locks/<name>-<key>.lock     held by the process that works on the run; ends with it, however that ends
OUT/pairs/<digest>/             pairs of images, made of the data for the Siamese network
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..atomic import whole_file
from ..errors import DataError, TrainingError
from ..inplace import json_of, open_to_read
from ..solver.about import METRICS
from ..solver.lock import Lock
from .experiment import JUDGING, Data, Experiment

_TAIL = 4096  # bytes at the end of the metrics that hold their last record


class Store:
    """The folder `out`, for results of experiments on `data`."""

    def __init__(self, out: Path, data: Data) -> None:
        self.out, self.data = out, data
        self._stems: dict[Experiment, str] = {}

    def stem(self, experiment: Experiment) -> str:
        """`<name>-<key>`, computed once."""
        if experiment not in self._stems:
            self._stems[experiment] = f"{experiment.name}-{experiment.key(self.data)}"
        return self._stems[experiment]

    def path(self, experiment: Experiment) -> Path:
        """Where the result is or will be."""
        return self.out / "results" / f"{self.stem(experiment)}.json"

    def run(self, experiment: Experiment) -> Path:
        """The run's folder."""
        return self.out / "runs" / self.stem(experiment)

    def lock(self, experiment: Experiment) -> Lock:
        """What keeps two processes from working on it at once; not acquired."""
        path = self.out / "locks" / self.stem(experiment)
        path.parent.mkdir(parents=True, exist_ok=True)
        return Lock(str(path))

    def is_taken(self, experiment: Experiment) -> bool:
        """Whether a living process works on it."""
        lock = self.lock(experiment)
        try:
            lock.acquire()
        except TrainingError:
            return True
        lock.release()
        return False

    def result(self, experiment: Experiment) -> dict[str, Any] | None:
        """What was kept of a finished run; None where it is not finished, or was judged by other rules than today's."""
        path = self.path(experiment)
        try:
            found: dict[str, Any] = json_of(path)
            is_result = isinstance(found, dict) and isinstance(found.get("outcome"), str)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ValueError:
            is_result = False
        if not is_result:
            raise DataError(f"{path}: damaged, no result of a run; remove it, and the run is judged anew")
        if "reasons" not in found:  # in results of before they stand in one sentence
            found["reasons"] = list(filter(None, str(found.get("reason", "")).split("; ")))
        return found if found.get("judging", JUDGING) == JUDGING else None

    def keep(self, experiment: Experiment, result: dict[str, Any]) -> None:
        """Writes the result: whole, or not at all."""
        with whole_file(self.path(experiment)) as temporary:
            temporary.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    def iteration(self, experiment: Experiment) -> int:
        """How far the run has come, as its metrics tell; 0 before the first."""
        try:
            with open_to_read(self.run(experiment) / METRICS) as file:
                file.seek(max(0, file.seek(0, 2) - _TAIL))
                lines = file.read().splitlines()
        except OSError:
            return 0
        for line in reversed(lines):
            try:
                return int(json.loads(line)["iteration"])
            except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
                continue
        return 0
