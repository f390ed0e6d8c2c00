"""A browser, a small run of digits, and the page that looks into it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.datasets import load_digits

from browsing import WAIT
from deepcae.solver.solver import Solver
from deepcae.zoo import build, write

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
TRAINED, TESTED = 1200, 400


def digits(folder: Path) -> None:
    """Scikit-learn's digits as images of 28 x 28 in 0..1, with their labels."""
    told = load_digits()
    images = np.pad(np.kron(told.images / 16, np.ones((1, 3, 3))), ((0, 0), (2, 2), (2, 2))).astype(np.float32)
    folder.mkdir(parents=True)
    for name, rows in (("train", slice(0, TRAINED)), ("test", slice(TRAINED, TRAINED + TESTED))):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"] = images[rows, None]
            file["label"] = told.target[rows].astype(np.float32)
        (folder / f"{name}.txt").write_text(f"{name}.h5\n")


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run: digits, a code of two numbers, snapshots of two iterations."""
    folder = tmp_path_factory.mktemp("digits")
    digits(folder / "data")
    lists = [folder / "data" / f"{name}.txt" for name in ("train", "test")]
    write(build("cae1", 2, *lists, batch=50, folder=folder / "model"), folder / "model")
    settings = "max_iter: 60 display: 5 test_interval: 20 test_iter: 8 snapshot: 30 random_seed: 3"
    solver = Solver(folder / "model" / "solver.prototxt", out=folder / "run", overrides=settings)
    for _ in solver.solve():
        pass
    return folder / "run"


@contextmanager
def served(*asked: str | Path) -> Iterator[str]:
    """`deepcae explore` of what is asked for, as long as one looks: the address that it prints."""
    pytest.importorskip("fastapi", reason="the extra 'explore' is not installed")
    command = [sys.executable, "-P", "-m", "deepcae", "explore", *map(str, asked), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "80"}) as process:
        assert process.stdout is not None
        try:
            found = next(filter(None, (re.search(r"http://\S+", line) for line in process.stdout)), None)
            assert found, "deepcae explore printed no address"
            yield found[0]
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def address(digits_run: Path) -> Iterator[str]:
    """Where the page of the small run is, token and all."""
    with served(digits_run) as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium. Without it, or without playwright, what asks for it is skipped."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with driver.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@contextmanager
def opened(browser: Any, address: str, **screen: Any) -> Iterator[Any]:
    """The page, just opened at 1440 x 900 or on another `screen`. What it complains of by itself fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "color_scheme": "light", **screen})
    context.set_default_timeout(WAIT * 1000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
    page.goto(address)
    page.wait_for_selector("#tabs a[aria-current]")
    yield page
    context.close()
    expected = "Failed to load resource"  # a test asked for what is not there
    assert [each for each in complaints if expected not in each] == []


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page of the small run, just opened."""
    with opened(browser, address) as page:
        yield page
