"""Scripts over HTTP: each as it is, kept by browsers until one of them changes, and nothing else of the folder."""

from __future__ import annotations

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.server import scripts


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=[scripts.create_route()]))


def test_every_script_is_served_as_a_module_that_may_be_kept(client: TestClient) -> None:
    for name, content in scripts.read_scripts().items():
        answer = client.get(f"/{scripts.locate(name)}")
        assert answer.content == content
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]


def test_a_page_of_an_older_version_gets_todays_script_and_does_not_keep_it(client: TestClient) -> None:
    assert client.get(f"/scripts/0/{scripts.ENTRY}").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["style.css", "interface.py", "../app.py", "%2e%2e/app.py", "", "page.js/"])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/scripts/{scripts.compute_version()}/{name}").status_code == 404


def test_the_head_loads_the_entry_and_only_what_exists() -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', scripts.render_head())
    assert scripts.locate(scripts.ENTRY) in named
    assert set(named) <= {scripts.locate(name) for name in scripts.read_scripts()}
