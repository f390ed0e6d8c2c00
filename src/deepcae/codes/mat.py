"""A .mat file of codes, read in a process of its own: a damaged one can end scipy's reader, and ends only that process.

It writes an .npz with what is wanted to stdout, or ends with 1 and a sentence.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .. import child
from ..bounds import ROOM
from ..errors import first_line
from ..npy import arrays_from

SECONDS = 3  # of computing; more for files over 5 MB
_VARIABLES = ("codes", "labels", "attributes")
MOST_COLUMNS = 64  # beside them


def read_mat(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any], list[str]]:
    """The arrays `codes` and `labels` that are there, the attributes, and the names of all variables. ValueError."""
    with tempfile.TemporaryFile() as answer:
        reader = child.start(
            "deepcae.codes.mat:main",
            str(path.absolute()),
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.PIPE,
        )
        said = reader.communicate()[1].decode(errors="replace").strip().splitlines()
        if reader.returncode:
            raise ValueError(said[-1] if said and reader.returncode == 1 else "it is damaged")
        answer.seek(0)
        arrays, _ = arrays_from(answer, None)
    about = json.loads(str(arrays.pop("about")))
    return arrays, about["attributes"], about["names"]


def main() -> None:
    """The process: reads the file that its argument names."""
    path = Path(sys.argv[1])
    from scipy.io import loadmat, whosmat

    from .job import numbers_or_words

    limit(path.stat().st_size)
    warnings.simplefilter("ignore")
    try:
        variables = loadmat(path, variable_names=_VARIABLES[:2])
        struct = loadmat(path, variable_names=_VARIABLES[2:], simplify_cells=True)
        listed = whosmat(path)
        names = [name for name, _, _ in listed]
        attributes = {key: _plain(value) for key, value in dict(struct.get("attributes", {})).items()}
        if "labels" in variables:
            variables["labels"] = numbers_or_words(variables["labels"].reshape(-1))
        arrays = {name: np.asarray(variables[name]) for name in _VARIABLES[:2] if name in variables}
        if "codes" in arrays and arrays["codes"].ndim and (others := _columns(listed, len(arrays["codes"]))):
            loaded = loadmat(path, variable_names=others)
            arrays |= {name: np.asarray(loaded[name]).reshape(-1) for name in others}
        about = np.array(json.dumps({"attributes": attributes, "names": names}))
        if any(array.dtype.hasobject for array in arrays.values()):
            raise ValueError("codes and labels must be numbers or words")
        np.savez(sys.stdout.buffer, about=about, **arrays)  # type: ignore[arg-type]
    except MemoryError:
        sys.exit("it would take more memory than twice its size and 192 MiB, which is refused")
    except NotImplementedError:  # the signature of an HDF5 file inside
        sys.exit("a MATLAB 7.3 file; save it with -v7, or give the file the ending .h5")
    except Exception as error:  # scipy's reader raises whatever it stumbles over
        sys.exit(first_line(error))


def _columns(listed: list[tuple[str, tuple[int, ...], str]], count: int) -> list[str]:
    """The names of what else has one number, or one word, for each code."""
    kinds = ("double", "single", "logical")
    found = [
        name
        for name, shape, kind in listed
        if name not in (*_VARIABLES, "about")
        and (
            (_is_column(shape, count) and (kind in kinds or kind.startswith(("int", "uint"))))
            or (kind == "char" and shape[:1] == (count,))
        )
    ]
    return found[:MOST_COLUMNS]


def _is_column(shape: tuple[int, ...], count: int) -> bool:
    return math.prod(shape) == count == max(shape, default=0)


def limit(size: int) -> None:
    """From now on this process may compute for a while, and hold twice the `size` of a file beside what it holds."""
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS + size // 5_000_000,) * 2)
    if held := _held():
        resource.setrlimit(resource.RLIMIT_DATA, (held + 2 * size + ROOM,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _held() -> int:
    """Bytes of memory of its own that this process has by now; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData")), 0)


def _plain(value: Any) -> str | int | float | bool:
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, str | int | float | bool) else str(plain)
