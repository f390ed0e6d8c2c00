"""A run as its training goes on: its records as they come, whether somebody trains there, and how to ask for an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError, DeepcaeError
from ..solver.about import ABOUT, METRICS
from ..solver.kept import recorded_in
from ..solver.run import Run
from ..solver.snapshot import BEST, MANIFEST, iterations
from .holder import SAVE, STOP, Holder, ask, holder_of, why_not
from .tail import Tail, all_records

LOOKS = 0.25  # seconds between two looks at the file
LIVE_EVERY = 4  # looks between two at the lock
MOST_BESIDE = 100  # runs in the same folder that are offered


class Event(NamedTuple):
    """What the page is told: `records` (all of the file, which is a new one), `record`, `live`, `snapshot`, `gone`."""

    name: str
    data: Any


class Watch:
    """One run, watched from outside: its files are read, its process is asked by signals, and nothing is written."""

    def __init__(self, run: Run, others: Sequence[Path] = ()) -> None:
        """`others`: runs to be shown over this one, beside those in the same folder."""
        self.run = run
        self._others = list(others)
        self._closed = False

    def records(self) -> dict[str, Any]:
        """What the page begins with: the records, who trains, and what can be asked for."""
        look = all_records(self.run.folder / METRICS)
        return {
            "records": look.records, "every": look.every, "gone": look.gone, **self.state(),
            "others": list(self.beside()), "snapshots": self.snapshots(), "max_iter": self._param("max_iter"),
            "debug_info": bool(self._param("debug_info")),
        }  # fmt: skip

    def live(self) -> bool:
        """Whether a process trains there now."""
        return self._holder() is not None

    def state(self) -> dict[str, Any]:
        """`live`, `stoppable`, and in `told` who trains, or why the page cannot stop it."""
        holder = self._holder()
        if holder is None:
            return {"live": False, "stoppable": False, "told": ""}
        why = why_not(self._lock, holder, STOP) or why_not(self._lock, holder, SAVE)
        told = why or f"process {holder.pid} trains since {holder.since.replace('T', ' ')}"
        return {"live": True, "stoppable": not why, "told": told}

    async def events(self) -> AsyncIterator[Event]:
        """All records first, then each that is added; ends with `close`.

        A file in the old one's place, as a resume makes it, begins anew with `records`. A file that is not there is
        told once, and waited for.
        """
        tail, state, gone, looks = Tail(self.run.folder / METRICS), None, "", 0
        try:
            while not self._closed:
                look = await asyncio.to_thread(tail.look)
                if look.gone != gone:
                    gone = look.gone
                    yield Event("gone", gone)
                if look.begun:
                    yield Event("records", {"records": look.records, "every": look.every})
                else:
                    for record in look.records:
                        yield Event("record", record)
                        if record["kind"] in ("snapshotted", "kept"):
                            yield Event("snapshot", self.snapshots())
                if looks % LIVE_EVERY == 0 and (now := await asyncio.to_thread(self.state)) != state:
                    state = now
                    yield Event("live", state)
                looks += 1
                await asyncio.sleep(LOOKS)
        finally:
            tail.close()

    def close(self) -> None:
        """Lets every `events` end."""
        self._closed = True

    def stop(self) -> str:
        """Asks the training to stop after its iteration, with a snapshot; what was done. TrainingError: why not."""
        holder = ask(self._lock, STOP)
        return f"process {holder.pid} was asked to stop; it saves a snapshot and ends after this iteration"

    def snapshot(self) -> str:
        """Asks the training for a snapshot; what was done. TrainingError: why not."""
        holder = ask(self._lock, SAVE)
        return f"process {holder.pid} was asked for a snapshot"

    def snapshots(self) -> list[dict[str, Any]]:
        """The complete snapshots by iteration, each with the name that `Run.choose` knows it by."""
        try:
            found = [{"iteration": number, "name": str(number)} for number in iterations(self.run.prefix, MANIFEST)]
            best = Path(self.run.prefix + BEST + MANIFEST)
            if best.exists():
                found.append({"iteration": recorded_in(best)[0], "name": "best"})
        except (DeepcaeError, OSError):  # the folder is gone
            return []
        return sorted(found, key=lambda each: (each["iteration"], each["name"]))

    def beside(self) -> dict[str, Path]:
        """Other runs by the names that the page knows them by: those that were named, and those in the same folder."""
        found = {str(path): path for path in self._others}
        own = self.run.folder.resolve()
        try:
            folders = sorted(path for path in own.parent.iterdir() if (path / METRICS).is_file())
        except OSError:
            folders = []
        named = {path.resolve() for path in self._others} | {own}
        for path in folders:
            if path not in named and (path / ABOUT).is_file() and len(found) < MOST_BESIDE:
                found[path.name] = path
        return found

    def other(self, name: str) -> dict[str, Any]:
        """The records of one of `beside`. DataError for another name, or where they cannot be read."""
        path = self.beside().get(name)
        if path is None:
            raise DataError(f"there is no run '{name[:80]}' beside {self.run.folder}")
        look = all_records(path / METRICS)
        if look.gone:
            raise DataError(look.gone)
        return {"name": name, "records": look.records, "every": look.every}

    @property
    def _lock(self) -> Path:
        return Path(f"{self.run.prefix}.lock")

    def _holder(self) -> Holder | None:
        try:
            return holder_of(self._lock)
        except (DeepcaeError, OSError):  # the folder, with its texts, is gone
            return None

    def _param(self, name: str) -> Any:
        try:
            return getattr(self.run.solver_document.message, name)
        except DeepcaeError:
            return None
