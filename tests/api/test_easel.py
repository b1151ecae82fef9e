"""Easel's own routes over real HTTP."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from api.application import create_application, find_path
from api.context import API_PAGE, create_context
from engine.records import metadata
from engine.requests import TextToImage, to_json
from engine.testing import GO_ON
from tests.api.images import PICTURE
from tests.api.serving import PAGE, Served, serve_api

SCHEMA = Path(__file__).parents[2] / "docs" / "openapi.json"
ASKED = {"kind": "text_to_image", "prompt": "a cat", "seed": 4, "count": 2}


def submit(client: httpx.Client, asked: object = ASKED, **headers: str) -> str:
    answer = client.post("/easel/v1/jobs", json=asked, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def read_events(client: httpx.Client, job: str, since: str = "") -> list[dict[str, str]]:
    """Each event's id, name and data."""
    headers = {"Last-Event-ID": since} if since else {}
    with client.stream("GET", f"/easel/v1/jobs/{job}/events", headers=headers) as answer:
        text = "".join(answer.iter_text())
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def test_a_job_is_followed_to_its_pictures_which_hold_their_record(client: httpx.Client, served: Served) -> None:
    job = submit(client)
    names = [event["event"] for event in read_events(client, job)]
    assert names[0] == "queued" and names[-1] == "finished" and names.count("image") == 2
    state = client.get(f"/easel/v1/jobs/{job}").json()
    assert state["state"] == "finished" and [image["seed"] for image in state["images"]] == [4, 5]
    record = metadata.read(client.get(state["images"][1]["url"]).content)
    assert record is not None and record.job == job and record.resolved.request.prompt == "a cat"
    assert served.jobs.state(job).page == API_PAGE
    assert client.get("/easel/v1/jobs", params={"state": "finished"}).json()[0]["id"] == job
    again = submit(client, state["request"])
    assert read_events(client, again)[-1]["event"] == "finished"


def test_a_lost_stream_goes_on_after_what_was_received(client: httpx.Client) -> None:
    job = submit(client, {**ASKED, "prompt": "script: notice"})
    kept = [event for event in read_events(client, job) if event["event"] not in ("queued", "step", "loading")]
    names = [event["event"] for event in kept]
    assert names == ["started", "notice", "image", "image", "finished"]
    for index, event in enumerate(kept[:-1]):
        assert [each["event"] for each in read_events(client, job, event["id"])] == names[index + 1 :]
    assert [each["event"] for each in read_events(client, job, "nonsense")] == ["queued", *names]


def test_the_same_key_gives_the_same_job_also_after_a_restart(tmp_path: Path) -> None:
    with serve_api(tmp_path) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        open_seed = {"kind": "text_to_image", "prompt": "a cat"}
        job = submit(client, open_seed, **{"Idempotency-Key": "k"})
        assert submit(client, open_seed, **{"Idempotency-Key": "k"}) == job
        assert submit(client, open_seed, **{"Idempotency-Key": "other"}) != job
        other = client.post("/easel/v1/jobs", json=ASKED, headers={"Idempotency-Key": "k"})
        assert other.status_code == 422 and "key" in other.json()["error"]["message"]
    with serve_api(tmp_path) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        assert submit(client, open_seed, **{"Idempotency-Key": "k"}) == job


def test_a_client_that_goes_away_leaves_its_job_alone(client: httpx.Client, served: Served) -> None:
    job = submit(client, {"kind": "text_to_image", "prompt": "script: wait"})
    with pytest.raises(httpx.ReadTimeout), client.stream("GET", f"/easel/v1/jobs/{job}/events", timeout=2) as answer:
        list(answer.iter_text())
    (served.settings.data / GO_ON).touch()
    assert read_events(client, job)[-1]["event"] == "finished"
    (served.settings.data / GO_ON).unlink()


def test_a_job_is_stopped_and_started_again(client: httpx.Client) -> None:
    job = submit(client, {"kind": "text_to_image", "prompt": "script: wait", "seed": 9})
    client.delete(f"/easel/v1/jobs/{job}")
    assert read_events(client, job)[-1]["event"] == "cancelled"
    again = client.post(f"/easel/v1/jobs/{job}/retry").json()
    assert again["id"] != job and again["request"]["seed"] == 9
    client.delete(f"/easel/v1/jobs/{again['id']}")


def test_an_uploaded_picture_is_an_input(client: httpx.Client) -> None:
    stored = client.post("/easel/v1/images", content=PICTURE).json()
    assert (stored["width"], stored["height"]) == (32, 24)
    job = submit(client, {"kind": "image_to_image", "init_image": stored["image"], "prompt": "x"})
    assert read_events(client, job)[-1]["event"] == "finished"
    assert client.post("/easel/v1/images", content=b"no picture").status_code == 422


def test_a_plan_decides_every_field_and_makes_nothing(client: httpx.Client, served: Served) -> None:
    before = len(served.jobs.jobs())
    plan = client.post("/easel/v1/plan", json=to_json(TextToImage(prompt="x"))).json()
    assert plan["resolved"]["request"]["steps"] and len(served.jobs.jobs()) == before
    assert client.post("/easel/v1/plan", json={"kind": "text_to_image", "steps": 0}).status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"kind": "none such"}, 422),
        ({"kind": "text_to_image", "steps": "many"}, 422),
        ({"kind": "text_to_image", "checkpoint": "/etc/passwd"}, 404),
        ({"kind": "text_to_image", "checkpoint": "none such"}, 404),
        ({"kind": "upscale", "images": []}, 422),
        ({"kind": "image_to_image", "init_image": "x", "draft": True}, 422),
        ([1], 422),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(client: httpx.Client, body: object, status: int) -> None:
    answer = client.post("/easel/v1/jobs", json=body)
    assert answer.status_code == status and len(answer.json()["error"]["message"]) > 10
    assert client.get("/easel/v1/jobs/none").status_code == 404


def test_health_models_and_the_rest_of_the_addresses(client: httpx.Client) -> None:
    assert client.get("/easel/v1/health").json()["status"] == "ok"
    found = client.get("/easel/v1/models").json()
    assert "starter" in [model["name"] for model in found["models"]] and "Euler" in found["samplers"]
    assert client.get("/").text == PAGE and client.get("/gradio_api/info").text == PAGE
    assert find_path("/sdapi/v1/options/") == "/sdapi/v1/options" and find_path("/pictures/a.png") is None


def test_the_description_that_is_checked_in_is_that_of_the_code(served: Served) -> None:
    """To renew it: python -m api.description"""
    app = create_application(create_context(served.settings, served.jobs))
    assert json.loads(SCHEMA.read_text("utf-8")) == json.loads(json.dumps(app.openapi()))


def test_the_documentation_asks_no_other_computer(client: httpx.Client) -> None:
    page = client.get("/docs").text
    asked = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(asked) == 3 and not [address for address in asked if ":" in address or address.startswith("/")]
    for name in asked:
        assert client.get(f"/{name}").status_code == 200
    assert client.get("/docs-files/%2e%2e/__init__.py").status_code == 404
