"""Fifty rude ways to ask: the server stays small, and answers its owner after each."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from explore.conftest import served

httpx2 = pytest.importorskip("httpx2")
pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")

RISE = 100 * 2**20  # bytes of memory
CLOSED = 4.0  # seconds in which a test looks for an answer


@dataclass
class Server:
    address: str
    pid: int
    port: int
    cookie: str

    def memory(self) -> int:
        told = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", told)
        assert found is not None
        return 1024 * int(found[1])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=CLOSED)

    def sent(self, data: bytes) -> bytes:
        """What comes back for some bytes, until nothing more does."""
        with self.connect() as connected:
            answer = b""
            try:
                connected.sendall(data)
                while part := connected.recv(65536):
                    answer += part
            except OSError:  # it hung up, or waits for more
                pass
            return answer

    def head(self, request: str, *more: str) -> bytes:
        origin = f"Origin: http://127.0.0.1:{self.port}"
        lines = [request, f"Host: 127.0.0.1:{self.port}", origin, f"Cookie: {self.cookie}", *more, "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def answers(self) -> None:
        told = httpx2.get(f"http://127.0.0.1:{self.port}/api/about", headers={"cookie": self.cookie}, timeout=60)
        assert told.status_code == 200
        assert told.json()["count"] == 400


@pytest.fixture(scope="module")
def server(digits_run: Path) -> Iterator[Server]:
    with served(digits_run) as address:
        entered = httpx2.get(address, follow_redirects=False)
        port = int(re.findall(r":(\d+)/", address)[0])
        yield Server(address, _pid(port), port, entered.headers["set-cookie"].split(";")[0])


def _pid(port: int) -> int:
    """The process that listens there."""
    listening = f":{port:04X} 00000000:0000 0A "
    (line,) = [line for line in Path("/proc/net/tcp").read_text().splitlines() if listening in line]
    link = f"socket:[{line.split()[9]}]"
    for each in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(each) == link and (each.parents[1] / "status").exists():
                return int(each.parents[1].name)
    raise AssertionError(f"nobody listens at port {port}")


@pytest.fixture(autouse=True)
def stays_small(server: Server) -> Iterator[None]:
    server.answers()
    before = server.memory()
    yield
    server.answers()
    assert server.memory() - before < RISE


ODD = {
    "nothing": b"\r\n\r\n",
    "noise": bytes(range(256)) * 64,
    "zeros": bytes(100_000),
    "TLS": bytes.fromhex("160301020001000001fc0303") + bytes(500),
    "HTTP/0.9": b"GET /\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET / \r\nHost: x\r\n\r\n",
    "a long method": b"G" * 100_000 + b" / HTTP/1.1\r\n\r\n",
    "a long path": b"GET /" + b"a" * 10**6 + b" HTTP/1.1\r\n\r\n",
    "a bare header": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a header with NUL": b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_what_is_no_http_is_refused_as_everything_else(server: Server, data: bytes) -> None:
    answer = server.sent(data)
    assert answer[9:12] in (b"400", b"421", b"431", b"")
    assert not answer or b"nosniff" in answer.lower()


def test_many_headers(server: Server) -> None:
    answer = server.sent(server.head("GET / HTTP/1.1", *(f"X-{n}: {'v' * 60}" for n in range(10**5))))
    assert answer[9:12] in (b"431", b"")


LENGTHS = ["-1", "+5", "1e3", "0x10", "99999999999999999999", "5, 6", "abc", str(11 * 2**20)]


@pytest.mark.parametrize("length", LENGTHS)
def test_odd_lengths(server: Server, length: str) -> None:
    answer = server.sent(server.head("POST /api/decode HTTP/1.1", f"Content-Length: {length}"))
    assert answer[9:12] in (b"400", b"413")


def chunks(size: int, count: int) -> bytes:
    return b"".join(b"%x\r\n" % size + bytes(size) + b"\r\n" for _ in range(count)) + b"0\r\n\r\n"


BOMBS = {
    "11 MB": chunks(2**20, 11),
    "many small ones": chunks(1, 50_000) + b"x",
    "a wrong size": b"zz\r\nabc\r\n",
    "an endless size": b"f" * 100_000,
    "no end": chunks(1000, 3)[:-5],
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_bombs_in_chunks(server: Server, body: bytes) -> None:
    answer = server.sent(server.head("POST /api/decode HTTP/1.1", "Transfer-Encoding: chunked") + body)
    assert answer[9:12] in (b"400", b"413", b"431", b"")


DEEP = b"[" * 10**6
QUESTIONS = {
    "deep JSON": DEEP,
    "many rows": b'{"rows": [' + b"0," * 10**6 + b'0], "what": "image"}',
    "rows beyond all numbers": b'{"rows": [' + b"9" * 5000 + b"]}",
    "no UTF-8": b'{"rows": "\xff\xfe"}',
    "a row beyond all numbers": b'{"rows": [1e308]}',
    "compressed": b"\x1f\x8b" + bytes(1000),
}


@pytest.mark.parametrize("path", ["/api/images", "/api/mean", "/api/export"])
@pytest.mark.parametrize("body", QUESTIONS.values(), ids=QUESTIONS)
def test_questions_that_are_none(server: Server, path: str, body: bytes) -> None:
    more = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close")
    answer = server.sent(server.head(f"POST {path} HTTP/1.1", *more) + body)
    assert answer[9:12] in (b"400", b"404", b"413")
    assert b"Traceback" not in answer


def test_two_hundred_at_a_time(server: Server) -> None:
    opened = [server.connect() for _ in range(200)]
    for each in opened:
        each.sendall(b"GET / HTTP/1.1\r\nHost: ")  # and no more
    server.answers()
    for each in opened:
        each.close()
    codes: list[int] = []

    def ask() -> None:
        told = httpx2.get(f"{url}/api/image?row=3", headers={"cookie": server.cookie}, timeout=60)
        codes.append(told.status_code)

    url = f"http://127.0.0.1:{server.port}"
    threads = [threading.Thread(target=ask) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 200


def test_bodies_of_many_at_a_time_have_a_bound(server: Server) -> None:
    """Twelve of 9 MB each, none of which ends: together more than the server takes in."""
    head = server.head("POST /api/decode HTTP/1.1", f"Content-Length: {9 * 2**20}")
    opened = [server.connect() for _ in range(12)]
    refused = 0
    for each in opened:
        try:
            each.sendall(head + bytes(9 * 2**20 - 1))
            each.settimeout(0.3)
            refused += each.recv(100)[9:12] == b"503"
        except OSError:
            continue
    assert refused > 0
    server.answers()
    for each in opened:
        each.close()


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: ", b""], ids=["half a head", "not a byte"])
def test_a_slow_head_is_not_waited_for(server: Server, data: bytes) -> None:
    with server.connect() as connected:
        connected.sendall(data)
        connected.settimeout(30)
        began = time.monotonic()
        answer = connected.recv(100)
    assert answer[9:12] == b"408"
    assert time.monotonic() - began < 29


def test_a_slow_body_is_not_waited_for(server: Server) -> None:
    with server.connect() as connected:
        connected.sendall(server.head("POST /api/decode HTTP/1.1", "Content-Length: 8") + b"1234")
        connected.settimeout(30)
        assert connected.recv(100)[9:12] == b"408"
