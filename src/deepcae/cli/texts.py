"""The network's text that a command names, in the state that it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .screen import say

if TYPE_CHECKING:
    from ..check.states import State as Chosen
    from ..net.net import Net
    from ..proto.document import Document
    from .options import State


def text_in_state(
    target: Path, usual: str, asked: State | None = None, last: bool = False
) -> tuple[Document, list[Path], Chosen]:
    """A network's text or a run's, the folders of its data, and the state to take it in; says which, see `chosen`."""
    from ..check.states import chosen
    from ..check.texts import net_of

    phase, level, stages = (None, 0, ()) if asked is None else asked.asked()
    document, folders = net_of(target)
    state, told = chosen(document, phase, usual, level, stages, last)
    if told:
        say(told)
    return document, folders, state


def net_of_text(
    target: Path, usual: str, asked: State | None = None, last: bool = False, **more: Any
) -> tuple[Net, list[Path]]:
    """The net of a text in that state, with random weights, and the folders of its data."""
    from ..check.states import built

    document, folders, state = text_in_state(target, usual, asked, last)
    return built(document, state, folders=folders, **more), folders
