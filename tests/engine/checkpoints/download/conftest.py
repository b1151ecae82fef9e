"""A server of our own that misbehaves in every way that servers do, on loopback, to which the user has agreed."""

from __future__ import annotations

import hashlib
import json
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from engine.checkpoints.download import part_file
from engine.checkpoints.download.background import Download, DownloadManager
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.part_file import DownloadProgress
from engine.checkpoints.download.sources import DownloadSource
from engine.checkpoints.download.transfer import fetch

HEADER = json.dumps({"a": {"dtype": "F32", "shape": [50_000], "data_offsets": [0, 200_000]}}).encode()
WHOLE = struct.pack("<Q", len(HEADER)) + HEADER + bytes(range(250)) * 800
SHA256 = hashlib.sha256(WHOLE).hexdigest()
NAME = "thing.safetensors"
HOST = "models.example"


@dataclass
class Server:
    """How it behaves now, and what it was asked.

    ``declares``: the answer has a Content-Length. ``endless``: the content is repeated until nobody listens. ``answers``: how
    many GETs are answered; the connections of others are closed. ``redirects``: path -> Location. ``stalls``: where the answer
    waits for ``hold``: "head" or "body".
    """

    content: bytes = WHOLE
    break_after: int = 0
    breaks: int = 10**9
    ignore_ranges: bool = False
    shifts_ranges: bool = False
    claim: int = 0
    kind: str = "application/octet-stream"
    status: int = 0
    head_status: int = 200
    declares: bool = True
    endless: bool = False
    answers: int = 10**9
    stalls: str = "head"
    validators: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    redirects: dict[str, str] = field(default_factory=dict)
    api: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    port: int = 0
    url: str = ""

    @property
    def base(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def agreed(self) -> Control:
        """Control of a download whose user agreed to this server."""
        return Control([("127.0.0.1", self.port)])


def handler(state: Server) -> type[BaseHTTPRequestHandler]:
    """Answers as ``state`` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.headers.get("Range", ""))
            state.paths.append(self.path)
            state.tokens.append(self.headers.get("Authorization", ""))
            state.answers -= 1
            if state.answers < 0:
                self.close_connection = True
                return
            if state.stalls == "head":
                state.hold.wait(20)
            if self._redirect():
                return
            if state.status:
                self._send(b"", state.status, "text/plain", state.headers)
            elif self.path.startswith("/api/"):
                self._send(json.dumps(state.api).encode(), 200, "application/json")
            else:
                self._file(state.files.get(self.path.split("/resolve/main/")[-1], state.content))

        def do_HEAD(self) -> None:
            state.paths.append(self.path)
            if self._redirect():
                return
            self.send_response(state.head_status)
            if state.declares:
                self.send_header("Content-Length", str(len(state.content)))
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def _redirect(self) -> bool:
            location = state.redirects.get(self.path)
            if location is not None:
                self._send(b"", 302, "text/plain", {"Location": location})
            return location is not None

        def _file(self, content: bytes) -> None:
            start = 0
            wanted = self.headers.get("Range", "")
            same = self.headers.get("If-Range", "") in ("", *state.validators.values())
            if wanted and same and not state.ignore_ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start and start >= len(content):
                self._send(b"", 416, state.kind, {"Content-Range": f"bytes */{len(content)}"})
                return
            start -= 1000 if start and state.shifts_ranges else 0
            headers = {**state.validators, **state.headers}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(content[start:], 206 if start else 200, state.kind, headers)

        def _send(self, body: bytes, status: int, kind: str, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if state.declares or status >= 300:
                self.send_header("Content-Length", str(state.claim or len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            if state.break_after and state.breaks > 0:
                state.breaks -= 1
                body = body[: state.break_after]
            self._write(body)

        def _write(self, body: bytes) -> None:
            with suppress(OSError):
                if state.stalls == "body":
                    self.wfile.write(body[: len(body) // 2])
                    state.hold.wait(20)
                    body = body[len(body) // 2 :]
                self.wfile.write(body)
                while state.endless and state.hold.is_set():
                    self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler


def listen() -> Iterator[Server]:
    """A server until the end of the block."""
    state = Server()
    state.hold.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(state)) as listening:
        listening.daemon_threads = True
        state.port = listening.server_port
        state.url = f"{state.base}/{NAME}"
        threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
        yield state
        state.hold.set()
        state.endless = False
        listening.shutdown()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from listen()


@pytest.fixture
def other_server() -> Iterator[Server]:
    yield from listen()


@pytest.fixture
def secure_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A server that speaks TLS, with a certificate for :data:`HOST` that this computer trusts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    trusted = tmp_path / "trusted.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    state = Server()
    state.hold.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(state)) as listening:
        listening.daemon_threads = True
        listening.handle_error = lambda request, client_address: None
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        state.port = listening.server_port
        threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
        yield state
        listening.shutdown()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_file, "PIECE", 16_384)
    monkeypatch.setattr(part_file, "TRIES", 2)
    monkeypatch.setattr(part_file, "RETRY_DELAY", 0.01)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")


def quiet(progress: DownloadProgress) -> None:
    """Nobody looks."""


def get(server: Server, folder: Path, **known: Any) -> Path:
    """Fetch what ``server`` has."""
    return fetch(DownloadSource(link=server.url), folder / NAME, server.agreed(), quiet, **known)


def until(known: DownloadManager, *states: str) -> Download:
    """The newest download once it is in one of ``states``."""
    for _ in range(2000):
        newest = known.all()[0]
        if newest.state in states:
            return newest
        time.sleep(0.01)
    raise AssertionError(f"it is {newest}")
