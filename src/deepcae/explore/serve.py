"""Serves the page on this machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import sys
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import DataError
from .app import make_app
from .manners import HEADERS, PATIENCE, App, Manners
from .subject import Subject

LOOPBACK = "127.0.0.1"
MOST_CONNECTIONS = 1000
PAUSE = 30  # seconds that a connection without a question stays open


def serve(subject: Subject, port: int, host: str, begun: Callable[[str], object]) -> None:
    """Answers until it is interrupted. `begun` is told the page's address, token and all, once it can be opened.

    `port`: 0 for a free one. DataError for an address that cannot be had.
    """
    with _listening(host, port) as listening:
        bound = listening.getsockname()[1]
        app = Manners(_plain(subject), _names(host, bound), bound)
        config = uvicorn.Config(
            app, log_level="error", access_log=False, server_header=False, date_header=False, lifespan="off",
            timeout_keep_alive=PAUSE, timeout_graceful_shutdown=1, http=_Connection, ws="none", proxy_headers=False,
        )  # fmt: skip
        shown = host if host != "::1" else "[::1]"
        begun(f"http://{'127.0.0.1' if shown in ('0.0.0.0', '::') else shown}:{bound}/?token={app.token}")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:  # a second Ctrl-C
            pass
        finally:
            subject.close()


def is_loopback(host: str) -> bool:
    """Whether nobody outside this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Connection(H11Protocol):
    """One of a browser's: what is no HTTP, or comes too slowly, is answered as everything else is."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        asyncio.get_running_loop().call_later(PATIENCE, self._require_request)

    def _require_request(self) -> None:
        if vars(self)["scope"] is None and not self.transport.is_closing():  # no request has begun
            self._refuse(408, f"the request took more than {PATIENCE:g} s")

    def send_400_response(self, msg: str) -> None:
        status = getattr(sys.exc_info()[1], "error_status_hint", 400)
        self._refuse(status, "the request has too many headers, or too long ones" if status == 431 else msg)

    def _refuse(self, status: int, why: str) -> None:
        headers = [(b"content-type", b"application/json"), (b"connection", b"close"), *HEADERS]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=json.dumps({"error": why}).encode()),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _plain(subject: Subject) -> App:
    return make_app(subject)  # type: ignore[return-value]


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or answers wait 40 ms for Nagle
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(MOST_CONNECTIONS)  # whoever is told the address may come at once
    except (OSError, OverflowError) as error:
        made.close()
        raise DataError(f"{host}:{port}: cannot be had: {getattr(error, 'strerror', None) or error}") from None
    return made


def _names(host: str, port: int) -> tuple[str, ...]:
    """What a browser may call this server."""
    names = ["127.0.0.1", "localhost", "[::1]"]
    names += [] if is_loopback(host) else [host, socket.gethostname()]
    return tuple(f"{name}:{port}" for name in names)
