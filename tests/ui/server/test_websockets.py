"""Endless answers over real WebSockets, behind the door."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from wsproto import ConnectionType, WSConnection, events

from tests.ui.server.test_request_guard import Served
from ui.server.request_guard import RequestGuard
from ui.server.websockets import ENDLESS, PAGES, Streams

gone = threading.Event()


async def endless(request: Request) -> Response:
    """Says what it was asked for, then nothing more; notices when its asker goes. Breaks off for an unknown session."""

    async def say() -> AsyncIterator[str]:
        try:
            yield f"data: {request.query_params['session_hash']}\n\n"
            if request.query_params["session_hash"] == "unknown":
                raise HTTPException(404)
            await asyncio.sleep(600)
        finally:
            gone.set()

    return StreamingResponse(say(), media_type="text/event-stream")


async def short(request: Request) -> Response:
    return PlainTextResponse("no such session", status_code=404)


async def front(request: Request) -> Response:
    return HTMLResponse("<html><head><script>own</script></head></html>")


class Streaming(Served):
    """A page with an endless answer, behind streams and door."""

    def __init__(self) -> None:
        routes = [Route("/", front), Route(ENDLESS[0], endless), Route(ENDLESS[1] + "{session}", short), Route("/other", front)]
        self._server = uvicorn.Server(uvicorn.Config(RequestGuard(Streams(Starlette(routes=routes))), log_level="error"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True)


@pytest.fixture(scope="module")
def page() -> Iterator[Streaming]:
    with Streaming() as served:
        yield served


def heard(port: int, path: str, wanted: int, **headers: str) -> list[events.Event]:
    """What a WebSocket to ``path`` hears, the first ``wanted`` things."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        end = WSConnection(ConnectionType.CLIENT)
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        wire.sendall(end.send(events.Request(host=f"127.0.0.1:{port}", target=path, extra_headers=extra)))
        found: list[events.Event] = []
        while len(found) < wanted and (piece := wire.recv(1 << 16)):
            end.receive_data(piece)
            found += end.events()
        return found


def test_an_endless_answer_is_carried_and_ends_with_its_asker(page: Streaming) -> None:
    gone.clear()
    accepted, status, body = heard(page.port, f"{ENDLESS[0]}?session_hash=abc", 3, Origin=f"http://127.0.0.1:{page.port}")
    assert isinstance(accepted, events.AcceptConnection)
    assert isinstance(status, events.TextMessage) and status.data == "200"
    assert isinstance(body, events.BytesMessage) and bytes(body.data) == b"data: abc\n\n"
    assert gone.wait(30), "the answer goes on though nobody listens"


def test_an_answer_that_ends_closes_the_socket_with_its_status(page: Streaming) -> None:
    _, status, body, closed = heard(page.port, f"{ENDLESS[1]}abc", 4)
    assert isinstance(status, events.TextMessage) and status.data == "404"
    assert isinstance(body, events.BytesMessage) and bytes(body.data) == b"no such session"
    assert isinstance(closed, events.CloseConnection) and closed.code == 1000


def test_an_answer_to_a_page_that_is_being_left_ends_properly(page: Streaming) -> None:
    _, _, body, closed = heard(page.port, f"{ENDLESS[0]}?session_hash=unknown", 4)
    assert isinstance(body, events.BytesMessage) and bytes(body.data) == b"data: unknown\n\n"
    assert isinstance(closed, events.CloseConnection) and closed.code == 1000


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_page_elsewhere_hears_nothing(page: Streaming, origin: str) -> None:
    refused = heard(page.port, f"{ENDLESS[0]}?session_hash=abc", 1, Origin=origin)[0]
    assert isinstance(refused, events.RejectConnection) and refused.status_code == 403


@pytest.mark.parametrize("path", ["/", "/other", "/gradio_api/queue/join", "/pictures/a.png"])
def test_nothing_else_is_carried(page: Streaming, path: str) -> None:
    refused = heard(page.port, path, 1)[0]
    assert isinstance(refused, events.RejectConnection) and refused.status_code == 403


def test_the_script_is_the_first_thing_in_the_page(page: Streaming) -> None:
    status, body, headers = page.ask("/")
    assert status == 200 and body.startswith(b'<html><head><script type="module">')
    assert body.endswith(b"<script>own</script></head></html>")
    assert int(headers["content-length"]) == len(body)
    _, small, zipped = page.ask("/", Accept_Encoding="gzip, br")
    assert zipped["content-encoding"] == "gzip" and gzip.decompress(small) == body and int(zipped["content-length"]) == len(small)
    assert b'type="module"' not in page.ask("/other")[1]


def test_the_page_is_made_once_for_each_address_under_which_it_is_asked_for() -> None:
    made: list[str] = []

    async def name(request: Request) -> Response:
        made.append(request.headers.get("x-forwarded-host", request.headers["host"]))
        status = 503 if "busy" in request.query_params else 200
        return HTMLResponse(f"<html><head>{made[-1]} {len(made)}</head></html>", status_code=status)

    client = TestClient(Streams(Starlette(routes=[Route("/", name)])), base_url="http://127.0.0.1")
    asked: list[tuple[dict[str, str], str]] = [
        ({}, ""), ({"Host": "my-computer:7860"}, ""), ({"X-Forwarded-Host": "a.example"}, ""),
        ({"X-Forwarded-Host": "a.example", "X-Forwarded-Proto": "https"}, ""), ({"Accept-Encoding": "identity"}, ""),
        ({}, "?tab=2"),
    ]  # fmt: skip
    first = [client.get(f"/{query}", headers=headers) for headers, query in asked]
    again = [client.get(f"/{query}", headers=headers) for headers, query in asked]
    assert len(made) == len(asked) and [each.text for each in first] == [each.text for each in again]
    assert [each.headers for each in first] == [each.headers for each in again]
    assert [client.get("/?busy").status_code for _ in range(2)] == [503, 503] and len(made) == len(asked) + 2
    for number in range(2 * PAGES):
        assert f"{number}.example" in client.get("/", headers={"Host": f"{number}.example"}).text
    assert f"127.0.0.1 {len(made) + 1}<" in client.get("/").text, "only so many are kept"
