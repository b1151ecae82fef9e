"""Requests that do not come on are ended, and too many connections are one line in the log."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from ui.compat import connections
from ui.compat.connections import PatientProtocol, PatientServer, Room

HEAD = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"


async def read_body(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())} bytes")


async def listen(socket: WebSocket) -> None:
    await socket.accept()
    while True:
        await socket.receive_text()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A small page whose patience is a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "PATIENCE", 0.3)
        app = Starlette(routes=[Route("/", read_body, methods=["GET", "POST"]), WebSocketRoute("/ws", listen)])
        config = uvicorn.Config(app, http=PatientProtocol, log_level="error", ws_ping_interval=0.2, ws_ping_timeout=0.2)
        server = PatientServer(config)
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(30)
        listener.close()


def connect(port: int, sent: str = "") -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=60)
    opened.sendall(sent.encode())
    return opened


def read_all(opened: socket.socket) -> bytes:
    """Until the other end closes the connection."""
    said = b""
    try:
        while piece := opened.recv(4096):
            said += piece
    except ConnectionResetError:
        pass
    return said


def drip(opened: socket.socket, text: str) -> None:
    """One byte after the other, until nobody takes them any more."""
    pause = threading.Event()
    try:
        for _ in range(10_000):
            opened.sendall(text.encode())
            pause.wait(0.02)
    except OSError:
        return


@pytest.mark.parametrize("sent", ["", "GET", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", HEAD, HEAD + "some"])
def test_half_a_request_is_ended(port: int, sent: str) -> None:
    with connect(port, sent) as opened:
        said = read_all(opened)
    assert said.startswith(b"HTTP/1.1 408") if sent else said == b""


@pytest.mark.parametrize(("start", "more"), [("GET / HTTP/1.1\r\n", "X: y\r\n"), (HEAD.replace("100", "1000000"), "x")])
def test_one_that_drips_is_ended_as_well(port: int, start: str, more: str) -> None:
    with connect(port, start) as opened:
        dripping = threading.Thread(target=drip, args=(opened, more), daemon=True)
        dripping.start()
        assert read_all(opened).startswith((b"HTTP/1.1 408", b""))
        with contextlib.suppress(OSError):  # it was reset
            opened.shutdown(socket.SHUT_RDWR)
        dripping.join(60)


def test_a_whole_request_is_answered_and_an_idle_connection_closed_without_a_word(port: int) -> None:
    with connect(port, HEAD + "x" * 100) as opened:
        said = read_all(opened)
    assert said.startswith(b"HTTP/1.1 200") and said.endswith(b"100 bytes")


def test_a_body_that_comes_on_may_take_its_time(port: int) -> None:
    size, pause = 40, threading.Event()
    with connect(port, HEAD.replace("100", str(size * connections.LEAST_BODY))) as opened:
        for _ in range(size):
            opened.sendall(bytes(connections.LEAST_BODY))
            pause.wait(0.03)
        assert opened.recv(12) == b"HTTP/1.1 200"


def test_a_websocket_whose_other_end_is_silent_is_ended(port: int) -> None:
    upgrade = (
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with connect(port, upgrade) as opened:
        assert b" 101 " in read_all(opened)


def test_connections_over_the_bound_are_turned_away_and_let_in_again(
    port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 60.0)
    monkeypatch.setattr(PatientProtocol, "room", Room(5))
    kept = [connect(port) for _ in range(5)]
    turned_away = [connect(port) for _ in range(40)]
    for opened in turned_away:
        assert read_all(opened).startswith((b"HTTP/1.1 503", b""))
        opened.close()
    for opened in kept:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        opened.close()
    while True:  # until the other end has heard of it
        with connect(port, HEAD + "x" * 100) as opened:
            try:
                if opened.recv(12) == b"HTTP/1.1 200":
                    break
            except ConnectionResetError:
                continue
    assert capfd.readouterr().out.count("ulimit -n") == 1


@pytest.mark.parametrize(("number", "lines"), [(errno.EMFILE, 1), (errno.ENFILE, 1), (errno.EACCES, 0)])
def test_what_could_not_be_accepted_is_one_line(number: int, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    loop = asyncio.new_event_loop()
    others: list[dict[str, object]] = []
    loop.set_exception_handler(lambda loop, context: others.append(context))
    Room(5).watch(loop)
    for _ in range(100):
        loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": OSError(number, "no")})
    loop.close()
    assert capsys.readouterr().out.count("\n") == lines and len(others) == (0 if lines else 100)
