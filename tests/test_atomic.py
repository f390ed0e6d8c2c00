"""Files that appear whole: what is left by a kill, what a name may stand for, which name a complaint tells."""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from deepcae import atomic
from deepcae.atomic import remove_leftovers, whole_file, whole_folder

KILLED = """
import os, sys
from deepcae.atomic import whole_file, whole_folder
with whole_file('net.prototxt') as file, whole_folder('db') as folder:
    file.write_text('x'); (folder / 'data.mdb').write_text('x')
    os._exit(9)
"""
WAITING = """
import sys
from deepcae.atomic import whole_file
with whole_file('net.prototxt') as file:
    file.write_text('late'); print('there', flush=True); sys.stdin.readline()
"""
NOT_FILES: dict[str, Callable[[Path], object]] = {"FIFO": os.mkfifo, "folder": os.mkdir}


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_what_a_killed_process_left_goes_with_the_next_write_there(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, timeout=60, check=False)
    assert [name.split(".")[1] for name in _names(tmp_path)] == ["db", "net"]
    with whole_file(tmp_path / "other") as temporary:
        temporary.write_text("x")
    assert _names(tmp_path) == ["other"]


def test_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", WAITING], cwd=tmp_path, stdin=pipe, stdout=pipe, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "there\n"
    with whole_file(tmp_path / "mine"):
        assert remove_leftovers(tmp_path) == []
        assert len(_names(tmp_path)) == 2
    child.communicate("go\n", timeout=60)
    assert _names(tmp_path) == ["mine", "net.prototxt"]
    assert (tmp_path / "net.prototxt").read_text() == "late"


@pytest.mark.parametrize(
    "change", [("place", "00000000"), ("name", ".notes.4711.tmp"), ("name", "report.tmp"), ("link", "")]
)
def test_what_may_be_somebody_elses_stays(tmp_path: Path, change: tuple[str, str]) -> None:
    subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, timeout=60, check=False)
    left = next(path for path in tmp_path.iterdir() if path.name.startswith(".net"))
    kind, value = change
    if kind == "link":
        name = left.name
        left.unlink()
        left.symlink_to(tmp_path)
    else:
        name = value if kind == "name" else re.sub(r"-[0-9a-f]{8}-", f"-{value}-", left.name)
        left.rename(tmp_path / name)
    remove_leftovers(tmp_path)
    assert _names(tmp_path) == [name]


def test_a_number_that_another_process_got_later_is_no_life(tmp_path: Path) -> None:
    own = atomic.temporary_beside(tmp_path / "mine").name
    earlier = re.sub(r"\.(\d+)-\d+-", r".\1-1-", own)
    for name in (own, earlier):
        (tmp_path / name).write_text("x")
    assert remove_leftovers(tmp_path) == [tmp_path / earlier]


def test_a_planted_link_is_replaced_and_its_victim_stays(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "soft").symlink_to(victim)
    os.link(victim, tmp_path / "hard")
    for name in ("soft", "hard"):
        with whole_file(tmp_path / name) as temporary:
            temporary.write_text("new")
        assert (tmp_path / name).read_text() == "new"
        assert not (tmp_path / name).is_symlink()
    assert victim.read_text() == "precious"


def test_a_temporary_name_cannot_be_guessed_nor_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim, target = tmp_path / "victim", tmp_path / "run.json"
    victim.write_text("precious")
    assert len({atomic.temporary_beside(target) for _ in range(50)}) == 50
    monkeypatch.setattr("secrets.token_hex", lambda _: "0badcafe")
    atomic.temporary_beside(target).symlink_to(victim)
    with pytest.raises(FileExistsError) as refused, whole_file(target):
        pytest.fail("it is taken")
    assert refused.value.filename == str(target)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("kind", NOT_FILES)
@pytest.mark.parametrize("by_link", [False, True])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, kind: str, by_link: bool) -> None:
    there = tmp_path / "there"
    NOT_FILES[kind](there)
    target = tmp_path / "link" if by_link else there
    if by_link:
        target.symlink_to(there)
    sentence = r"is a pipe \(FIFO\), not a file; it is not replaced|Is a directory"
    with pytest.raises(OSError, match=sentence) as refused, whole_file(target):
        pytest.fail("nothing is to be written")
    assert refused.value.filename == str(target)
    assert target.is_symlink() == by_link


def test_the_null_device_outlives_us(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is a device, not a file"), whole_file("/dev/null"):
        pytest.fail("nothing is to be written")


def test_a_long_name_can_be_made(tmp_path: Path) -> None:
    for name in ("n" * 255, "ü" * 127):
        with whole_file(tmp_path / name) as temporary:
            temporary.write_text("x")
    with whole_folder(tmp_path / ("f" * 255)):
        pass
    assert len(_names(tmp_path)) == 3


def _no_space(temporary: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _opens_again(temporary: Path) -> None:
    temporary.unlink()
    temporary.read_bytes()


def _opens_h5(temporary: Path) -> None:
    temporary.unlink()
    h5py.File(temporary)


@pytest.mark.parametrize("fault", [_no_space, _opens_again, _opens_h5])
def test_a_complaint_names_the_file_that_was_asked_for(tmp_path: Path, fault: Callable[[Path], None]) -> None:
    target = tmp_path / "codes.h5"
    with pytest.raises(OSError, match=r"codes\.h5") as refused, whole_file(target) as temporary:
        fault(temporary)
    assert temporary.name not in str(refused.value)
    assert not os.listdir(tmp_path)


def test_a_full_disk_under_hdf5_is_told_in_a_line(tmp_path: Path) -> None:
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "import h5py, numpy; from deepcae.atomic import whole_file\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (4000, {resource.RLIM_INFINITY}))\n"
        "with whole_file('codes.h5') as path, h5py.File(path, 'w') as file: file['x'] = numpy.zeros(9999)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "OSError: [Errno 27] File too large: 'codes.h5'"


def test_a_complaint_about_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused, whole_file(tmp_path / "codes.h5"):
        (tmp_path / "images.h5").read_bytes()
    assert refused.value.filename == str(tmp_path / "images.h5")


def test_a_fault_of_the_sync_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error") as refused, whole_file(tmp_path / "a") as temporary:
        temporary.write_text("x")
    assert refused.value.filename == str(tmp_path / "a")
    with pytest.raises(OSError, match="Input/output error") as refused:
        atomic.sync_folder(tmp_path)
    assert refused.value.filename == str(tmp_path)


def test_the_mode_is_the_umasks(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
