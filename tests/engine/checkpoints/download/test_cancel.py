"""Cancel and Pause are heard wherever a connection hangs, long before its own timeouts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath

import pytest

from engine.checkpoints.download import background
from engine.checkpoints.download.background import DownloadManager
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.plan import DownloadPlan, PlannedFile
from engine.checkpoints.download.sources import DownloadSource
from tests.engine.checkpoints.download.conftest import NAME, until

Serve = Callable[[socket.socket, threading.Event], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"


def hang(connected: socket.socket, over: threading.Event) -> None:
    """Say nothing."""
    over.wait(60)


def dribble_head(connected: socket.socket, over: threading.Event) -> None:
    """Send a header without an end, byte by byte."""
    connected.sendall(HEAD + b"X-Slow: ")
    while not over.wait(0.05):
        connected.sendall(b"x")


def continue_for_ever(connected: socket.socket, over: threading.Event) -> None:
    """Promise the answer again and again."""
    while not over.wait(0.01):
        connected.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def hang_in_body(connected: socket.socket, over: threading.Event) -> None:
    """Send a part of the body, and nothing more."""
    connected.sendall(HEAD + b"\r\nabc")
    over.wait(60)


def dribble_body(connected: socket.socket, over: threading.Event) -> None:
    """Send the body byte by byte."""
    connected.sendall(HEAD + b"\r\n")
    while not over.wait(0.05):
        connected.sendall(b"x")


HANGING: Mapping[str, tuple[str, Serve]] = {
    "head": ("http", hang),
    "head, byte by byte": ("http", dribble_head),
    "endless promises": ("http", continue_for_ever),
    "body": ("http", hang_in_body),
    "body, byte by byte": ("http", dribble_body),
    "TLS handshake": ("https", hang),
    "proxy": ("http", hang),
    "tunnel through a proxy": ("https", hang),
}


class Line:
    """A server that does one thing with each connection. ``reached`` is set when somebody connects, ``left`` when they leave."""

    def __init__(self, serve: Serve) -> None:
        self.reached, self.left, self._over, self._serve = threading.Event(), threading.Event(), threading.Event(), serve
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Let go of everything."""
        self._over.set()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connected, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=(connected,), daemon=True).start()

    def _answer(self, connected: socket.socket) -> None:
        with connected, suppress(OSError):
            self.reached.set()
            threading.Thread(target=self._watch, args=(connected,), daemon=True).start()
            self._serve(connected, self._over)

    def _watch(self, connected: socket.socket) -> None:
        with suppress(OSError):
            while connected.recv(4096):
                pass
        self.left.set()


@pytest.fixture(params=HANGING.items(), ids=list(HANGING))
def hanging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Line]]:
    """The link of a line that hangs."""
    name, (scheme, serve) = request.param
    with closing(Line(serve)) as line:
        if "proxy" in name:
            for variable in ("http_proxy", "https_proxy"):
                monkeypatch.setenv(variable, f"http://127.0.0.1:{line.port}")
            monkeypatch.setenv("no_proxy", "")
        yield f"{scheme}://127.0.0.1:{line.port}/{NAME}", line


def plan(link: str) -> DownloadPlan:
    """One file behind ``link``."""
    return DownloadPlan(name=NAME, files={PurePosixPath(): PlannedFile(DownloadSource(link=link), 0, "")})


def allow_all(link: str) -> Callable[..., DownloadPlan]:
    """A look that finds ``link`` at once, and agrees to its host."""

    def look(source: DownloadSource, *, control: Control) -> DownloadPlan:
        control.allow([("127.0.0.1", int(link.split(":")[2].split("/")[0]))])
        return plan(link)

    return look


def test_cancel_is_heard_while_a_download_hangs(hanging: tuple[str, Line], tmp_path: Path) -> None:
    link, line = hanging
    known = DownloadManager(tmp_path, allow_all(link))
    number = known.ask([DownloadSource(link=link)], "A thing")
    until(known, background.OFFERED)
    known.start(number)
    assert line.reached.wait(20)
    known.cancel(number)
    until(known, background.CANCELLED)
    assert not known.busy and not list(tmp_path.iterdir()), "a part that cannot be resumed is removed"


def test_pause_is_heard_while_a_download_hangs(hanging: tuple[str, Line], tmp_path: Path) -> None:
    link, line = hanging
    known = DownloadManager(tmp_path, allow_all(link))
    number = known.ask([DownloadSource(link=link)], "A thing")
    until(known, background.OFFERED)
    known.start(number)
    assert line.reached.wait(20)
    known.pause(number)
    assert line.left.wait(20)
    line.reached.clear()
    known.start(number)
    assert line.reached.wait(20), "it connects again"
    known.cancel(number)
    until(known, background.CANCELLED)


def test_cancel_ends_the_question_to_a_source_that_hangs(hanging: tuple[str, Line], tmp_path: Path) -> None:
    link, line = hanging
    known = DownloadManager(tmp_path)
    number = known.ask([DownloadSource(link=link)], "A thing")
    until(known, background.CONFIRMING)
    known.start(number)
    assert line.reached.wait(20)
    asking = next(thread for thread in threading.enumerate() if thread.name == f"download {number}")
    known.cancel(number)
    assert known.all() == ()
    asking.join(20)
    assert not asking.is_alive()


def test_cancel_is_heard_while_a_name_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over = threading.Event(), threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        asked.set()
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    link = "http://models.example:80/" + NAME
    known = DownloadManager(tmp_path, allow_all(link))
    number = known.ask([DownloadSource(link=link)], "A thing")
    until(known, background.OFFERED)
    known.start(number)
    assert asked.wait(20)
    known.cancel(number)
    until(known, background.CANCELLED)
    over.set()


@pytest.mark.skipif(
    not hasattr(socket, "SO_REUSEPORT"), reason="a full queue refuses connections on Windows instead of keeping them"
)
def test_cancel_is_heard_while_a_host_does_not_answer(tmp_path: Path) -> None:
    """A queue of connections that is full answers nobody, as a host that drops packets."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        link = f"http://127.0.0.1:{port}/{NAME}"
        known = DownloadManager(tmp_path, allow_all(link))
        number = known.ask([DownloadSource(link=link)], "A thing")
        until(known, background.OFFERED)
        known.start(number)
        threading.Event().wait(0.3)
        assert known.all()[0].state == background.RUNNING
        known.cancel(number)
        until(known, background.CANCELLED)
        for each in waiting:
            each.close()
