"""What a fit is asked for, and whether it may continue in the folder of an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SpecError, shortened

if TYPE_CHECKING:
    from .imageflags import ImageFlags


@dataclass(frozen=True)
class FitOptions:
    """`images`: which images, and how they become data."""

    paths: list[Path]
    dims: int
    minutes: float | None
    width: float | None
    batch: int | None
    overrides: tuple[str, ...]
    images: ImageFlags
    neighbours: float | None = None
    linear: bool | None = None
    mirror: bool | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "paths": [str(path.absolute()) for path in self.paths], "dims": self.dims, "minutes": self.minutes,
            "width": self.width, "batch": self.batch, "set": [*self.overrides], "images": self.images.arguments(),
            **({"neighbours": self.neighbours} if self.neighbours else {}),
            **({} if self.linear is None else {"linear": self.linear}),
            **({} if self.mirror is None else {"mirror": self.mirror}),
        }  # fmt: skip

    @property
    def length(self) -> dict[str, Any]:
        """Those that say how long is trained."""
        return {"minutes": self.minutes, "set": [*self.overrides]}

    def require_texts(self) -> None:
        """SpecError where a text of --set cannot be read, or holds what no training takes: before anything is made."""
        from ..proto.schema import SolverParameter
        from ..proto.text import parse
        from ..solver.begin import lay
        from ..solver.check import check_solver

        document = parse(_ANY, SolverParameter, "--set")
        lay(document, self.overrides)
        if problems := check_solver(document):
            raise SpecError(problems)

    def other(self, earlier: Any) -> str:
        """The first of `earlier` options that is another, in words, "" if none is: that more is trained is none."""
        now, before = _comparable(self.to_json()), _comparable(earlier if isinstance(earlier, dict) else {})
        for name in {**now, **before}:
            if now.get(name) != before.get(name):
                return f"{_TITLES.get(name, f'--{name}')}: {_shown(before.get(name))}, not {_shown(now.get(name))}"
        return ""


_ANY = 'net: "" type: "Adam" base_lr: 1 lr_policy: "poly" power: 1 max_iter: 1 test_iter: 1 test_interval: 1'
_TITLES = {"paths": "PATH", "images": "choice of images"}


def _shown(value: Any) -> str:
    words = " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else f"{value}".strip()
    return shortened(words, 60) or "none"


def _comparable(options: dict[str, Any]) -> dict[str, Any]:
    """All but the time, and the iterations that a solver text names."""
    found = {name: value for name, value in options.items() if name not in ("minutes", "paths")}
    return {**found, "set": _but_length(found.get("set", [])), "paths": options.get("paths")}


def _but_length(texts: Sequence[str]) -> str:
    from ..proto.schema import SolverParameter
    from ..proto.text import merge, parse, to_text

    document = parse("", SolverParameter, "--set")
    for text in texts:
        merge(document, text)
    document.message.ClearField("max_iter")
    return to_text(document.message)
