"""A training that is watched: its records as they come, who is asked to stop, each snapshot, and the page."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepcae.errors import DataError
from deepcae.explore import tail as tails
from deepcae.explore.tail import Tail, Thinned, all_records
from deepcae.explore.training import Event, Watch
from deepcae.solver.run import Run
from deepcae.trained.moments import Moments
from deepcae.trained.network import Trained
from explore.conftest import WAIT, served
from solver.tiny import write_training

needs_proc = pytest.mark.skipif(not hasattr(signal, "pidfd_send_signal"), reason="pidfds are Linux's")


def train(iteration: int, **more: Any) -> dict[str, Any]:
    return {"kind": "train", "iteration": iteration, "loss": 1.0, **more}


def append(path: Path, *records: Any) -> None:
    with path.open("a") as file:
        file.writelines(f"{json.dumps(record)}\n" for record in records)


# The records


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[Tail]:
    with closing(Tail(tmp_path / "metrics.jsonl")) as found:
        yield found


def test_each_record_comes_once_and_a_cut_line_when_it_is_whole(tail: Tail) -> None:
    path = tail.path
    assert "No such file" in tail.look().gone
    append(path, train(0), train(1))
    look = tail.look()
    assert look.begun
    assert look.records == [train(0), train(1)]
    assert tail.look().records == []
    with path.open("a") as file:
        file.write(json.dumps(train(2))[:20])
        file.flush()
        assert tail.look().records == []
        file.write(json.dumps(train(2))[20:] + "\n")
    look = tail.look()
    assert not look.begun
    assert look.records == [train(2)]


def test_a_new_file_in_its_place_begins_anew(tail: Tail, tmp_path: Path) -> None:
    """As a resume makes it: shorter, longer, or of the same length."""
    path, new = tail.path, tmp_path / "new"
    append(path, train(0), train(1))
    tail.look()
    append(new, train(0), train(5))
    os.replace(new, path)
    look = tail.look()
    assert (look.begun, look.records) == (True, [train(0), train(5)])
    path.write_text("")
    assert tail.look().begun
    path.unlink()
    assert tail.look().gone
    append(path, train(9))
    assert tail.look().records == [train(9)]


def test_damage_and_endless_lines_are_passed_over(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "LONGEST", 5000)
    monkeypatch.setattr(tails, "_BLOCK", 1000)
    tail.path.write_bytes(b"\xff\n[1]\n" + b"x" * 20_000 + b"\n" + json.dumps(train(1)).encode() + b"\n")
    assert tail.look().records == [train(1)]
    tail.path.unlink()
    os.mkfifo(tail.path)
    assert tail.look().gone, "it is not waited for"


def test_of_many_records_every_so_manieth_stays_and_the_last() -> None:
    thin = Thinned(10)
    warned = {"kind": "warned", "iteration": 7, "message": "x"}
    for at in range(95):
        thin.add(train(at))
        if at == 7:
            thin.add(warned)
    kept = thin.records()
    steps = [record["iteration"] for record in kept if record["kind"] == "train"]
    assert thin.every == 8
    assert steps == [*range(0, 95, 8), 94]
    assert warned in kept


# One run


def collected(
    watch: Watch, until: Callable[[list[Event]], bool], during: Callable[[], None] = lambda: None
) -> list[Event]:
    """The events of a watch until there are those; `during` is called behind the first."""

    async def collect() -> list[Event]:
        found: list[Event] = []
        async for event in watch.events():
            found.append(event)
            if len(found) == 1:
                during()
            if until(found):
                watch.close()
        return found

    with ThreadPoolExecutor(1) as pool:  # a browser's driver may have a loop in this thread
        return pool.submit(lambda: asyncio.run(asyncio.wait_for(collect(), 60))).result()


def test_a_watch_tells_records_snapshots_and_that_the_run_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run" / "metrics.jsonl"
    path.parent.mkdir()
    (path.parent / "run.json").write_text('{"seed": 1, "folders": []}')
    append(path, train(0))

    def goes_on() -> None:
        append(path, train(1), {"kind": "snapshotted", "iteration": 1, "path": "x"})

    found = collected(Watch(Run("run")), lambda events: events[-1].name == "snapshot", goes_on)
    assert found[0] == Event("records", {"records": [train(0)], "every": 1})
    assert Event("record", train(1)) in found
    found = collected(Watch(Run("run")), lambda events: events[-1].name == "gone", path.unlink)
    assert "No such file" in found[-1].data


def test_other_runs_lie_beside_it(tmp_path: Path, digits_run: Path) -> None:
    for name in ("a", "b", "no-run"):
        (tmp_path / name).mkdir()
        append(tmp_path / name / "metrics.jsonl", train(3))
    for name in ("a", "b"):
        (tmp_path / name / "run.json").write_text('{"seed": 1, "folders": []}')
    watch = Watch(Run(tmp_path / "a"), [digits_run])
    assert list(watch.beside()) == [str(digits_run), "b"]
    assert watch.other("b")["records"] == [train(3)]
    with pytest.raises(DataError, match=r"there is no run '../b' beside"):
        watch.other("../b")


@needs_proc
def test_a_training_is_stopped_and_saved_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = write_training(tmp_path)
    command = [
        sys.executable,
        "-P",
        "-m",
        "deepcae",
        "train",
        "--solver",
        str(text),
        "--out",
        "run",
        "--set",
        "max_iter: 100000000",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not all_records(tmp_path / "run" / "metrics.jsonl").records:
                assert process.poll() is None
                time.sleep(0.1)
            watch = Watch(Run("run"))
            assert watch.state()["stoppable"]
            assert watch.live()
            before = len(watch.snapshots())
            assert f"process {process.pid} was asked for a snapshot" in watch.snapshot()
            while len(watch.snapshots()) == before:
                time.sleep(0.05)
            watch.stop()
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert not watch.live()
    assert watch.records()["records"][-1]["reason"] == "stopped"


# The net at each snapshot


def test_what_a_net_was_like_at_its_snapshots(digits_run: Path) -> None:
    run = Run(digits_run)
    assert [each["name"] for each in Watch(run).snapshots()] == ["30", "60"]
    moments = Moments(run)
    facts, arrays = moments.at("60", "30")
    assert facts["missing"] == []
    assert arrays["codes"].shape == (400, 2)
    assert arrays["images"].shape == arrays["restored"].shape == (8, 1, 28, 28)
    trained = Trained.of_run(run, snapshot="60")
    weight = trained.net.params["conv1"][0].detach()
    np.testing.assert_array_equal(arrays["filters"], weight[:, 0].numpy())
    before = run.net("TEST", snapshot="30").params["conv1"][0].detach()
    row = next(each for each in facts["learned"] if each["layer"] == "conv1")
    assert row["moved"] == pytest.approx(float((weight - before).abs().mean() / before.abs().mean()))
    assert row["gradient"] > 0
    sigmoid = next(each for each in facts["blobs"] if each["type"] == "Sigmoid")
    assert 0 <= sigmoid["saturated"] <= 1
    assert moments.at("60", "30")[0] is facts, "it is computed once"
    with pytest.raises(DataError, match="no complete snapshot of iteration 31"):
        moments.at("31")


def test_a_gradient_is_that_of_the_first_training_batch(digits_run: Path) -> None:
    facts, _ = Moments(Run(digits_run)).at("30")
    net = Run(digits_run).net("TRAIN", snapshot="30")
    from deepcae.data.source import Feed

    with Feed(net.sources, net.phase, net.folders, 3) as feed:
        inputs = {name: torch.tensor(array) for name, array in feed.batch(0).items()}
    net.loss(net.forward(inputs)).backward()
    wanted = {
        layer: float(blobs[0].grad.abs().mean()) for layer, blobs in net.params.items() if blobs[0].grad is not None
    }
    found = {each["layer"]: each["gradient"] for each in facts["learned"] if each["param"] == 0}
    assert found == pytest.approx(wanted, rel=1e-4)


# The page


def test_the_page_shows_losses_layers_and_snapshots(page: Any) -> None:
    page.evaluate("location.hash = 'training'")
    page.wait_for_selector(".matrix tbody tr")
    assert page.locator(".state").inner_text() == "Done at iteration 60 of 60"
    titles = page.locator(".curve h2").all_inner_texts()
    assert [title.split()[0] for title in titles][:1] == ["loss"]
    assert any(title.startswith("learning rate") for title in titles)
    page.wait_for_selector(".matrix thead th:nth-child(3)")
    page.wait_for_selector(".moments .scatter")
    assert "iteration 60" in page.locator(".moments h2").inner_text()
    page.locator(".stepper input").press("ArrowLeft")
    page.wait_for_selector(".moments h2:has-text('iteration 30')")
    page.locator(".chart").first.focus()
    page.keyboard.press("End")
    page.wait_for_selector(".chart [aria-live]:has-text('iteration 60: train')", state="attached")
    page.click(".over >> text=Updates")
    page.wait_for_selector(".over:has-text('since the snapshot before')")
    page.click(".over .chosen .button")
    page.wait_for_selector("main.network .chosen h2")


def test_a_failed_training_shows_the_layer_at_fault(digits_run: Path, browser: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(digits_run, run)
    told = "iteration 59: layer 'conv2' (Convolution): blob 'conv2' holds nan at [0, 0]"
    append(run / "metrics.jsonl", {"kind": "failed", "iteration": 59, "message": told, "layer": "conv2"})
    with browser.new_context() as context:
        opened = context.new_page()
        opened.set_default_timeout(WAIT * 1000)
        with served(run) as address:
            opened.goto(address)
            opened.wait_for_selector("#tabs a[aria-current]")
            opened.evaluate("location.hash = 'training'")
            opened.wait_for_selector(".state.failed")
            opened.click(".warnings >> text=Show conv2")
            opened.wait_for_selector(".graphic g.fault.chosen[data-layer=conv2]")
            assert 'name: "conv2"' in opened.locator("mark").inner_text()
            opened.evaluate("location.hash = 'training'")
            opened.wait_for_selector(".state.failed")
            shutil.rmtree(run)
            opened.wait_for_selector("text=The run has gone")
        opened.wait_for_selector("text=The server does not answer")
