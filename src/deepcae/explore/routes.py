"""What the page can ask for, and with what it is answered. No answer is kept by a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel

from ..trained.health import health
from . import columns, layout, pictures, selection, units
from .about import about
from .subject import Looked, Subject
from .wire import BYTES, finite, packed

T = TypeVar("T")
WEB = Path(str(files(__package__))) / "web"
NEAREST = 6  # images that are told for a code of nobody's
router = APIRouter()


class Rows(BaseModel):
    """Some images."""

    rows: list[int]


class Small(Rows):
    """Small pictures of them."""

    what: str = "image"
    side: int = 28


class Export(Rows):
    """A file of them."""

    kind: str


class Show(BaseModel):
    """The weights of a snapshot."""

    iteration: str | int


def subject_of(request: Request) -> Subject:
    """What the server looks at."""
    found: Subject = request.app.state.subject
    return found


async def done(request: Request, make: Callable[[Looked], T]) -> T:
    """What `make` gives of what is looked at, in the thread that computes."""
    subject = subject_of(request)
    work: asyncio.Future[T] = asyncio.wrap_future(subject.work.submit(lambda: make(subject.looked)))
    return await work


async def arrays(request: Request, make: Callable[[Looked], pictures.Answer]) -> Response:
    """Arrays with what is to be said of them, see `wire`."""
    return Response(await done(request, lambda looked: packed(*make(looked))), media_type=BYTES)


async def told(request: Request, make: Callable[[Looked], Any]) -> Response:
    """JSON."""
    return JSONResponse(finite(await done(request, make)))


def _numbers(body: bytes) -> np.ndarray:
    """float32 of a body, little endian."""
    return np.frombuffer(body[: len(body) // 4 * 4], "<f4").astype(np.float32)


@router.get("/")
async def home() -> Response:
    return FileResponse(WEB / "index.html", media_type="text/html")


@router.get("/api/about")
async def api_about(request: Request) -> Response:
    return await told(request, about)


@router.get("/api/health")
async def api_health(request: Request) -> Response:
    return await told(
        request, lambda looked: asdict(looked.once("health", lambda: health(looked.trained, looked.examples)))
    )


@router.get("/api/points")
async def points(request: Request, map: str, x: int = 0, y: int = 1) -> Response:  # the page's word
    found = await done(request, lambda looked: layout.laid_out(looked, map, x, y))
    if found is None:
        return JSONResponse({"state": "computing"}, status_code=202)
    return Response(packed({"map": map, "axes": found.axes}, {"xy": found.xy}), media_type=BYTES)


@router.get("/api/column")
async def api_column(request: Request, name: str) -> Response:
    def make(looked: Looked) -> pictures.Answer:
        found = columns.column(looked, name)
        values, names = columns.numbered(found)
        return {"name": name, "kind": "classes" if found.classes else "numbers", "names": names}, {"values": values}

    return await arrays(request, make)


@router.get("/api/image")
async def image(request: Request, row: int) -> Response:
    return await arrays(request, partial(pictures.image, row=row))


@router.post("/api/images")
async def images(request: Request, asked: Small) -> Response:
    return await arrays(request, lambda looked: pictures.small(looked, asked.rows, asked.what, asked.side))


@router.post("/api/mean")
async def mean(request: Request, asked: Rows) -> Response:
    return await arrays(request, partial(pictures.mean, rows=asked.rows))


@router.get("/api/layers")
async def layers(request: Request, row: int) -> Response:
    return await arrays(request, partial(pictures.layers_of_row, row=row))


@router.post("/api/layers")
async def layers_of_drawing(request: Request) -> Response:
    values = _numbers(await request.body())
    return await arrays(request, partial(pictures.layers_of_drawing, values=values))


@router.get("/api/map")
async def one_map(request: Request, row: int, blob: str, map: int) -> Response:
    return await arrays(request, lambda looked: pictures.one_map(looked, row, blob, map))


@router.get("/api/unit")
async def unit(request: Request, blob: str, map: int) -> Response:
    return await arrays(request, lambda looked: units.unit(looked, blob, map))


@router.post("/api/decode")
async def decode(request: Request) -> Response:
    codes = _numbers(await request.body())
    return await arrays(request, partial(pictures.decoded, codes=codes))


@router.get("/api/directions")
async def directions(request: Request) -> Response:
    return await arrays(request, lambda looked: ({}, layout.directions(looked)))


@router.get("/api/code")
async def code(request: Request, row: int) -> Response:
    return await arrays(request, lambda looked: ({"row": row}, {"code": looked.codes[looked.row(row)]}))


@router.get("/api/neighbours")
async def neighbours(request: Request, row: int, most: int = 12) -> Response:
    def make(looked: Looked) -> dict[str, Any]:
        rows, distances = layout.nearest(looked, row, max(1, min(most, 1000)))
        return {"rows": rows.tolist(), "distances": distances.tolist()}

    return await told(request, make)


@router.post("/api/nearest")
async def nearest(request: Request) -> Response:
    """The images whose codes lie nearest to any code."""
    code = _numbers(await request.body())

    def make(looked: Looked) -> dict[str, Any]:
        rows, distances = layout.nearest_to(looked, pictures.codes_of(looked, code, 1)[0], NEAREST)
        return {"rows": rows.tolist(), "distances": distances.tolist(), "usual": layout.usual(looked)}

    return await told(request, make)


@router.get("/api/search")
async def search(request: Request, text: str) -> Response:
    return await told(request, partial(selection.search, text=text))


@router.post("/api/export")
async def export(request: Request, asked: Export) -> Response:
    name, kind, content = await done(request, lambda looked: selection.exported(looked, asked.rows, asked.kind))
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


@router.post("/api/show")
async def show(request: Request, asked: Show) -> Response:
    await done(request, lambda looked: subject_of(request).show(str(asked.iteration)))
    return await told(request, about)
