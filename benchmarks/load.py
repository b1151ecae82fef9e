"""Many pages that watch many jobs, and many clients of the API: whether all are answered, and how fast the page still is."""

from __future__ import annotations

import functools
import json
import os
import socket
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from wsproto import ConnectionType, WSConnection, events

from benchmarks import load_api
from engine import Jobs, Settings, TextToImage
from ui.compat.addresses import QUEUE
from ui.server.serve import Studio, serve

PAGES = 50
JOBS = 200
ROUNDS = 21
SHOWN = 100
"""Jobs that the panel lists."""


@dataclass
class Watcher:
    """A page that watches the queue over a WebSocket, as browsers do. ``heard`` is everything that it received."""

    port: int
    name: str
    heard: bytearray = field(default_factory=bytearray)

    def watch(self, done: Callable[[bytearray], bool]) -> None:
        """Receive until ``done`` is true of what was received, or the server closes."""
        protocol = WSConnection(ConnectionType.CLIENT)
        with socket.create_connection(("127.0.0.1", self.port), timeout=300) as wire:
            wire.sendall(protocol.send(events.Request(host=f"127.0.0.1:{self.port}", target=f"{QUEUE}?session_hash={self.name}")))
            while not done(self.heard) and (received := wire.recv(65536)):
                protocol.receive_data(received)
                for event in protocol.events():
                    self._take(event, protocol, wire.sendall)

    def _take(self, event: events.Event, protocol: WSConnection, send: Callable[[bytes], None]) -> None:
        if isinstance(event, events.BytesMessage):
            self.heard += event.data
        elif isinstance(event, events.Ping):
            send(protocol.send(event.response()))


def main() -> None:
    """Print the page's response time while idle and while watched, how many pages received all jobs, and the memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(data=folder / "data", outputs=folder / "outputs")
        with Jobs(settings, "engine.testing:ScriptedEngine") as jobs, serve(settings, jobs, port=0) as studio:
            idle = time_page(studio.url)
            before = psutil.Process().memory_info().rss
            load = Load(studio, jobs)
            answered = load.run()
            busy = time_page(studio.url)
            most = psutil.Process().memory_info().rss
    print(f"{os.cpu_count()} cores; the front page, median of {ROUNDS}: idle {idle * 1000:.0f} ms, watched {busy * 1000:.0f} ms")
    print(f"{PAGES} pages watch {JOBS} jobs: {answered} of {PAGES} heard of all, {(most - before) / 2**20:.0f} MB more memory")
    measure_api()


def measure_api() -> None:
    """Print what many, slow and rude clients of the API do, with the page's response time and the memory meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(data=Path(name) / "data", outputs=Path(name) / "outputs")
        with Jobs(settings, "engine.testing:ScriptedEngine") as jobs, serve(settings, jobs, port=0) as studio:
            client = load_api.Client(studio.url, jobs)
            idle, before = time_page(studio.url), load_api.measure_memory()
            report = functools.partial(_report, studio.url, idle, before)
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(client.request_all, load_api.REQUESTS)
                busy = time_page(studio.url)
                _print_trial(asked.result(), idle, busy, before)
            with client.hang_streams(load_api.STREAMS) as trial:
                report(trial)
            with client.stop_reading(load_api.STALLED) as trial:
                report(trial)
            report(client.send_much(load_api.BODY))
            with client.fill_queue(load_api.QUEUED) as trial:
                report(trial)


def _report(url: str, idle: float, before: int, trial: load_api.Trial) -> None:
    _print_trial(trial, idle, time_page(url), before)


def _print_trial(trial: load_api.Trial, idle: float, busy: float, before: int) -> None:
    more = (load_api.measure_memory() - before) / 2**20
    print(
        f"{trial.name}: {trial.answered} of {trial.count} as they should be; front page {busy * 1000:.0f} ms, idle "
        f"{idle * 1000:.0f} ms; {more:.0f} MB more memory",
        flush=True,
    )


class Load:
    """Pages that watch the queue of ``jobs``."""

    def __init__(self, studio: Studio, jobs: Jobs, pages: int = PAGES, count: int = JOBS) -> None:
        self._studio, self._jobs, self._count = studio, jobs, count
        self.watchers = [Watcher(studio.port, f"page{number}") for number in range(pages)]
        self._threads: list[threading.Thread] = []

    def run(self) -> int:
        """Submit the jobs, which never end, and let every page watch them; returns how many pages received all of them."""
        event = find_watching_event(self._studio.url)
        for number in range(self._count):
            self._jobs.submit(TextToImage(prompt=f"job {number} script: wait"))
        with httpx.Client(base_url=self._studio.url, timeout=300) as client:
            for watcher in self.watchers:
                body = {"data": [], "fn_index": event, "session_hash": watcher.name, "event_data": None, "trigger_id": None}
                client.post("/gradio_api/queue/join", json=body).raise_for_status()
        last = f"job {min(self._count, SHOWN) - 1} script".encode()
        self._listen(lambda heard: last in heard)
        return sum(last in watcher.heard for watcher in self.watchers)

    def _listen(self, done: Callable[[bytearray], bool]) -> None:
        self._threads = [threading.Thread(target=watcher.watch, args=(done,), daemon=True) for watcher in self.watchers]
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join(300)


def find_watching_event(url: str) -> int:
    """The page's event that updates its Queue panel: it has no inputs, and the panel is its only output."""
    config = json.loads(urllib.request.urlopen(f"{url}/config", timeout=60).read())
    panels = {part["id"] for part in config["components"] if part["props"].get("elem_id") == "queue"}
    found: Iterator[int] = (
        each["id"] for each in config["dependencies"] if set(each["outputs"]) == panels and each["api_name"] == "follow"
    )
    return next(found)


def time_page(url: str) -> float:
    """The median seconds of the front page."""
    return statistics.median(_time_once(url) for _ in range(ROUNDS))


def _time_once(url: str) -> float:
    began = time.perf_counter()
    urllib.request.urlopen(f"{url}/", timeout=300).read()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
