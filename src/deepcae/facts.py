"""How an object shows itself: a line in a terminal, a small table in a notebook, of the same facts."""

from __future__ import annotations

import html
from collections.abc import Mapping


def as_line(kind: str, facts: Mapping[str, str]) -> str:
    """`Codes(codes: 30 of 2 values, error: 0.5 to 2)`."""
    return f"{kind}({', '.join(f'{name}: {words}' for name, words in facts.items())})"


def as_table(facts: Mapping[str, str]) -> str:
    """The facts as HTML, a row each; nothing in them is mark-up."""
    rows = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(words)}</td></tr>" for name, words in facts.items())
    return f"<table>{''.join(rows)}</table>"
