"""The texts named on a command line: read, told apart, written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import DataError, Place, Problem, SpecError
from ..proto.text import Document


def read_text_file(path: Path) -> str:
    """The text of a file that ought to be prototxt. SpecError where it is a folder, or no text at all."""
    if path.is_dir():
        raise SpecError(Problem("is a folder; a network or solver text is wanted", Place(str(path))))
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise SpecError(Problem("is not UTF-8 text; is it a weights file?", Place(str(path), line, column))) from None


def read_document(path: Path) -> tuple[str, Document]:
    """("net" or "solver", the document) of a file, upgraded to today's syntax."""
    from ..proto.read import kind_of, read_net_text, read_solver_text

    text = read_text_file(path)
    kind = kind_of(text)
    return kind, (read_net_text if kind == "net" else read_solver_text)(text, str(path))


def net_of(target: Path) -> Document:
    """The network of a text file or of a run directory."""
    if target.is_dir():
        from ..solver.run import Run

        return Run(target).net_document
    kind, document = read_document(target)
    if kind == "solver":
        net = document.message.net or document.message.train_net
        hint = f"; its network is {net!r}" if net else ""
        raise SpecError(Problem(f"is a solver, and a network is wanted{hint}", Place(str(target))))
    return document


def write_text_file(path: Path, text: str) -> None:
    """Writes `text` whole or not at all, making the folder it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise DataError(f"{path}: is a folder; a file name is wanted")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        mode = path.stat().st_mode if path.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode & 0o777)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
