"""Which processor this is, and which libraries compute on it: a measured rule holds for both."""

from __future__ import annotations

import hashlib
import json
import platform
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

CPUINFO = Path("/proc/cpuinfo")


class Processor(NamedTuple):
    """`family` and `model` as the vendor counts them, -1 where nobody tells; `flags`: what it can, in one string."""

    vendor: str
    family: int
    model: int
    flags: str
    name: str
    instructions: str  # of the compiled core, "" without one

    @property
    def description(self) -> str:
        numbers = f" (family {self.family}, model {self.model})" if self.family >= 0 else ""
        return f"{self.name or self.vendor or 'unknown processor'}{numbers}"

    def key(self) -> dict[str, str]:
        """All that a measurement depends on: the processor and the libraries."""
        import torch

        libraries = hashlib.sha256(torch.__config__.show().encode()).hexdigest()[:16]
        return {
            "vendor": self.vendor,
            "family": str(self.family),
            "model": str(self.model),
            "flags": hashlib.sha256(self.flags.encode()).hexdigest()[:16],
            "torch": torch.__version__,
            "libraries": libraries,
            "instructions": self.instructions,
        }


def this_processor() -> Processor:
    from . import native

    return _described(native.instructions())


@lru_cache(maxsize=8)
def _described(instructions: str) -> Processor:
    fields = _first_of(CPUINFO)
    vendor = fields.get("vendor_id") or fields.get("CPU implementer") or platform.machine()
    flags = fields.get("flags") or fields.get("Features") or ""
    family = _number(fields.get("cpu family") or fields.get("CPU architecture"))
    model = _number(fields.get("model") or fields.get("CPU part"))
    name = fields.get("model name") or platform.processor()
    return Processor(vendor, family, model, " ".join(sorted(flags.split())), name, instructions)


def _first_of(path: Path) -> dict[str, str]:
    """What Linux tells of the first processor; nothing elsewhere."""
    try:
        block = path.read_text(errors="replace").strip().split("\n\n")[0]
    except OSError:
        return {}
    lines = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def _number(text: str | None) -> int:
    try:
        return int(text or "", 0)
    except ValueError:
        return -1


def shown(fields: dict[str, str]) -> str:
    """A key in one line."""
    return json.dumps(fields, sort_keys=True)
