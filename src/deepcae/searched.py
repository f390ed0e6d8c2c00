"""Folders that are searched for code and programs: never the working directory, unless somebody named it.

An empty entry in PYTHONPATH, PATH or LD_LIBRARY_PATH means the working directory. It mostly comes from a line like
`export PYTHONPATH=$PYTHONPATH:/mine`; then a `numpy.py` beside somebody's data would be run in place of numpy. Nothing
is imported here that such a file could stand for.
"""

from __future__ import annotations

import os
import sys

_VARIABLES = ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH")


def searched() -> dict[str, str]:
    """The variables that name folders to search, without the entries that are empty; from PATH "." is gone, too."""
    found = {}
    for name in _VARIABLES:
        if name in os.environ:
            unwanted = {"", "."} if name == "PATH" else {""}
            entries = os.environ[name].split(os.pathsep)
            found[name] = os.pathsep.join(entry for entry in entries if entry not in unwanted)
    return found


def trust_no_working_directory() -> None:
    """In a program of ours, before it imports anything: the same for this process, and for whatever it starts."""
    cleaned = searched()
    if cleaned.get("PYTHONPATH", "") != os.environ.get("PYTHONPATH", ""):
        named = {os.path.abspath(entry) for entry in cleaned["PYTHONPATH"].split(os.pathsep) if entry}
        here = os.getcwd()
        sys.path[:] = [entry for entry in sys.path if entry and (entry != here or entry in named)]
    os.environ.update(cleaned)
