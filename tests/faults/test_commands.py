"""A disk that fills up under a command: what it was to replace stays whole, or the new is, and one line says why."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .commands import COMMANDS
from .server import HERE, compile_shim, compiler, scratch
from .training import LONGEST

pytestmark = pytest.mark.skipif(
    shutil.which(compiler()[0]) is None or not Path("/proc/self/fd").exists(),
    reason="needs a C compiler, for what stands between Python and the system, and Linux's /proc",
)


@cache
def found() -> dict[str, list[list[Any]]]:
    with scratch() as folder:
        shim = str(compile_shim(Path(folder)))
        paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "LD_PRELOAD": shim, "FAULTS_SHIM": shim, "PYTHONPATH": paths, "TMPDIR": folder}
        command = [sys.executable, "-m", "faults.commands"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert not done.returncode, done.stderr[-3000:]
    told: dict[str, list[list[Any]]] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("name", COMMANDS)
def test_old_or_new_is_whole_and_the_reason_is_told(name: str) -> None:
    (_, code, said, _), *disturbed = found()[name]
    assert code == 0, said
    for at, code, said, wrong in disturbed:
        assert code == 1, (at, said)
        assert wrong == [], (at, said)
        (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
        assert "out" in line
        assert "No space left on device" in line
        assert len(line) <= LONGEST
        assert "Traceback" not in said
        assert ".tmp" not in said
