"""The rule of this processor: a committed one, or one that is measured once and kept in the user's cache.

A measured rule lies in `$XDG_CACHE_HOME/deepcae/` (`~/.cache/deepcae/`), a file for each processor, PyTorch and core.
What cannot be kept is not taken: the next run would measure anew and might find another answer.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..atomic import whole_file
from ..inplace import json_of
from .processor import Processor, shown, this_processor
from .rule import Rule, fixed, known

FORMAT = 3  # 2: with strides; 3: many outputs, and the area of kernels


class FoundRule(NamedTuple):
    rule: Rule
    source: str  # in words


def fixed_here(why: str) -> FoundRule:
    """The rule that is not measured; `why` not, in words."""
    return FoundRule(fixed(this_processor()), f"the fixed rule ({why})")


def find_here() -> FoundRule:
    """The rule for this processor."""
    processor = this_processor()
    committed = known(processor)
    if committed is not None:
        name, rule = committed
        return FoundRule(rule, f"measured on {name}")
    path = path_of(processor)
    try:
        with _alone(path):
            found = _read(path, processor)
            if found is None:
                _tell(f"measuring once which kernels are the fastest on this processor; the answer is kept in {path}")
                found = _measured(processor)
                _write(path, processor, found)
            return FoundRule(found, f"measured on this machine, kept in {path}")
    except OSError as error:
        reason = f"{path} cannot be kept: {error.strerror or error}"
    except ValueError as error:
        reason = f"{path} is damaged ({str(error)[:60]}): delete it to have it made anew"
    _tell(f"{reason}; kernels go by the fixed rule, which may be slower")
    return FoundRule(fixed(processor), "the fixed rule (nothing measured could be kept)")


def path_of(processor: Processor) -> Path:
    """Where the rule of a processor lies."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(named) if os.path.isabs(named) else Path(os.path.expanduser("~")) / ".cache"
    key = f"{FORMAT} {shown(processor.key())}"
    return cache / "deepcae" / f"kernels-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _read(path: Path, processor: Processor) -> Rule | None:
    """What lies there; None for nothing. ValueError for what is no rule of this processor."""
    try:
        content = json_of(path)
    except FileNotFoundError:
        return None
    if not isinstance(content, dict) or (content.get("format"), content.get("of")) != (FORMAT, processor.key()):
        raise ValueError("it is of another processor or version")
    return Rule.from_json(content.get("rule"))


def _write(path: Path, processor: Processor, rule: Rule) -> None:
    content = {"format": FORMAT, "processor": processor.description, "of": processor.key(), "rule": rule.to_json()}
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Inside, no other process measures: it waits, and reads the answer. OSError where that cannot be had."""
    if sys.platform == "win32":
        raise OSError("Windows has no flock")
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():  # it does not change any more
        yield
        return
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _measured(processor: Processor) -> Rule:
    from .measure import measured

    return measured(fixed(processor))


def _tell(message: str) -> None:
    logging.getLogger("deepcae").warning("%s", message)
