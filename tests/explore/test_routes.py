"""What the page can ask for: each answer against the net itself."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explore.asked import unpacked

pytest.importorskip("httpx2")
pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from deepcae.explore.app import make_app
from deepcae.explore.subject import Subject
from deepcae.solver.run import Run
from deepcae.trained.network import Trained
from deepcae.trained.passes import decoded, layer_by_layer

ROWS = 400


@pytest.fixture(scope="module")
def subject(digits_run: Path) -> Iterator[Subject]:
    made = Subject(lambda snapshot: Trained.of_run(Run(digits_run), snapshot=snapshot))
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(subject: Subject) -> TestClient:
    return TestClient(make_app(subject))


def ask(client: TestClient, path: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    answered = client.get(path)
    assert answered.status_code == 200, answered.text
    return unpacked(answered.content)


def test_what_is_told_first(client: TestClient) -> None:
    told = client.get("/api/about").json()
    assert told["count"] == ROWS
    assert told["code"] == {"blob": "ip2encode", "dims": 2}
    assert told["image"] == {"shape": [1, 28, 28], "kind": "image", "low": 0.0, "high": 1.0}
    assert [each["iteration"] for each in told["snapshots"]] == [30, 60]
    assert told["iteration"] == 60
    assert told["columns"][0] == {"name": "class", "kind": "classes", "names": list("0123456789")}
    assert {"error", "code 1", "code 2", "mean of conv1"} <= {each["name"] for each in told["columns"]}
    assert told["maps"][0]["name"] == "code"
    assert told["path"][0]["blob"] == "data"
    assert told["restores"]
    assert told["decodes"]


def test_points_are_the_codes(client: TestClient, subject: Subject) -> None:
    header, arrays = ask(client, "/api/points?map=code")
    np.testing.assert_array_equal(arrays["xy"], subject.looked.codes)
    assert header["axes"] == ["code 1", "code 2"]
    _, swapped = ask(client, "/api/points?map=dims&x=1&y=0")
    np.testing.assert_array_equal(swapped["xy"], subject.looked.codes[:, ::-1])


def test_a_slow_map_is_asked_for_again(client: TestClient) -> None:
    answered = client.get("/api/points?map=tsne")
    assert answered.status_code == 202
    assert answered.json() == {"state": "computing"}
    for _ in range(600):
        answered = client.get("/api/points?map=tsne")
        if answered.status_code == 200:
            break
        time.sleep(0.1)
    assert unpacked(answered.content)[1]["xy"].shape == (ROWS, 2)


def test_columns(client: TestClient, subject: Subject) -> None:
    header, arrays = ask(client, "/api/column?name=class")
    labels = np.array([int(header["names"][place]) for place in arrays["values"]])
    np.testing.assert_array_equal(labels, subject.looked.material.labels)  # type: ignore[arg-type]
    _, arrays = ask(client, "/api/column?name=error")
    np.testing.assert_allclose(arrays["values"], subject.looked.material.errors)  # type: ignore[arg-type]
    _, arrays = ask(client, "/api/column?name=code 2")
    np.testing.assert_allclose(arrays["values"], subject.looked.codes[:, 1])
    _, arrays = ask(client, "/api/column?name=mean of conv1")
    way = dict(layer_by_layer(subject.looked.trained, subject.looked.examples, 7))
    assert arrays["values"][7] == pytest.approx(way["conv1"].mean(), rel=1e-4)


def test_an_image_and_what_is_restored_of_it(client: TestClient, subject: Subject) -> None:
    header, arrays = ask(client, "/api/image?row=11")
    wanted, labels = subject.looked.examples.pick(np.array([11]))
    np.testing.assert_array_equal(arrays["image"], wanted[0])
    assert header["label"] == int(np.asarray(labels).item())
    half = 0.5 * np.square(arrays["image"] - arrays["restored"]).sum()
    assert header["error"] == pytest.approx(half, rel=1e-4)
    assert header["columns"]["error"] == pytest.approx(half, rel=1e-4)


def test_small_pictures_come_in_the_order_that_is_asked_for(client: TestClient) -> None:
    _, one = unpacked(client.post("/api/images", json={"rows": [5], "side": 16}).content)
    _, many = unpacked(client.post("/api/images", json={"rows": [9, 5, 9], "side": 16}).content)
    assert many["pictures"].shape == (3, 16, 16, 3)
    np.testing.assert_array_equal(many["pictures"][1], one["pictures"][0])
    np.testing.assert_array_equal(many["pictures"][0], many["pictures"][2])


def test_a_mean(client: TestClient, subject: Subject) -> None:
    rows = list(range(0, ROWS, 3))
    header, arrays = unpacked(client.post("/api/mean", json={"rows": rows}).content)
    images = subject.looked.examples.pick(np.array(rows))[0]
    np.testing.assert_allclose(arrays["image"], images.mean(axis=0), rtol=1e-5, atol=1e-6)
    assert header["count"] == len(rows)


def test_all_layers_of_an_image_and_of_a_drawing_alike(client: TestClient, subject: Subject) -> None:
    header, arrays = ask(client, "/api/layers?row=3")
    way = layer_by_layer(subject.looked.trained, subject.looked.examples, 3)
    assert [each["blob"] for each in header["blobs"]] == [name for name, _ in way]
    for told, (_, values) in zip(header["blobs"], way, strict=True):
        assert told["shape"] == list(values.shape)
        assert told["max"] == pytest.approx(float(values.max()))
        assert sum(told["histogram"]["counts"]) == values.size
        if not told["reduced"]:
            np.testing.assert_array_equal(arrays[told["array"]].reshape(-1), values.reshape(-1))
    image = subject.looked.examples.one(3)[0].astype("<f4")
    drawn, same = unpacked(client.post("/api/layers", content=image.tobytes()).content)
    assert drawn["blobs"] == header["blobs"]
    np.testing.assert_array_equal(same["0"], arrays["0"])


def test_decoding_is_the_net_s(client: TestClient, subject: Subject) -> None:
    codes = subject.looked.codes[:3].astype("<f4")
    _, arrays = unpacked(client.post("/api/decode", content=codes.tobytes()).content)
    trained = subject.looked.trained
    wanted = trained.as_images(decoded(trained, codes, trained.code, trained.restored))
    np.testing.assert_allclose(arrays["restored"], wanted, atol=1e-6)


def test_directions_are_those_in_which_codes_vary(client: TestClient, subject: Subject) -> None:
    _, arrays = ask(client, "/api/directions")
    codes = subject.looked.codes.astype(np.float64)
    np.testing.assert_allclose(arrays["axes"] @ arrays["axes"].T, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(
        ((codes - codes.mean(axis=0)) @ arrays["axes"].T).std(axis=0), arrays["spread"], rtol=1e-4
    )
    assert arrays["spread"][0] >= arrays["spread"][1]


def test_neighbours_are_the_nearest(client: TestClient, subject: Subject) -> None:
    told = client.get("/api/neighbours?row=4&most=5").json()
    apart = np.linalg.norm(subject.looked.codes - subject.looked.codes[4], axis=1)
    apart[4] = np.inf
    assert told["rows"] == np.argsort(apart, kind="stable")[:5].tolist()
    np.testing.assert_allclose(told["distances"], np.sort(apart)[:5], rtol=1e-4)


def test_the_nearest_of_any_code(client: TestClient, subject: Subject) -> None:
    codes = subject.looked.codes
    code = (codes[4] + codes[5]) / 2
    told = client.post("/api/nearest", content=code.astype("<f4").tobytes()).json()
    apart = np.linalg.norm(codes - code, axis=1)
    assert told["rows"] == np.argsort(apart, kind="stable")[:6].tolist()
    np.testing.assert_allclose(told["distances"], np.sort(apart)[:6], rtol=1e-4)
    between = np.linalg.norm(codes[:, None] - codes[None], axis=2) + np.where(np.eye(len(codes)), np.inf, 0)
    assert told["usual"] == pytest.approx(np.median(between.min(axis=1)), rel=0.1)  # of half as many images


def test_a_unit_s_best_images_excite_it_most(client: TestClient, subject: Subject) -> None:
    header, arrays = ask(client, "/api/unit?blob=conv1&map=1")
    looked = subject.looked
    np.testing.assert_array_equal(arrays["filter"], looked.trained.net.params["conv1"][0][1].detach().numpy())
    ways = [dict(layer_by_layer(looked.trained, looked.examples, row))["conv1"][1] for row in range(60)]
    greatest = max(float(way.max()) for way in ways)
    values = [each["value"] for each in header["best"]]
    assert values == sorted(values, reverse=True)
    assert values[0] >= greatest - 1e-5
    first = header["best"][0]
    way = dict(layer_by_layer(looked.trained, looked.examples, first["row"]))["conv1"][1]
    assert way[tuple(first["place"])] == pytest.approx(first["value"], abs=1e-5)
    assert first["patch"][2:] <= list(arrays["filter"].shape[1:])


def test_a_search_finds_classes_and_numbers(client: TestClient, subject: Subject) -> None:
    labels = subject.looked.material.labels
    found = client.get("/api/search?text=7").json()
    wanted = np.flatnonzero(np.asarray(labels) == 7).tolist()
    assert found["rows"][: len(wanted)] == wanted
    assert 7 in found["rows"]
    assert client.get("/api/search?text=nothing").json() == {"rows": [], "total": 0}


def test_a_selection_can_be_taken_away(client: TestClient, subject: Subject) -> None:
    rows = [3, 1, 4]
    text = client.post("/api/export", json={"rows": rows, "kind": "csv"}).text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [int(line["row"]) for line in lines] == rows
    assert float(lines[0]["code_1"]) == pytest.approx(float(subject.looked.codes[3, 0]), rel=1e-6)
    held = np.load(io.BytesIO(client.post("/api/export", json={"rows": rows, "kind": "npz"}).content))
    np.testing.assert_array_equal(held["codes"], subject.looked.codes[rows])
    np.testing.assert_array_equal(held["images"], subject.looked.examples.pick(np.array(rows))[0])
    sheet = Image.open(io.BytesIO(client.post("/api/export", json={"rows": rows, "kind": "sheet"}).content))
    assert sheet.size[0] > 2 * 64


def test_other_weights(client: TestClient) -> None:
    before = ask(client, "/api/points?map=code")[1]["xy"]
    assert client.post("/api/show", json={"iteration": 30}).json()["iteration"] == 30
    assert not np.array_equal(ask(client, "/api/points?map=code")[1]["xy"], before)
    assert client.post("/api/show", json={"iteration": 31}).status_code == 400
    assert client.get("/api/about").json()["iteration"] == 30
    assert client.post("/api/show", json={"iteration": "last"}).json()["iteration"] == 60
    np.testing.assert_array_equal(ask(client, "/api/points?map=code")[1]["xy"], before)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/image?row=400", 404), ("/api/image?row=-1", 404), ("/api/image?row=x", 400), ("/api/image", 400),
        ("/api/column?name=nothing", 404), ("/api/column?name=code 3", 404), ("/api/column?name=code 99999999999", 404),
        ("/api/points?map=nothing", 404), ("/api/points?map=dims&x=0&y=2", 404),
        ("/api/map?row=0&blob=conv1&map=99", 404), ("/api/map?row=0&blob=nothing&map=0", 404),
        ("/api/unit?blob=nothing&map=0", 404), ("/api/unit?blob=conv1&map=-1", 404), ("/api/nothing", 404),
        ("/static/../app.py", 404), ("/static/%2e%2e/app.py", 404),
    ],
)  # fmt: skip
def test_what_is_not_there_is_one_sentence(client: TestClient, path: str, status: int) -> None:
    answered = client.get(path)
    assert answered.status_code == status
    assert list(answered.json()) == ["error"]
    assert "\n" not in answered.json()["error"]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/api/images", {"json": {"rows": []}}), ("/api/images", {"json": {"rows": [0] * 2001}}),
        ("/api/images", {"json": {"rows": [0], "side": 4000}}), ("/api/images", {"json": {"rows": "x"}}),
        ("/api/images", {"content": b"{"}), ("/api/mean", {"json": {"rows": []}}),
        ("/api/layers", {"content": b"1234"}), ("/api/layers", {"content": np.full(784, np.nan, "<f4").tobytes()}),
        ("/api/decode", {"content": b""}), ("/api/decode", {"content": bytes(4 * 3)}),
        ("/api/decode", {"content": bytes(8 * 1025)}),
        ("/api/decode", {"content": np.full(2, np.inf, "<f4").tobytes()}),
        ("/api/nearest", {"content": b""}), ("/api/nearest", {"content": bytes(4 * 4)}),
        ("/api/nearest", {"content": np.full(2, np.nan, "<f4").tobytes()}),
        ("/api/export", {"json": {"rows": [1], "kind": "pickle"}}),
        ("/api/export", {"json": {"rows": [], "kind": "csv"}}),
    ],
)  # fmt: skip
def test_a_wrong_question_is_told(client: TestClient, path: str, sent: dict[str, Any]) -> None:
    answered = client.post(path, **sent)
    assert answered.status_code == 400
    assert list(answered.json()) == ["error"]


def test_health_names_the_layer_whose_weights_are_lost(subject: Subject, client: TestClient) -> None:
    assert client.get("/api/health").json()["findings"] == []
    tensor = subject.looked.trained.net.params["conv2"][0].data
    before = tensor.clone()
    subject.looked.kept.pop("health", None)
    try:
        tensor.view(-1)[0] = float("nan")
        (found,) = client.get("/api/health").json()["findings"]
        assert (found["kind"], found["layer"]) == ("not_finite", "conv2")
        assert "1 values that are not finite" in found["message"]
    finally:
        tensor.copy_(before)
        subject.looked.kept.pop("health", None)
