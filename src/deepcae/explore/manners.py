"""Who may ask, and how much: the page belongs to one person, on one machine.

| asked                                              | answered                                         |
|----------------------------------------------------|--------------------------------------------------|
| another Host than the address of the page          | 421                                              |
| another Origin, "null" included; a cross-site page | 403                                              |
| OPTIONS, or a header that names another method     | 403: no page of elsewhere may ask anything       |
| no cookie of this server, or a wrong one           | 403                                              |
| `/?token=...`, as the command prints it            | the cookie, and on to `/` without the token      |
| more than `MOST` bytes of a body                   | 413                                              |
| a body that takes longer than `PATIENCE` seconds   | 408                                              |
| when bodies of `ALL` bytes are being received      | 503                                              |

Each answer says that nothing but this server's own files is to be loaded by the page, and that no other page may hold
it in a frame.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

MOST = 10 * 2**20  # bytes of a body
ALL = 4 * MOST  # of all that are being received, or are worked on
PATIENCE = 10.0  # seconds for all of it
OVERRIDES = (b"x-http-method-override", b"x-http-method", b"x-method-override")
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class _Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Manners:
    """Stands before the application. `hosts`: what a Host header may say; `token`: what opens the door once more."""

    def __init__(self, app: App, hosts: tuple[str, ...], port: int) -> None:
        self.app, self.hosts = app, frozenset(host.lower() for host in hosts)
        self.token = secrets.token_urlsafe(32)
        self.secret = secrets.token_urlsafe(32)
        self.cookie = f"deepcae-{port}"  # browsers keep cookies of all ports of a host together
        self._held = 0  # bytes of bodies

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # which a browser shows as 403
            return
        answering = _Answering(send)
        try:
            entered = self._enter(scope)
            if entered is not None:
                await answering.begin(303, [(b"location", b"/"), (b"set-cookie", entered)])
                await answering.send({"type": "http.response.body", "body": b""})
                return
            body = bytearray()
            try:
                await self._receive(scope, receive, body)
                await self.app(scope, _given(bytes(body), receive), answering.send)
            finally:
                self._held -= len(body)
        except _Refused as refused:
            await answering.say(refused.status, str(refused))

    def _enter(self, scope: dict[str, Any]) -> bytes | None:
        """The cookie for whoever brings the token; None for whoever has it. Refuses others."""
        headers = _headers(scope)
        host = headers.get("host", "").lower()
        if host not in self.hosts:
            raise _Refused(421, "this server answers to another name")
        if scope["method"] not in ("GET", "HEAD", "POST") or any(name.decode() in headers for name in OVERRIDES):
            raise _Refused(403, "only GET and POST are answered")
        origin = headers.get("origin")
        if (origin is None and scope["method"] == "POST") or (origin is not None and origin != f"http://{host}"):
            raise _Refused(403, "a page of elsewhere may not ask")
        told = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and told:
            if not hmac.compare_digest(told.encode(), self.token.encode()):
                raise _Refused(403, "a wrong token; open the address that `deepcae explore` printed")
            return f"{self.cookie}={self.secret}; HttpOnly; SameSite=Strict; Path=/".encode()
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise _Refused(403, "a page of elsewhere may not ask")
        if not hmac.compare_digest(_cookie(headers, self.cookie).encode(), self.secret.encode()):
            raise _Refused(403, "open the address that `deepcae explore` printed, with its token")
        return None

    async def _receive(self, scope: dict[str, Any], receive: Receive, body: bytearray) -> None:
        """Fills the body of a request. Refuses one that is too long or too slow before it is read to its end."""
        told = _headers(scope).get("content-length", "0")
        if not told.isdecimal() or int(told) > MOST:
            raise _Refused(413, f"more than {MOST // 2**20} MB")
        if scope["method"] != "POST":
            return
        more = True
        try:
            async with asyncio.timeout(PATIENCE):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Refused(400, "the request ended early")
                    part, more = message.get("body", b""), message.get("more_body", False)
                    if len(body) + len(part) > MOST:
                        raise _Refused(413, f"more than {MOST // 2**20} MB")
                    if self._held + len(part) > ALL:
                        raise _Refused(503, "too much is being sent at a time")
                    body += part
                    self._held += len(part)
        except TimeoutError:
            raise _Refused(408, f"the request took more than {PATIENCE:g} s") from None


class _Answering:
    """Adds what every answer says; remembers whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self.begun = send, False

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            given = [(name, value) for name, value in message.get("headers", []) if name.lower() not in _OURS]
            message = {**message, "headers": [*given, *HEADERS]}
        await self._send(message)

    async def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def say(self, status: int, why: str) -> None:
        """A sentence as JSON, unless an answer has begun."""
        if self.begun:
            return
        body = json.dumps({"error": why}).encode()
        told = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.begin(status, [*told, (b"connection", b"close")])
        await self.send({"type": "http.response.body", "body": body})


_OURS = frozenset(name for name, _ in HEADERS)


def _headers(scope: dict[str, Any]) -> Mapping[str, str]:
    """By name; of several of one name all, so that two Hosts are none that is known."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _cookie(headers: Mapping[str, str], name: str) -> str:
    for part in headers.get("cookie", "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


def _given(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read once; then what comes of the connection."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> dict[str, Any]:
        return waiting.pop() if waiting else await receive()

    return give
