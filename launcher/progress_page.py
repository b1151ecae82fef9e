"""The progress page: a small server on 127.0.0.1 that later hands its port over to the studio."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

from launcher.progress import Progress

HOST = "127.0.0.1"
ATTENTION = 90.0
"""Seconds without a poll after which the page counts as closed. Browsers poll once a minute from a hidden tab."""

HEADERS = {
    "X-Easel-Launch": "1",  # tells the page that the studio is not up yet
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Server(ThreadingHTTPServer):
    """On Windows, reusing an address would let two servers share one port; elsewhere it only skips the wait after a close."""

    allow_reuse_address = os.name != "nt"
    daemon_threads = True

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: tuple[str, int]) -> None:
        """Print errors other than a connection that the browser closed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class ProgressPage:
    """Serves ``progress`` at :attr:`url` from :meth:`open` until :meth:`close`.

    ``create_entry`` writes the desktop entry; None if there is nothing to offer. The studio asks for the port by a POST to
    :attr:`handover`: once that is answered, the port is free, and the page in the browser waits for the studio to answer there.
    """

    def __init__(self, progress: Progress, create_entry: Callable[[], object] | None = None) -> None:
        self.progress = progress
        self.create_entry = create_entry
        self.port = 0
        self.last_seen = 0.0
        self.address_shown = threading.Event()
        self.choice = ""
        self._chosen = threading.Event()
        self._token = secrets.token_urlsafe(16)
        self._server: Server | None = None
        self._closing = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def handover(self) -> str:
        return f"{self.url}/launch/{self._token}/handover"

    def open(self, wanted: int) -> int:
        """Serve on ``wanted`` or the next free port, and return which it is."""
        self._server = bind_server(wanted, lambda *about: Handler(self, *about))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self.port

    def close(self) -> None:
        """Free the port. A second call does nothing."""
        with self._closing:
            server, self._server = self._server, None
            if server is not None:
                server.shutdown()
                server.server_close()

    @property
    def is_open(self) -> bool:
        return self._server is not None

    def wait_for_choice(self) -> str:
        """``retry``, ``repair`` or ``quit``, as pressed on the page; ``quit`` also if the page is no longer open."""
        self._chosen.clear()
        self.choice = "quit"
        self.last_seen = time.monotonic()
        while not self._chosen.wait(1.0) and time.monotonic() - self.last_seen < ATTENTION:
            pass
        return self.choice

    def handle_action(self, action: str) -> None:
        """Carry out what a button, or the studio, asked for."""
        if action == "handover":
            self.close()
        elif action == "entry" and self.create_entry is not None:
            self.create_entry()
            self.create_entry = None
            self.progress.note("Easel is now in the applications menu.")
        elif action in ("retry", "repair", "quit"):
            self.choice = action
            self._chosen.set()

    def state(self, with_log: bool) -> dict[str, Any]:
        state = self.progress.snapshot()
        state["entry"] = self.create_entry is not None
        if with_log:
            state["log"] = self.progress.log_lines()
        return state

    def html(self) -> str:
        """The whole page including the current state, so that it shows something before the first poll."""
        text = (Path(__file__).with_name("progress_page.html")).read_text("utf-8")
        state = json.dumps(self.state(False)).replace("<", "\\u003c")
        return text.replace("__TOKEN__", self._token).replace("__STATE__", state)

    def is_allowed(self, action: str, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._token.encode()) and action in ACTIONS


ACTIONS = ("handover", "entry", "retry", "repair", "quit")


def bind_server(wanted: int, handler: Callable[..., BaseHTTPRequestHandler]) -> Server:
    """A server on the first free port from ``wanted`` on."""
    for port in range(wanted, min(wanted + 100, 65536)):
        try:
            return Server((HOST, port), handler)  # pyright: ignore[reportArgumentType] a factory works as well as a class
        except OSError:
            continue
    return Server((HOST, 0), handler)  # pyright: ignore[reportArgumentType]


class Handler(BaseHTTPRequestHandler):
    """``/`` the page, ``/launch/state`` what it shows, ``POST /launch/<token>/<action>`` its buttons."""

    def __init__(self, page: ProgressPage, *about: Any) -> None:
        self.page = page
        super().__init__(*about)

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if not self._is_ours():
            self._send(403, "text/plain", "This page is for this computer only.")
        elif path == "/":
            self._send(200, "text/html", self.page.html())
        elif path == "/launch/state":
            self.page.last_seen = time.monotonic()
            state = self.page.state(query == "log")
            self._send(200, "application/json", json.dumps(state))
            if state["address"]:
                self.page.address_shown.set()
        else:
            self._send(404, "text/plain", "Easel is still starting.")

    def do_POST(self) -> None:
        token, _, action = self.path[len("/launch/") :].partition("/")
        if not self._is_ours() or not self.page.is_allowed(action, token):
            self._send(403, "text/plain", "This page is for this computer only.")
            return
        try:
            self.page.handle_action(action)
        except OSError as error:
            self._send(500, "text/plain", f"That did not work: {error}")
        else:
            self._send(200, "text/plain", "ok")

    def _is_ours(self) -> bool:
        # A page elsewhere can point its own name at 127.0.0.1; it cannot make the browser send our Host.
        host = self.headers.get("Host", "")
        origin = self.headers.get("Origin")
        names = {f"{HOST}:{self.page.port}", f"localhost:{self.page.port}"}
        return host in names and (origin is None or origin in {f"http://{name}" for name in names})

    def _send(self, status: int, kind: str, text: str) -> None:
        body = text.encode("utf-8")
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the terminal shows the set-up."""


def is_listening(url: str, seconds: float = 1.0) -> bool:
    """Whether anything listens at ``url`` (http://host:port)."""
    host, _, port = url.partition("//")[2].partition("/")[0].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=seconds):
            return True
    except (OSError, ValueError):
        return False
