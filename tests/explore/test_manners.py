"""Who may ask, and how much."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("httpx2")
pytest.importorskip("fastapi")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from deepcae.explore.manners import MOST, POLICY, Manners

HOST = "127.0.0.1:8000"
ORIGIN = {"origin": f"http://{HOST}"}


async def answer(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {len(await request.body())}", headers={"cache-control": "public"})


@pytest.fixture
def guarded() -> Manners:
    inner = Starlette(routes=[Route("/{rest:path}", answer, methods=["GET", "POST", "PUT", "OPTIONS", "DELETE"])])
    return Manners(inner, (HOST, "localhost:8000"), 8000)  # type: ignore[arg-type]


@pytest.fixture
def stranger(guarded: Manners) -> TestClient:
    return TestClient(guarded, base_url=f"http://{HOST}", follow_redirects=False)  # type: ignore[arg-type]


@pytest.fixture
def owner(guarded: Manners, stranger: TestClient) -> TestClient:
    assert stranger.get(f"/?token={guarded.token}").status_code == 303
    return stranger


def test_the_first_visit_turns_the_token_into_a_cookie(guarded: Manners, stranger: TestClient) -> None:
    assert stranger.get("/").status_code == 403
    entered = stranger.get(f"/?token={guarded.token}")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    told = entered.headers["set-cookie"]
    assert guarded.token not in told
    assert all(word in told for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert stranger.get("/").text == "GET 0"
    assert stranger.post("/x", content=b"abc", headers=ORIGIN).text == "POST 3"


def test_tokens_have_no_less_than_128_bits(guarded: Manners) -> None:
    other = Manners(guarded.app, (HOST,), 8000)
    for each in (guarded.token, guarded.secret):
        assert len(each) * 6 >= 128
    assert len({guarded.token, guarded.secret, other.token, other.secret}) == 4


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:8001", "127.0.0.1:8000.evil.example", "rebound.example:8000", ""]
)
def test_another_host_is_misdirected(owner: TestClient, host: str) -> None:
    assert owner.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", f"https://{HOST}", "http://127.0.0.1:8001", f"http://{HOST}.evil.example", ""],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_elsewhere_may_not_ask(owner: TestClient, origin: str, method: str) -> None:
    assert owner.request(method, "/api/x", headers={"origin": origin}).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd"])
def test_nor_may_a_form_or_a_link_of_theirs(owner: TestClient, site: str) -> None:
    assert owner.get("/api/x", headers={"sec-fetch-site": site}).status_code == 403
    assert owner.post("/api/x").status_code == 403  # a browser tells the origin of every POST


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"])
def test_other_methods_are_refused(owner: TestClient, method: str) -> None:
    asked = {**ORIGIN, "access-control-request-method": "POST"}
    refused = owner.request(method, "/api/x", headers=asked)
    assert refused.status_code == 403
    assert not [name for name in refused.headers if name.startswith("access-control")]


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "x-http-method", "X-Method-Override"])
def test_so_are_methods_in_other_clothes(owner: TestClient, name: str) -> None:
    assert owner.post("/api/x", headers={**ORIGIN, name: "DELETE"}).status_code == 403


@pytest.mark.parametrize(
    "cookie", ["", "deepcae-8000=", "deepcae-8000=wrong", "deepcae-8001={secret}", "deepcae={secret}"]
)
def test_a_wrong_cookie_is_none(guarded: Manners, stranger: TestClient, cookie: str) -> None:
    asked = {"cookie": cookie.format(secret=guarded.secret)}
    assert stranger.get("/api/x", headers=asked).status_code == 403


def test_a_token_opens_the_page_alone(guarded: Manners, stranger: TestClient) -> None:
    assert stranger.get(f"/api/x?token={guarded.token}").status_code == 403
    for wrong in ("", "x", guarded.token[:-1], guarded.token + "x", guarded.secret, "%00"):
        assert stranger.get(f"/?token={wrong}").status_code == 403


def test_a_body_has_an_end(owner: TestClient) -> None:
    assert owner.post("/x", content=bytes(MOST), headers=ORIGIN).text == f"POST {MOST}"
    assert owner.post("/x", content=bytes(MOST + 1), headers=ORIGIN).status_code == 413
    assert owner.post("/x", content=iter([bytes(2**20)] * 11), headers=ORIGIN).status_code == 413
    assert owner.post("/x", headers={**ORIGIN, "content-length": "-1"}).status_code == 413
    assert owner.get("/x").text == "GET 0"


@pytest.mark.parametrize("asked", [{}, {"host": "evil.example"}, {"origin": "null"}, {"cookie": "x"}])
def test_every_answer_says_what_the_page_may_load(owner: TestClient, asked: dict[str, str]) -> None:
    told = owner.get("/", headers=asked).headers
    assert told["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert told["x-content-type-options"] == "nosniff"
    assert told["x-frame-options"] == "DENY"
    assert told["referrer-policy"] == "no-referrer"
    assert told["cache-control"] == "no-store"


def test_a_refusal_is_one_sentence_of_json(stranger: TestClient) -> None:
    refused = stranger.get("/")
    assert list(json.loads(refused.text)) == ["error"]


def test_only_http_is_spoken(guarded: Manners) -> None:
    with pytest.raises(WebSocketDisconnect), TestClient(guarded).websocket_connect("/"):  # type: ignore[arg-type]
        pass
