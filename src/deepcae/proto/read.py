"""Networks and solvers from files, in today's schema whatever syntax they are written in."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any, Literal

from ..errors import Place, Problem, SpecError
from ..inplace import open_to_read
from .document import Document
from .kinds import HEAD, NAMES, sniff
from .schema import Message, NetParameter, SolverParameter
from .text import parse
from .tokens import MAX_BYTES
from .tree import build
from .upgrade import upgrade_net, upgrade_solver

Source = str | Path | Document | Any  # Any: a protobuf message; its classes are made at run time


def read_net(source: Source) -> Document:
    """A network from a path, a NetParameter (copied) or a Document; old syntaxes are upgraded, see `Document.notes`."""
    return upgrade_net(_document(source, NetParameter))


def read_net_text(text: str, filename: str = "<text>") -> Document:
    """A network from its text."""
    return upgrade_net(parse(text, NetParameter, filename))


def read_solver(source: Source) -> Document:
    """A solver from a path, a SolverParameter (copied) or a Document."""
    if not isinstance(source, Document | Message) and "\n" not in str(source) and _is_network(source):
        raise SpecError(Problem("is a network, and a solver is wanted", Place(str(source))))
    return upgrade_solver(_document(source, SolverParameter))


def read_solver_text(text: str, filename: str = "<text>") -> Document:
    """A solver from its text."""
    return upgrade_solver(parse(text, SolverParameter, filename))


def _document(source: Source, message_class: Any) -> Document:
    if isinstance(source, Document):
        return source
    if isinstance(source, Message):
        wanted, given = message_class.DESCRIPTOR.name, source.DESCRIPTOR.name
        if wanted != given:
            raise SpecError(f"a {wanted} was expected, not a {given}")
        return Document(message_class.FromString(source.SerializePartialToString()), "<message>")
    if isinstance(source, str) and "\n" in source:
        raise SpecError("a path was expected, not a text; for a text there are read_net_text and read_solver_text")
    return parse(read_text(source), message_class, str(source))


def read_text(path: str | Path) -> str:
    """The text of a file. Bytes that are not UTF-8 come as surrogates, which `parse` accepts in comments only."""
    name = str(path)
    try:
        if Path(path).is_dir():
            raise SpecError(Problem("this is a folder, not a file", Place(name)))
        with open_to_read(path) as file:
            data = file.read(HEAD)
            if (kind := sniff(data)) not in ("text", "unknown"):
                raise SpecError(Problem(f"this is {NAMES[kind]}, not a prototxt", Place(name)))
            data += file.read(MAX_BYTES + 1 - len(data))
    except FileNotFoundError:
        raise SpecError(Problem("there is no such file", Place(name))) from None
    except (OSError, ValueError) as error:  # ValueError: a name with the character 0
        raise SpecError(Problem(getattr(error, "strerror", None) or str(error), Place(name))) from None
    if len(data) > MAX_BYTES:
        raise SpecError(Problem(f"the file is larger than {MAX_BYTES // 2**20} MiB", Place(name)))
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SpecError(Problem("this is UTF-16 text; save it as UTF-8", Place(name, 1, 1)))
    text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="surrogateescape")
    if _is_binary(text[:HEAD]):
        raise SpecError(Problem("this is no text, and none of Caffe's binary files", Place(name, 1, 1)))
    return text


def _is_binary(text: str) -> bool:
    """Whether so many characters are control characters that to place each would help nobody."""
    num_control = sum(char < " " and not char.isspace() for char in text)
    return num_control > 20 and num_control > len(text) // 50


def kind_of(text: str, filename: str = "<text>") -> Literal["net", "solver"]:
    """Whether a text is a network or a solver, by its fields; a broken text is judged by what can be read of it."""
    return "solver" if _leaning(text, filename) > 0 else "net"


def _is_network(path: str | Path) -> bool:
    return _leaning(read_text(path), str(path)) < 0


def _leaning(text: str, filename: str) -> int:
    """How many more fields only a solver has than fields only a network has; 0 for a text that cannot be read."""
    try:
        tree, _, _ = build(text, filename)
    except SpecError:
        return 0
    names = [field.name.text for field in tree.fields]
    net, solver = (
        sum(name in fields and name not in others for name in names)
        for fields, others in (
            (NetParameter.DESCRIPTOR.fields_by_name, SolverParameter.DESCRIPTOR.fields_by_name),
            (SolverParameter.DESCRIPTOR.fields_by_name, NetParameter.DESCRIPTOR.fields_by_name),
        )
    )
    return solver - net
