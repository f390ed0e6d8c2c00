"""How often the rule of `deepcae.solver.overfit` alarms for nothing, and how soon where it should, on made-up losses.

    python benchmarks/overfitting.py [--runs 200] [--tests 100]

For nothing: test losses of five shapes (flat, falling fast, slowly or in a straight line, falling at steps of the
rate), each times exp(noise), beside training losses that go on to fall in four ways. The noise is AR(1), x[n] =
rho x[n-1] + sqrt(1 - rho^2) e, of five deviations from 0.5 to 20 %. A run counts once, however often it alarms; of the
25 combinations in each cell the mean and the worst are told. Where it should: losses that rise after their best.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence

import numpy as np

from deepcae.solver.overfit import Overfit, Overfitting

RHOS = (0.0, 0.5, 0.8, 0.9, 0.95)
DEVIATIONS = (0.005, 0.01, 0.02, 0.05, 0.2)
BATCHES, BETWEEN = 10, 0.05  # training losses between tests, and how far those of batches differ


def quiet(tests: int) -> dict[str, np.ndarray]:
    """Test losses of trainings in which all is well."""
    n = np.arange(tests)
    return {
        "flat": np.full(tests, 20.0),
        "fast": 20 + 60 * np.exp(-n / 8),
        "slow": 20 + 10 * np.exp(-n / 40),
        "straight": 40 - 20 * n / tests,
        "steps": 20 + 10 * (n < 0.35 * tests) + 4 * (n < 0.7 * tests) + 30 * np.exp(-n / 5),
    }


def trained(tests: int) -> dict[str, np.ndarray]:
    """Training losses; the last goes to nothing, whatever the tests say."""
    n = np.arange(tests)
    return {
        "as fast": 15 + 60 * np.exp(-n / 8) + 3 * np.exp(-n / 40),
        "slow": 10 + 10 * np.exp(-n / 40),
        "straight": 40 - 25 * n / tests,
        "to nothing": 15 * np.exp(-n / 30),
    }


def rising(tests: int, best: int, by: float) -> np.ndarray:
    """Falls until the test `best`, then rises by `by` of it at each."""
    n = np.arange(tests)
    falling = 20 + 60 * np.exp(-3 * np.minimum(n, best) / best)
    return falling * (1 + by * np.maximum(n - best, 0))


def noise(rho: float, tests: int, rng: np.random.Generator) -> np.ndarray:
    """AR(1), of deviation 1 from its first value on."""
    made = rng.standard_normal(tests)
    for n in range(1, tests):
        made[n] = rho * made[n - 1] + (1 - rho * rho) ** 0.5 * made[n]
    return made


def alarms(tests: Sequence[float], train: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[int, Overfit]]:
    watch = Overfitting()
    for n, loss in enumerate(tests):
        if n:
            for batch in train[n] * (1 + BETWEEN * rng.standard_normal(BATCHES)):
                watch.trained(float(batch))
        if found := watch.tested(n, float(loss)):
            yield n, found


def for_nothing(runs: int, tests: int) -> None:
    print(f"alarms for nothing, in % of {runs} runs of {tests} tests each: mean (worst combination)")
    print(f"{'training loss':14}" + "".join(f"{f'rho {rho:g}':>14}" for rho in RHOS))
    for name, train in trained(tests).items():
        line = f"{name:14}"
        for rho in RHOS:
            shares = [
                share(shape, train, rho, deviation, runs) for shape in quiet(tests).values() for deviation in DEVIATIONS
            ]
            line += f"{f'{statistics.fmean(shares):.1f} ({max(shares):.0f})':>14}"
        print(line, flush=True)


def share(shape: np.ndarray, train: np.ndarray, rho: float, deviation: float, runs: int) -> float:
    """Of runs with an alarm, in per cent."""
    told = 0
    for run in range(runs):
        rng = np.random.default_rng([run, int(1000 * rho), int(1000 * deviation)])
        told += any(alarms(shape * np.exp(deviation * noise(rho, len(shape), rng)), train, rng))
    return 100 * told / runs


def delays(runs: int, tests: int) -> None:
    kinds = ((0.0, 0.001), (0.0, 0.005), (0.0, 0.02), (0.9, 0.005), (0.9, 0.02))
    print("tests from the best to the alarm, median of the runs (-: no alarm in most)")
    print(
        f"{'best at, rise':14}" + "".join(f"{f'{rho:g}, {100 * sd:g} %':>12}" for rho, sd in kinds) + "  (rho, noise)"
    )
    train = trained(tests)["as fast"]
    for best in (2, 10, 30):
        for by in (0.01, 0.03):
            line = f"{f'{best}, {100 * by:g} %':14}"
            for rho, deviation in kinds:
                waited = []
                for run in range(runs):
                    rng = np.random.default_rng(run)
                    losses = rising(tests, best, by) * np.exp(deviation * noise(rho, tests, rng))
                    first = next((n for n, _ in alarms(losses, train, rng) if n > best), tests + best)
                    waited.append(first - best)
                middle = statistics.median(waited)
                line += f"{'-' if middle >= tests else f'{middle:g}':>12}"
            print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="of each combination")
    parser.add_argument("--tests", type=int, default=100, help="of a run")
    options = parser.parse_args()
    for_nothing(options.runs, options.tests)
    delays(options.runs, options.tests)


if __name__ == "__main__":
    main()
