"""The application: the routes, the files of the page, and one sentence for whatever goes wrong."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from ..errors import DeepcaeError
from . import live
from .routes import WEB, router
from .subject import NotNow, NotThere, Subject


def make_app(subject: Subject) -> FastAPI:
    """The application, for one subject. Who may ask is the affair of `manners`."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.subject = subject
    app.mount("/static", StaticFiles(directory=WEB), name="static")
    app.include_router(router)
    app.state.live = live.Live(subject)
    app.include_router(live.router)
    _complaints(app)
    return app


def _complaints(app: FastAPI) -> None:
    """One sentence for whatever goes wrong."""

    @app.exception_handler(DeepcaeError)
    async def wrong(request: Request, error: DeepcaeError) -> Response:
        status = 404 if isinstance(error, NotThere) else 409 if isinstance(error, NotNow) else 400
        return JSONResponse({"error": str(error)}, status_code=status)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return JSONResponse({"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, status_code=400)

    @app.exception_handler(HTTPException)
    async def elsewhere(request: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": str(error.detail)}, status_code=error.status_code)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": f"unexpected {type(error).__name__}: {error}"}, status_code=500)
