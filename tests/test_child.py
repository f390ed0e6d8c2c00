"""Processes that we start: no file of the working directory runs in them, and none outlives who wanted it."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

import deepcae
from deepcae import child
from deepcae.cli import main
from deepcae.searched import searched, trust_no_working_directory

SOURCE = Path(deepcae.__file__).parent
FOREIGN = sorted(
    name for name in packages_distributions() if name.isidentifier() and name[0] != "_" and name != "deepcae"
)
STANDARD = sorted(sys.stdlib_module_names - {"sys", "builtins"})
NET = """
layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 3 dim: 2 } data_filler { value: 4 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }
layer { name: "l" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "l" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 2 snapshot_prefix: "s" display: 1'
SHELL = "import sys; from deepcae.cli import main; sys.exit(main())"


def plant(folder: Path, names: list[str]) -> Path:
    """Files that leave their name in the one that is given back, whoever imports them, and then fail."""
    fired = folder / "FIRED"
    for name in names:
        code = f"open({str(fired)!r}, 'a').write({name + ' '!r})\nraise SystemExit('canary {name}')\n"
        (folder / f"{name}.py").write_text(code)
    return fired


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    savemat("codes.mat", {"codes": np.random.default_rng(0).random((20, 2)), "labels": np.arange(20) % 2})
    return tmp_path


def test_the_canaries_sing(here: Path) -> None:
    """What is planted is what a child without protection imports."""
    fired = plant(here, [*FOREIGN, *STANDARD, "deepcae"])
    subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True, check=False)
    assert fired.exists()


@pytest.mark.parametrize("entry", ["", "first", "last"])
@pytest.mark.parametrize("names", [FOREIGN, [*STANDARD, "deepcae"]], ids=["foreign", "standard"])
def test_reading_a_mat_runs_nothing_of_the_working_directory(
    here: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], entry: str
) -> None:
    from deepcae.codes.files import load

    path = os.environ.get("PYTHONPATH", str(SOURCE.parent))
    if entry:
        monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}{path}" if entry == "first" else f"{path}{os.pathsep}")
    fired = plant(here, names)
    assert load("codes.mat").codes.shape == (20, 2)
    assert not fired.exists()


def test_trainings_beside_each_other_run_nothing_of_the_working_directory(here: Path) -> None:
    fired = plant(here, [*FOREIGN, *STANDARD, "deepcae"])
    assert main(["train", "--solver", "solver.prototxt", "-o", "all", "--runs", "2", "--separate", "-q"]) == 0
    assert len(list(Path("all").glob("seed-*/s_iter_2.caffemodel"))) == 2
    assert not fired.exists()


@pytest.mark.timeout(600)
def test_workers_of_reproduce_run_nothing_of_the_working_directory(here: Path) -> None:
    from deepcae.paper.experiment import Experiment
    from deepcae.paper.runner import Runner
    from deepcae.paper.store import Store
    from paper.results import write_images

    Path("net.prototxt").unlink()  # it would be taken for the experiment's
    store, wanted = Store(here / "out", write_images(here / "data")), Experiment("cae1", 2, 1, 20)
    fired = plant(here, [*FOREIGN, *STANDARD, "deepcae"])
    assert list(Runner(store, places=1).run([wanted]))
    assert store.result(wanted) is not None
    assert not fired.exists()


def test_the_command_itself_runs_nothing_of_the_working_directory(here: Path) -> None:
    """Not even where PYTHONPATH has an empty entry; `-P` is what a console script amounts to."""
    fired = plant(here, FOREIGN)
    path = os.pathsep.join(["", str(SOURCE.parent), ""])
    command = [sys.executable, "-P", "-c", SHELL, "embed", "codes.mat", "--method", "pca", "-o", "m.csv", "-q"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=250
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert Path("m.csv").exists()
    assert not fired.exists()


def test_a_script_for_pycaffe_finds_its_own_folder_and_not_the_working_directory(here: Path) -> None:
    fired = plant(here, FOREIGN)
    (here / "scripts").mkdir()
    (here / "scripts" / "beside.py").write_text("WORD = 'found'")
    (here / "scripts" / "script.py").write_text("import numpy, caffe, beside; print(beside.WORD, caffe.TRAIN)")
    command = [sys.executable, "-P", "-m", "deepcae.pycaffe", "scripts/script.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert (done.stdout, done.stderr) == ("found 0\n", "")
    assert not fired.exists()


def test_settings_of_matplotlib_in_the_working_directory_change_no_picture(here: Path) -> None:
    Path("matplotlibrc").write_text("text.usetex: True\nfont.size: 40\nbackend: module://canary\n")
    fired = plant(here, ["canary"])
    code = (
        "import sys; from deepcae.viz import style\nwith style.styled():\n"
        "    page = style.figure(2, 1); style.page_title(page, 'a_b$c')\nstyle.save(page, sys.argv[1])"
    )
    for name in ("with.png", "without.png"):
        subprocess.run([sys.executable, "-P", "-c", code, name], check=True, timeout=250)
        Path("matplotlibrc").unlink(missing_ok=True)
    assert Path("with.png").read_bytes() == Path("without.png").read_bytes()
    assert not fired.exists()


@pytest.mark.parametrize(
    ("given", "meant"),
    [("", ""), (":", ""), ("a:", "a"), (":a", "a"), ("a::b", "a:b"), ("a:b", "a:b"), (".:a", ".:a"), ("src", "src")],
)
def test_an_empty_entry_is_no_folder(monkeypatch: pytest.MonkeyPatch, given: str, meant: str) -> None:
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH", "PATH"):
        monkeypatch.setenv(name, given.replace(":", os.pathsep))
    found = searched()
    assert found["PYTHONPATH"] == found["LD_LIBRARY_PATH"] == meant.replace(":", os.pathsep)
    assert found["PATH"] == meant.replace(":", os.pathsep).removeprefix(f".{os.pathsep}")


def test_what_somebody_named_stays_searched(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(here), "/other"])
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}{here}")
    trust_no_working_directory()
    assert sys.path == [str(here), "/other"]
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}/other")
    trust_no_working_directory()
    assert sys.path == ["/other"]
    assert os.environ["PYTHONPATH"] == "/other"


def test_a_child_finds_its_arguments_and_its_variables() -> None:
    with child.start("deepcae.cli:main", "--version", stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.read().startswith("deepcae ")
    assert process.returncode == 0
    with child.start("os:getpgrp", variables={"A": "b"}) as process:
        pass
    assert process.returncode != 0


BANNED = {
    "subprocess.Popen", "subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output",
    "os.system", "os.popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.posix_spawnp", "pty.spawn",
    "ProcessPoolExecutor", "multiprocessing.Process", "multiprocessing.Pool", "multiprocessing.get_context",
}  # fmt: skip


@pytest.mark.parametrize(
    "path", [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "child.py"], ids=lambda path: path.stem
)
def test_nobody_starts_a_process_another_way(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in BANNED, f"{path}:{node.lineno}"
            assert not name.startswith(("os.exec", "os.spawn")), f"{path}:{node.lineno}"
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in {"subprocess", "multiprocessing"}, f"{path}:{node.lineno}"
        elif isinstance(node, ast.Import):
            assert "multiprocessing" not in {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Attribute):
            assert ast.unparse(node) != "sys.executable", f"{path}:{node.lineno}"


def is_alive(process: int) -> bool:
    """Whether it is there and no zombie that nobody has asked for yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + 200
    while any(map(is_alive, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")


@linux
def test_a_child_ends_when_its_parent_is_killed(here: Path) -> None:
    code = (
        "import signal; from deepcae import child\nprint(child.start('signal:pause').pid, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
        assert is_alive(process)
        parent.kill()
    wait_until_gone([process])


@linux
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_trainings_end_with_a_snapshot_when_their_parent_is_killed(here: Path, how: signal.Signals) -> None:
    long = "max_iter: 100000000 display: 100 snapshot: 0"
    argv = ["train", "--solver", "solver.prototxt", "-o", "all", "--runs", "2", "--separate", "--set", long]
    with subprocess.Popen(
        [sys.executable, "-P", "-c", SHELL, *argv, "--sigint-effect", "none"], stderr=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stderr is not None
        seen: set[str] = set()
        for line in parent.stderr:
            seen |= {line.split(":")[0]} if "Iteration 100 " in line else set()
            if len(seen) == 2:
                break
        else:
            pytest.fail("the trainings did not begin")
        task = Path(f"/proc/{parent.pid}/task")
        threads = [thread / "children" for thread in task.iterdir()]
        processes = [int(word) for thread in threads for word in thread.read_text().split()]
        assert len(processes) == 2
        parent.send_signal(how)
        parent.stderr.close()  # nobody reads what the trainings say
    wait_until_gone(processes)
    assert len(list(Path("all").glob("seed-*/s_iter_*.ok.json"))) == 2


def test_the_package_runs_as_a_module_and_no_foreign_file_with_it(here: Path) -> None:
    fired = plant(here, FOREIGN)
    command = [sys.executable, "-m", "deepcae", "check", "solver.prototxt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not fired.exists(), fired.read_text()
    assert done.returncode == 0, done.stderr
    assert subprocess.run([*command[:-1], "nothing.prototxt"], capture_output=True, check=False).returncode == 2
