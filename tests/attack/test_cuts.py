"""Connections that are cut at any byte of the request or the response leave nothing in the log, and the server goes on."""

from __future__ import annotations

import json
import random
import signal
import socket
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.settings import HOUSE
from tests.attack.tally import Tally

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 seconds: the connection is reset, not closed."""


@dataclass
class Target:
    """A server in a separate process, and the file with all of its output."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def fetch(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return answer.read()

    def requests(self) -> Mapping[str, bytes]:
        """One request of each kind that a page sends."""
        event = next(event for event in json.loads(self.fetch("/config"))["dependencies"] if event["queue"])
        data = {"data": [None for _ in event["inputs"]], "fn_index": event["id"], "session_hash": "cut"}
        form = "--cut\r\nContent-Disposition: form-data; name=files; filename=a.png\r\n\r\n" + "x" * 100_000 + "\r\n--cut--\r\n"
        return {
            "page": self.write("GET", "/"),
            "config": self.write("GET", "/config"),
            "script": self.write("GET", "/theme.css"),
            "heartbeat": self.write("GET", "/gradio_api/heartbeat/cut"),
            "queue": self.write("GET", "/gradio_api/queue/data?session_hash=cut"),
            "event": self.write("POST", "/gradio_api/queue/join", json.dumps(data), "application/json"),
            "event at once": self.write("POST", "/gradio_api/run/predict", json.dumps(data), "application/json"),
            "upload": self.write("POST", "/gradio_api/upload", form, "multipart/form-data; boundary=cut"),
            "WebSocket": self.write("GET", "/gradio_api/heartbeat/cut", upgrade=True),
            "WebSocket of the queue": self.write("GET", "/gradio_api/queue/data?session_hash=cut", upgrade=True),
            "WebSocket to nowhere": self.write("GET", "/nowhere", upgrade=True),
            "no HTTP": random.Random(1).randbytes(300),
        }

    def write(self, method: str, path: str, body: str = "", kind: str = "text/plain", *, upgrade: bool = False) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Origin: http://127.0.0.1:{self.port}"]
        if upgrade:
            lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
            lines += ["Sec-WebSocket-Version: 13"]
        if method == "POST":
            lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", body]).encode()

    def cut(self, request: bytes, dice: random.Random) -> socket.socket:
        """Send a part of ``request``, or all of it and read a part of the response; returns the open connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=0.2)
        whole = dice.random() < 0.5
        connection.sendall(request if whole else request[: dice.randrange(len(request))])
        if whole and dice.random() < 0.7:
            try:
                connection.recv(dice.choice((1, 10, 1000)))
            except OSError:
                return connection  # no response yet
        if dice.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return connection


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("cut")
    command = [sys.executable, "-m", "tests.attack.cut_studio", str(folder)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        yield Target(process, int(process.stdout.readline()), folder / "log")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("cuts", [15, pytest.param(500, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_cut_connections_say_nothing(cuts: int, target: Target, tally: Tally) -> None:
    """``cuts`` connections of each kind; some stay open until others are cut."""
    dice, opened = random.Random(cuts), list[socket.socket]()
    for request in target.requests().values():
        for _ in range(cuts):
            opened.append(target.cut(request, dice))
            tally.add_attempts()
            if dice.random() < 0.8:
                opened.pop(dice.randrange(len(opened))).close()
    for connection in opened:
        connection.close()
    assert b"</html>" in target.fetch("/")
    said = target.log.read_text("utf-8")
    tally.count("traces shown", said.count("Traceback"), said[-3000:])
    assert said == ""


def test_an_end_cuts_all_of_them_without_a_word(target: Target, tally: Tally) -> None:
    dice = random.Random(3)
    opened = [target.cut(request, dice) for request in target.requests().values() for _ in range(5)]
    tally.add_attempts(len(opened))
    target.process.send_signal(signal.SIGTERM)
    assert target.process.wait(60) == 0
    said = target.log.read_text("utf-8")
    tally.count("traces shown", said.count("Traceback"), said[-3000:])
    assert said == ""
