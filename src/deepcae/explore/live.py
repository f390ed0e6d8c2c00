"""The routes of the views Training and Network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from ..errors import TrainingError
from ..trained.moments import Moments
from .network import describe, warnings_of
from .subject import NotNow, NotThere, Subject
from .training import Watch
from .wire import BYTES, finite, packed

T = TypeVar("T")
router = APIRouter()


class Live:
    """What is watched of a subject's run: `watch` its training, `moments` its snapshots."""

    def __init__(self, subject: Subject, others: tuple[Path, ...] = ()) -> None:
        trained = subject.looked.trained
        self.subject, self.run = subject, trained.run
        self._watch = None if self.run is None else Watch(self.run, others)
        self._moments = None if self.run is None else Moments(self.run, subject.data, trained.named)

    @property
    def watch(self) -> Watch:
        """NotThere for a network that is of no run."""
        if self._watch is None:
            raise NotThere("this is a network with weights, and no run: nothing is known of its training")
        return self._watch

    @property
    def moments(self) -> Moments:
        """As `watch`."""
        if self._moments is None:
            raise NotThere("this is a network with weights, and no run: there are no snapshots")
        return self._moments

    async def computed(self, make: Callable[[], T]) -> T:
        """What `make` gives, in the thread that computes."""
        return await asyncio.wrap_future(self.subject.work.submit(make))


def live(request: Request) -> Live:
    found: Live = request.app.state.live
    return found


@router.get("/api/training")
async def training(request: Request) -> Response:
    return JSONResponse(finite(await asyncio.to_thread(live(request).watch.records)))


@router.get("/api/training/other")
async def other(request: Request, name: str) -> Response:
    watch = live(request).watch
    return JSONResponse(finite(await asyncio.to_thread(watch.other, name)))


@router.get("/api/training/at")
async def moment(request: Request, which: str, before: str | None = None) -> Response:
    here = live(request)
    moments = here.moments
    return Response(packed(*await here.computed(lambda: moments.at(which, before))), media_type=BYTES)


@router.get("/api/training/events", response_class=EventSourceResponse)
async def events(request: Request) -> AsyncIterator[ServerSentEvent]:
    async for event in live(request).watch.events():
        yield ServerSentEvent(event=event.name, data=finite(event.data))


@router.post("/api/training/stop")
async def stop(request: Request) -> Response:
    return await _asked(live(request).watch.stop)


@router.post("/api/training/snapshot")
async def snapshot(request: Request) -> Response:
    return await _asked(live(request).watch.snapshot)


async def _asked(what: Callable[[], str]) -> Response:
    """NotNow where nobody can be asked."""
    try:
        return JSONResponse({"told": await asyncio.to_thread(what)})
    except TrainingError as error:
        raise NotNow(str(error)) from None


@router.get("/api/network")
async def network(request: Request) -> Response:
    here = live(request)

    def made() -> dict[str, Any]:
        looked = here.subject.looked
        told = looked.once("network", lambda: describe(looked.trained))
        return told if here.run is None else {**told, "warnings": warnings_of(here.run.metrics())}

    return JSONResponse(finite(await here.computed(made)))
