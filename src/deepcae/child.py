"""Other Python processes: started so that no file of the working directory runs in them, and ended with their parent.

    child.start("deepcae.codes.mat:main", "codes.mat", stdout=answer)

Python puts the working directory before everything else on `sys.path` of `python -m` and `python -c`: a `numpy.py`
beside somebody's data would be run. `-P` leaves it out, and `searched` what the environment adds.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from .searched import searched

_BOOT = "import sys; from deepcae.child import main; sys.exit(main())"
_LOOK = 0.5  # seconds between two looks at the parent


def start(function: str, *arguments: str, variables: dict[str, str] | None = None, **options: Any) -> Any:
    """A Popen of `module:function`, called without arguments: it finds `arguments` behind `sys.argv[0]`.

    Its exit code is what the function gives. When this process is gone, the other gets SIGTERM. `variables` are added
    to its environment; `options` are Popen's.
    """
    command = [sys.executable, "-P", "-c", _BOOT, function, str(os.getpid()), *arguments]
    return subprocess.Popen(command, env={**os.environ, **searched(), **(variables or {})}, **options)


def main() -> Any:
    """What a child begins with."""
    function, parent = sys.argv[1:3]
    del sys.argv[1:3]
    end_with(int(parent))
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)()


def end_with(parent: int) -> None:
    """From now on this process gets SIGTERM when its parent is another one than `parent`, who is gone then.

    Windows keeps the number of a parent that is gone: there nothing happens.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="watch over the parent", daemon=True).start()
