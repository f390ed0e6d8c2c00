"""Snapshots survive every failure of every call that writes them: the old one or the new one, never a mixture."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from deepcae.errors import Incomplete, SnapshotError, TrainingError
from deepcae.solver.commit import clean, commit, prune
from deepcae.solver.lock import Lock
from deepcae.solver.records import Finished, Snapshotted, Warned
from deepcae.solver.snapshot import HDF5, MANIFEST, MODEL, RESUME, STATE, Snapshot, find, latest
from deepcae.solver.solver import Solver
from solver.tiny import write_training

PARTS = Snapshot("").parts


def _parts(text: str, ending: str = "") -> dict[str, bytes]:
    return {part: f"{text}{part}".encode() * 100 for part in Snapshot("", ending=ending).parts}


def _content(snapshot: Snapshot) -> str:
    """Which commit the files are from; fails if they are from several."""
    texts = {snapshot.path(part).read_bytes().decode().split(part)[0] for part in snapshot.parts}
    assert len(texts) == 1, "a mixture of snapshots"
    return texts.pop()


def _require_whole_pair(snapshot: Snapshot) -> None:
    """Caffe, which reads no manifest, never finds a state without the model that belongs to it."""
    if snapshot.state.exists():
        texts = {path.read_bytes().split(b".")[0] for path in (snapshot.state, snapshot.model)}
        assert len(texts) == 1


def _require_no_orphans(folder: Path) -> None:
    """Every file belongs to a snapshot that counts."""
    complete = {path.name.removesuffix(MANIFEST) for path in folder.glob(f"*{MANIFEST}")}
    assert [path.name for path in folder.iterdir() if path.name.partition(".")[0] not in complete] == []


class Killed(BaseException):
    """The process is gone: no clean-up code runs."""


class Faults:
    """Counts the calls of the operating system that matter, and makes the n-th one fail or kill."""

    NAMES = ("open", "write", "fsync", "replace", "unlink")

    def __init__(self, patch: pytest.MonkeyPatch, at: int, kill: bool) -> None:
        self.at, self.kill, self.calls, self.armed = at, kill, 0, True
        self.unsynced: set[str] = set()
        for name in self.NAMES:
            patch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if self.armed:
                self.calls += 1
                if self.calls == self.at:
                    self._fail(name, real, arguments)
            synced = os.readlink(f"/proc/self/fd/{arguments[0]}") if name == "fsync" else ""
            result = real(*arguments, **options)
            if name == "open" and arguments[1] & os.O_CREAT:
                self.unsynced.add(str(arguments[0]))
            elif name == "replace" and str(arguments[0]) in self.unsynced:
                self.unsynced.add(str(arguments[1]))
            self.unsynced.discard(synced)
            return result

        return call

    def _fail(self, name: str, real: Callable[..., Any], arguments: Any) -> None:
        if not self.kill:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.armed = False
        if name == "write":
            real(arguments[0], arguments[1][:7])
        for path in self.unsynced:  # what was not synced may be lost
            if os.path.exists(path):
                os.truncate(path, 0)
        raise Killed


def _number_of_calls(tmp_path: Path, again: str | None, ending: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path / "count"
        folder.mkdir()
        prefix = _prepare(folder, again)
        faults = Faults(patch, -1, False)
        commit(prefix, 4, _parts("new", ending))
        return faults.calls


def _prepare(folder: Path, again: str | None) -> str:
    prefix = str(folder / "snap")
    commit(prefix, 2, _parts("old"))
    if again is not None:
        commit(prefix, 4, _parts("abandoned", again))
    return prefix


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("again", [None, "", HDF5])
@pytest.mark.parametrize("ending", ["", HDF5])
def test_every_fault_leaves_the_old_or_the_new(ending: str, again: str | None, kill: bool, tmp_path: Path) -> None:
    """`again`: over a snapshot of the same iteration, of this or the other format, that an abandoned run left."""
    num_calls = _number_of_calls(tmp_path, again, ending)
    assert num_calls > 15
    contents = set()
    for at in range(1, num_calls + 1):
        folder = tmp_path / f"{at}"
        folder.mkdir()
        prefix = _prepare(folder, again)
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, at, kill)
            with pytest.raises(Killed if kill else SnapshotError) as caught:
                commit(prefix, 4, _parts("new", ending))
        if not kill:
            assert str(caught.value).startswith(
                f"{prefix}_iter_4.caffemodel{ending}: the snapshot cannot be written: No space"
            )
            assert "bytes are needed" in str(caught.value)
            assert not list(folder.glob("*.tmp.*"))
        newest = latest(prefix)
        assert newest is not None
        contents.add(_content(newest))
        assert _content(Snapshot.at(prefix, 2)) == "old"
        for each in ("", HDF5):
            _require_whole_pair(Snapshot.at(prefix, 4, each))
        assert list(clean(prefix)) == []
        _require_no_orphans(folder)
        commit(prefix, 4, _parts("new", ending))  # and the next one is as good as ever
        newest = latest(prefix)
        assert newest is not None
        assert (_content(newest), newest.ending) == ("new", ending)
    assert contents <= {"old", "new", "abandoned"}
    assert "new" in contents  # a failure after the last rename


def test_a_manifest_makes_it_complete(tmp_path: Path) -> None:
    prefix = str(tmp_path / "snap")
    commit(prefix, 2, _parts("old"))
    commit(prefix, 4, _parts("new"))
    Path(f"{prefix}_iter_4{MANIFEST}").unlink()
    newest = latest(tmp_path)
    assert newest is not None
    assert newest.iteration == 2
    with pytest.raises(SnapshotError, match=r"snap_iter_4\.ok\.json: missing, so this snapshot was never completed"):
        find(f"{prefix}_iter_4{STATE}")


def test_bare_snapshots_count_where_there_is_nothing_better(tmp_path: Path) -> None:
    prefix = str(tmp_path / "snap")
    for iteration in (9, 10):
        for part in (MODEL, STATE):
            Path(f"{prefix}_iter_{iteration}{part}").write_bytes(b"x")
    newest = latest(prefix)
    assert newest is not None
    assert (newest.iteration, newest.bare) == (10, True)
    commit(prefix, 2, _parts("ours"))
    newest = latest(prefix)
    assert newest is not None
    assert (newest.iteration, newest.bare) == (2, False)


def test_an_iteration_has_one_format(tmp_path: Path) -> None:
    prefix = str(tmp_path / "snap")
    commit(prefix, 2, _parts("binary"))
    commit(prefix, 2, _parts("hdf5", HDF5))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"snap_iter_2{part}" for part in (MODEL + HDF5, STATE + HDF5, RESUME, MANIFEST)
    )
    for name in (f"{prefix}_iter_2", f"{prefix}_iter_2{STATE}{HDF5}", f"{prefix}_iter_2{MANIFEST}", prefix, tmp_path):
        assert _content(find(name)) == "hdf5"
    with pytest.raises(
        SnapshotError, match=r"snap_iter_2\.caffemodel\.h5: is a model; .*snap_iter_2\.solverstate\.h5$"
    ):
        find(f"{prefix}_iter_2{MODEL}{HDF5}")


def test_caffes_files_of_the_other_format_stay_and_are_not_taken_for_ours(tmp_path: Path) -> None:
    prefix = str(tmp_path / "snap")
    for part in (MODEL, STATE):
        Path(f"{prefix}_iter_2{part}{HDF5}").write_bytes(b"x")
    assert (find(prefix).ending, find(f"{prefix}_iter_2").bare) == (HDF5, True)
    commit(prefix, 2, _parts("ours"))
    assert Path(f"{prefix}_iter_2{STATE}{HDF5}").read_bytes() == b"x"
    assert _content(find(f"{prefix}_iter_2")) == "ours"
    with pytest.raises(SnapshotError, match=r"_iter_2\.solverstate\.h5: is not of the snapshot in .*_iter_2\.ok\.json"):
        find(f"{prefix}_iter_2{STATE}{HDF5}")


def test_a_folder_of_two_runs_must_be_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        commit(str(tmp_path / name), 1, _parts(name))
    with pytest.raises(SnapshotError, match=r"holds snapshots of several runs, .*a, .*b: name one"):
        latest(tmp_path)
    assert latest(tmp_path / "a") is not None
    assert latest(tmp_path / "c") is None


def test_the_same_bytes_are_not_written_again(tmp_path: Path) -> None:
    prefix = str(tmp_path / "snap")
    model = commit(prefix, 2, _parts("same")).model
    before = model.stat().st_mtime_ns, model.stat().st_ino
    commit(prefix, 2, _parts("same"))
    assert (model.stat().st_mtime_ns, model.stat().st_ino) == before


def test_a_planted_link_is_replaced_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "run").mkdir()
    prefix = str(tmp_path / "run/snap")
    for part in (*PARTS, MANIFEST):
        Path(f"{prefix}_iter_4{part}").symlink_to(victim)
        Path(f"{prefix}_iter_4{part}.tmp.{os.getpid()}").symlink_to(victim)
    commit(prefix, 4, _parts("new"))
    assert victim.read_text() == "precious"


def test_files_have_the_mode_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        snapshot = commit(str(tmp_path / "snap"), 4, _parts("new"))
    finally:
        os.umask(before)
    assert {snapshot.path(part).stat().st_mode & 0o777 for part in (*PARTS, MANIFEST)} == {0o640}


@pytest.mark.parametrize("keep", [0, 2, 3])
def test_pruning_keeps_at_least_two(keep: int, tmp_path: Path) -> None:
    prefix = str(tmp_path / "snap")
    for iteration in range(1, 6):
        commit(prefix, iteration, _parts(str(iteration)))
    assert list(prune(prefix, keep)) == []
    left = sorted(path.name for path in tmp_path.iterdir())
    newest = range(6 - max(keep, 2), 6)
    assert left == sorted(f"snap_iter_{n}{part}" for n in newest for part in (MODEL, STATE, RESUME, MANIFEST))


# In a training


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_training(tmp_path)


@pytest.mark.parametrize("keep", [None, 2])
def test_a_full_disk_does_not_end_the_training(keep: int | None, training: Path) -> None:
    """What is missing in the end is told, but for what would be gone by now."""
    solver = Solver(training, out="run", keep=keep)
    records = []
    missing = (
        nullcontext() if keep else pytest.raises(Incomplete, match=r"^run/snap_iter_8\.caffemodel: the snapshot c")
    )
    with missing, pytest.MonkeyPatch.context() as patch:
        for record in solver.solve():
            records.append(record)
            if isinstance(record, Snapshotted) and record.iteration == 4:
                patch.setattr(os, "replace", _full)
            if isinstance(record, Warned):
                patch.undo()
    told = [record for record in records if isinstance(record, Warned)]
    assert [(record.iteration, record.message.split(";")[0]) for record in told] == [
        (8, "run/snap_iter_8.caffemodel: the snapshot cannot be written: No space left on device")
    ]
    assert [record.iteration for record in records if isinstance(record, Snapshotted)] == [4, 12, 16]


def _full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_last_snapshot_that_fails_is_an_error(training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = Solver(training, out="run", overrides="snapshot: 0")
    records = []
    sentence = r"^run/snap_iter_16\.caffemodel: the snapshot cannot be written: No space left on device; \d+ bytes"
    with pytest.raises(Incomplete, match=sentence):  # noqa: PT012
        for record in solver.solve():
            records.append(record)
            if getattr(record, "iteration", 0) == 15:
                monkeypatch.setattr(os, "replace", _full)
    assert isinstance(records[-1], Finished)


def test_a_quota_is_told(training: Path) -> None:
    """RLIMIT_FSIZE, as a quota: the write itself fails (EFBIG)."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from deepcae.solver.solver import Solver\n"
        "solver = Solver('solver.prototxt')\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (400, {resource.RLIM_INFINITY}))\n"
        "for record in solver.solve(): print(getattr(record, 'message', ''))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "snap_iter_4.caffemodel: the snapshot cannot be written: File too large" in done.stdout
    last, others = done.stderr.splitlines()[-2:]
    assert last.startswith("deepcae.errors.Incomplete: snap_iter_16.caffemodel: the snapshot cannot be written")
    assert others == "snap_iter_4 … snap_iter_12: 3 snapshots are missing, too"
    assert not list(training.parent.glob("*.tmp.*"))


def test_a_folder_that_cannot_be_written_is_told_before_the_first_step(training: Path) -> None:
    (training.parent / "file").write_text("")
    solver = Solver(training, overrides='snapshot_prefix: "file/snap"')
    with pytest.raises(SnapshotError, match=r"^file/snap: cannot be written: "):
        next(solver.solve())


def test_one_run_at_a_time(training: Path) -> None:
    first, second = Solver(training, out="run").solve(), Solver(training, out="run").solve()
    next(first)
    holder = rf"is writing there: pid {os.getpid()} on \S+, since \S+ holds run/snap\.lock"
    with pytest.raises(TrainingError, match=holder):
        next(second)
    first.close()
    next(Solver(training, out="run").solve())


def test_the_lock_of_a_dead_run_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "snap"
    code = f"from deepcae.solver.lock import Lock; import os; Lock({str(path)!r}).acquire(); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert (tmp_path / "snap.lock").exists()
    lock = Lock(str(path))
    lock.acquire()
    lock.release()
    assert not (tmp_path / "snap.lock").exists()


def test_a_lock_file_that_was_just_removed_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last holder removes it between our opening and our locking: such a lock would lock nobody out."""
    path, real, calls = tmp_path / "snap.lock", fcntl.flock, []

    def flock(descriptor: int, operation: int) -> None:
        if not calls:
            path.unlink()
        calls.append(descriptor)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    Lock(str(tmp_path / "snap")).acquire()
    assert len(calls) == 2
    with pytest.raises(TrainingError):
        Lock(str(tmp_path / "snap")).acquire()


def test_exactly_one_of_many_gets_the_lock(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom deepcae.errors import TrainingError\nfrom deepcae.solver.lock import Lock\n"
        f"lock = Lock({str(tmp_path / 'snap')!r})\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try: lock.acquire(); print('have', flush=True)\n"
        "except TrainingError: print('held', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    pipe = subprocess.PIPE
    children = [subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = [child.stdout.readline() for child in children if child.stdout]
    for child in children:
        child.communicate("done\n", timeout=60)
    assert sorted(answers) == ["have\n", "held\n", "held\n", "held\n"]


def test_temporary_files_of_a_killed_run_are_removed(training: Path) -> None:
    run = training.parent / "run"
    run.mkdir()
    orphan, other = run / f"snap_iter_4{MODEL}.tmp.4711", run / "mine.tmp.4711"
    for path in (orphan, other):
        path.write_text("x")
    list(Solver(training, out="run").solve())
    assert not orphan.exists()
    assert other.exists()
