"""Trainings that are killed (SIGKILL) again and again, and go on each time, until they are done.

    PYTHONPATH=tests python -m faults.kills [--kills 1000] [--seed 7]

Half of the kills come at a random moment of a training, half at a random one of its calls that change files. After
each: no complete snapshot is lost or damaged; in the end weights and numbers are those of an undisturbed training, and
nothing is left behind.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from pathlib import Path

from .run import TRAININGS
from .server import Server, scratch
from .training import Training

MOST_IN_A_ROW = 5  # kills of one training


def kill(training: Training, dice: random.Random, number: int, seconds: float) -> tuple[int, list[str]]:
    """How often one training was killed, and what is wrong then."""
    case, kills, problems = training.begin(f"{number}"), 0, list[str]()
    for _ in range(dice.randint(1, MOST_IN_A_ROW)):
        if dice.random() < 0.5:
            ended = training.run(case, seconds=dice.uniform(0.001, seconds))
        else:
            ended = training.run(case, at=dice.randint(1, training.wanted.calls), failure="kill")
        kills += ended.killed
        problems += training.problems_now(case, ended)
    problems += training.problems_after(case, ended)
    shutil.rmtree(case.parent)
    return kills, problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    dice, began, kills, trainings, bad = random.Random(options.seed), time.monotonic(), 0, 0, 0
    with scratch() as folder, Server() as server:
        made = [Training(server, Path(folder, name), *settings) for name, settings in TRAININGS.items()]
        first = time.monotonic()
        shutil.rmtree(made[0].begin("timed").parent)
        made[0].run(made[0].begin("timed"))
        seconds = time.monotonic() - first
        while kills < options.kills:
            training = made[trainings % len(made)]
            done, problems = kill(training, dice, trainings, seconds)
            kills, trainings, bad = kills + done, trainings + 1, bad + bool(problems)
            for problem in problems:
                print(f"FAILED training {trainings}: {problem}", flush=True)
    print(
        f"{kills} kills of {trainings} trainings in {time.monotonic() - began:.0f} s, seed {options.seed}: "
        f"{bad} trainings with something wrong"
    )
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
