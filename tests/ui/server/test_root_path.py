"""The page and the API behind a reverse proxy that serves them under a path."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from engine.jobs import Jobs
from engine.settings import Settings
from ui.server.root_path import RootPath
from ui.server.serve import serve


async def tell_path(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(f"{scope['path']} {scope['raw_path'].decode()}")(scope, receive, send)


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/studio/", "/"),
        ("/studio/pictures/a.png", "/pictures/a.png"),
        ("/pictures/a.png", "/pictures/a.png"),
        ("/studio/studio/x", "/studio/x"),
        ("/studios/x", "/studios/x"),
        ("/studio/sdapi/v1/options", "/sdapi/v1/options"),
    ],
)
def test_the_path_is_taken_off_wherever_it_stands(asked: str, path: str) -> None:
    assert TestClient(RootPath(tell_path, "/studio")).get(asked).text == f"{path} {path}"


def test_the_apis_own_paths_stay_where_a_proxy_takes_the_same_word_off() -> None:
    assert TestClient(RootPath(tell_path, "/easel")).get("/easel/v1/health").text.startswith("/easel/v1/health ")


def test_an_address_without_its_slash_leads_to_the_page() -> None:
    answer = TestClient(RootPath(tell_path, "/studio")).get("/studio", follow_redirects=False)
    assert answer.status_code == 307 and answer.headers["location"] == "/studio/"


@pytest.fixture(scope="module")
def behind_proxy(settings: Settings, jobs: Jobs) -> Iterator[httpx.Client]:
    with serve(settings, jobs, port=0, root_path="/studio") as studio, httpx.Client(base_url=studio.url, timeout=60) as client:
        yield client


@pytest.mark.parametrize("prefix", ["", "/studio"], ids=["a proxy that takes it off", "one that leaves it on"])
def test_page_and_api_are_found_either_way(behind_proxy: httpx.Client, prefix: str) -> None:
    page = behind_proxy.get(f"{prefix}/")
    assert page.status_code == 200 and "Easel" in page.text
    root = behind_proxy.get(f"{prefix}/config").json()["root"]
    assert root.endswith("/studio")
    assert behind_proxy.get(f"{prefix}/sdapi/v1/options").json()["sd_model_checkpoint"]
    assert json.loads(behind_proxy.get(f"{prefix}/openapi.json").text)["servers"] == [{"url": "/studio"}]
    made = behind_proxy.post(f"{prefix}/v1/images/generations", json={"prompt": "a cat", "response_format": "url"}).json()
    assert httpx.URL(made["data"][0]["url"]).path.startswith("/studio/easel/v1/jobs/")
    assert behind_proxy.get(made["data"][0]["url"]).status_code == 200
