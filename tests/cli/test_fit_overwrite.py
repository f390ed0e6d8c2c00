"""A fit that lies in the folder is given up only for one that has a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deepcae import atomic
from deepcae.atomic import whole_file
from deepcae.cli import main
from deepcae.cli.fitting import Fit
from deepcae.errors import DataError
from deepcae.solver.run import Run
from killed import FORKS, killed_at

FEW = ["--linear", "-q", "--threads", "1", "--set", "max_iter: 4 test_interval: 2 snapshot: 2"]
OLD = ["fit", "images.npy", "-o", "run", "--dims", "2", *FEW]
NEW = ["fit", "other.npy", "-o", "run", "--dims", "3", *FEW]
KEPT = Path("run/replaced-run")
MINE = ("notes.txt", "data/mine.txt", "model/net-old.txt", "pictures/mine.png", "design_iter_9.png")


def state_of(folder: Path = Path("run")) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A fit in the folder `run`, with files of somebody's beside its own; gives all of them. Its pictures are few."""

    def show(fit: Fit) -> None:
        def draw() -> list[Path]:
            with whole_file(fit.out / "pictures/curves.png") as temporary:
                temporary.write_text("made by deepcae")
            return [fit.out / "pictures/curves.png"]

        fit._make([fit.out / "pictures"], draw)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Fit, "_show", show)
    rng = np.random.default_rng(1)
    for name, count in (("images", 40), ("other", 30)):
        np.save(f"{name}.npy", rng.random((count, 6, 6)).astype(np.float32))
    assert main(OLD) == 0
    for name in MINE:
        Path("run", name).write_text("mine")
    return state_of()


def test_a_new_one_takes_its_place(fitted: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*NEW, "--overwrite"]) == 0
    assert "made by deepcae" not in capsys.readouterr().err  # its own files are nobody else's
    after = state_of()
    assert after.keys() == fitted.keys()
    assert {name for name in after if after[name] == fitted[name]} >= {*MINE}
    assert after["data/train.h5"] != fitted["data/train.h5"]


def fail_to_design(fit: Fit, *rest: object) -> None:
    raise DataError("no design")


def stop(fit: Fit, *rest: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("step", "fail", "code"), [("_design", fail_to_design, 2), ("_train", stop, 130)])
def test_it_is_back_where_the_new_one_fails(
    step: str, fail: Callable[..., None], code: int, fitted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(Fit, step, fail)
    assert main([*NEW, "--overwrite"]) == code
    assert "run: what was there before is back" in capsys.readouterr().err
    assert state_of() == fitted


def test_a_training_that_comes_to_no_snapshot_leaves_it_aside(
    fitted: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    none = "snapshot: 0 snapshot_after_train: false snapshot_best: false"
    assert main([*NEW, "--overwrite", "--set", none]) == 2  # there is nothing to encode with
    assert "is kept in run/replaced-run" in capsys.readouterr().err
    assert {name: data for name, data in state_of(KEPT).items() if name != "replaced.json"}.keys() == {
        name for name in fitted if name not in MINE
    }
    assert main(["encode", "run", "-o", "codes.npz", "-q"]) == 2
    assert "what was there before is kept in run/replaced-run" in capsys.readouterr().err
    assert main(["encode", str(KEPT), "-o", "codes.npz", "-q"]) == 0
    assert len(np.load("codes.npz")["codes"]) == 6  # the images that it held out, and not those of the new one


@pytest.mark.skipif(not FORKS, reason="this system copies no process")
@pytest.mark.parametrize("point", [1, 2, 24, 25, 27, 36, 44, 50, 54, 58])
def test_a_kill_loses_nothing(
    point: int, fitted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert killed_at(point, [*NEW, "--overwrite"]) == 9
    code = main(OLD)
    err = capsys.readouterr().err
    if code == 0:
        assert state_of() == fitted
        assert "what was there before is back" in err
    else:  # the new one has a snapshot
        assert "holds a fit with another" in err
        assert Run("run").latest_snapshot() is not None
    assert all(Path("run", name).read_text() == "mine" for name in MINE)
    assert main([*NEW, "--overwrite"]) == 0
    assert "made by deepcae" not in capsys.readouterr().err
    assert state_of().keys() == fitted.keys()


@pytest.mark.skipif(not FORKS, reason="this system copies no process")
def test_the_new_one_is_gone_on_with(
    fitted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert killed_at(40, [*NEW, "--overwrite"]) == 9
    monkeypatch.setattr(atomic, "_swept", set())  # as in a new process
    assert KEPT.is_dir()
    assert main(["fit", "images.npy", "-o", "run", "--dims", "5", *FEW]) == 2
    assert "what was to be lost is kept in run/replaced-run" in capsys.readouterr().err
    assert main(NEW) == 0
    assert "the run whose place it takes is kept in run/replaced-run" in capsys.readouterr().err
    assert state_of().keys() == fitted.keys()


def test_a_folder_that_is_a_link_stays_where_it_leads(fitted: dict[str, bytes]) -> None:
    Path("run/data").rename("elsewhere")
    Path("run/data").symlink_to("../elsewhere")
    before = state_of(Path("elsewhere"))
    assert main([*NEW, "--overwrite"]) == 0
    assert state_of(Path("elsewhere")) == before
    assert not Path("run/data").is_symlink()
