"""What Easel knows of Gradio's addresses: each test names what an upgrade has broken."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from engine.jobs import Jobs
from engine.settings import Settings
from ui.compat import addresses
from ui.server import scripts
from ui.server.serve import serve


@pytest.fixture(scope="module")
def client(settings: Settings, jobs: Jobs) -> Iterator[httpx.Client]:
    with serve(settings, jobs, port=0) as studio, httpx.Client(base_url=studio.url, timeout=60) as opened:
        yield opened


def test_the_page_hears_its_listeners_where_easel_carries_them(client: httpx.Client) -> None:
    answer = client.get(addresses.QUEUE, params={"session_hash": "gone"})
    assert answer.headers["content-type"].startswith("text/event-stream"), "Gradio serves events elsewhere: QUEUE"


def test_the_heartbeat_is_where_easel_carries_it(client: httpx.Client) -> None:
    with client.stream("GET", f"{addresses.HEARTBEAT}abc") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream"), "Gradio's heartbeat is elsewhere: HEARTBEAT"


def test_uploads_come_back_where_easel_makes_them_downloads(client: httpx.Client) -> None:
    (path,) = client.post("/gradio_api/upload", files={"files": ("x.txt", b"x")}).json()
    found = [road for road in addresses.FILES if client.get(f"{road}={path}".replace("==", "=")).status_code == 200]
    assert found, "Gradio serves uploads elsewhere: FILES"


def test_the_page_has_one_head_that_easel_puts_its_script_into(client: httpx.Client) -> None:
    page = client.get("/").content
    assert page.count(addresses.PAGE_HEAD) == 1, "Gradio's page begins otherwise: PAGE_HEAD"
    first = page.split(addresses.PAGE_HEAD)[1].lstrip()
    assert first.startswith(b"<script"), "Easel's script is not the first in the page"


def test_the_script_in_the_browser_carries_the_same_addresses() -> None:
    script = scripts.read_scripts()["server/websockets.js"].decode().replace("\\/", "/")
    for address in (addresses.QUEUE, addresses.HEARTBEAT):
        assert address.removeprefix("/gradio_api/").rstrip("/") in script, f"websockets.js does not know {address}"
