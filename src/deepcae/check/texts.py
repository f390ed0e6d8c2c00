"""The texts named on a command line, read and told apart."""

from __future__ import annotations

from pathlib import Path

from ..errors import Place, Problem, SpecError
from ..proto.document import Document


def read_document(path: Path) -> tuple[str, Document]:
    """("net" or "solver", the document) of a file, upgraded to today's syntax."""
    from ..proto.read import kind_of, read_net_text, read_solver_text, read_text

    text = read_text(path)
    kind = kind_of(text, str(path))
    return kind, (read_net_text if kind == "net" else read_solver_text)(text, str(path))


def net_of(target: Path) -> tuple[Document, list[Path]]:
    """The network of a text file or of a run directory, and the folders in which its data files are looked up."""
    if target.is_dir():
        from ..solver.run import Run

        run = Run(target)
        return run.net_document, run.folders
    kind, document = read_document(target)
    if kind == "solver":
        net = document.message.net or document.message.train_net
        hint = f"; its network is {net!r}" if net else ""
        raise SpecError(Problem(f"is a solver, and a network is wanted{hint}", Place(str(target))))
    return document, [document.folder]
