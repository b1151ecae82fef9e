"""What many, slow and rude clients of the API do to the page: each trial's answers, and the page's answer time meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import psutil

from engine import Jobs, TextToImage

REQUESTS, STREAMS, STALLED, BODY, QUEUED = 300, 50, 50, 2**30, 10_000
"""Requests at once; event streams that hang; clients that stop reading; bytes of a body; jobs that wait."""

_CHUNK = b"x" * 2**20
_STUDIO_PAGE = "load"


@dataclass(frozen=True)
class Trial:
    """What one kind of load did: how many of how many were answered as they should be."""

    name: str
    answered: int
    count: int


class Client:
    """Clients of the server at ``url``, whose queue is ``jobs``."""

    def __init__(self, url: str, jobs: Jobs) -> None:
        self.url, self.jobs = url, jobs
        parts = urlsplit(url)
        self.address = (str(parts.hostname), int(parts.port or 80))

    def request_all(self, count: int) -> Trial:
        """Requests for a picture each, all at once."""
        return Trial(f"{count} requests at once", asyncio.run(self._request_all(count)), count)

    async def _request_all(self, count: int) -> int:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=self.url, timeout=600, limits=limits) as client:
            bodies = [{"prompt": "a cat", "seed": seed, "steps": 1, "width": 64, "height": 64} for seed in range(count)]
            answers = await asyncio.gather(*(client.post("/sdapi/v1/txt2img", json=body) for body in bodies))
        seeds = {
            answer.json()["parameters"]["seed"] for answer in answers if answer.status_code == 200 and answer.json()["images"]
        }
        return len(seeds)

    @contextmanager
    def hang_streams(self, count: int) -> Iterator[Trial]:
        """Event streams of a job that never ends, open while the block runs."""
        job = self.jobs.submit(TextToImage(prompt="script: wait"), _STUDIO_PAGE)
        with self._connect(count, f"/easel/v1/jobs/{job}/events") as wires:
            yield Trial(f"{count} hanging event streams", sum(b"event: queued" in _receive(wire) for wire in wires), count)
        self.jobs.stop(job)

    @contextmanager
    def stop_reading(self, count: int) -> Iterator[Trial]:
        """Clients that ask for much and read nothing. Afterwards each job must have been run all the same."""
        jobs = [self.jobs.submit(TextToImage(prompt="a cat", count=8), _STUDIO_PAGE) for _ in range(count)]
        with ExitStack() as stack:
            for job in jobs:
                stack.enter_context(self._connect(1, f"/easel/v1/jobs/{job}/events"))
            for job in jobs:
                for _ in self.jobs.watch(job):
                    pass
            yield Trial(
                f"{count} clients that stop reading", sum(self.jobs.state(job).state == "finished" for job in jobs), count
            )

    def send_much(self, size: int) -> Trial:
        """A body of ``size`` bytes whose length is not said before. It must be refused long before its end."""
        sent = 0
        with socket.create_connection(self.address, timeout=60) as wire:
            wire.sendall(self._write_head("POST", "/sdapi/v1/txt2img", "Transfer-Encoding: chunked\r\n"))
            try:
                while sent < size:
                    wire.sendall(b"%x\r\n%b\r\n" % (len(_CHUNK), _CHUNK))
                    sent += len(_CHUNK)
            except OSError:
                pass  # refused while it was being sent
        return Trial(f"a body of {size / 2**30:g} GB, cut off after {sent / 2**20:.0f} MB", int(sent < size), 1)

    @contextmanager
    def fill_queue(self, count: int) -> Iterator[Trial]:
        """Jobs that wait while the block runs, submitted over HTTP."""
        self.jobs.pause()
        with httpx.Client(base_url=self.url, timeout=600) as client, ThreadPoolExecutor(4) as pool:
            body = {"kind": "text_to_image", "prompt": "a cat"}
            answers = list(pool.map(lambda _: client.post("/easel/v1/jobs", json=body).status_code, range(count)))
        yield Trial(f"{count} queued jobs", min(answers.count(202), len(self.jobs.line(10 * count))), count)

    @contextmanager
    def _connect(self, count: int, path: str) -> Iterator[list[socket.socket]]:
        with ExitStack() as stack:
            wires = [stack.enter_context(socket.create_connection(self.address, timeout=60)) for _ in range(count)]
            for wire in wires:
                wire.sendall(self._write_head("GET", path))
            yield wires

    def _write_head(self, method: str, path: str, more: str = "") -> bytes:
        host = f"{self.address[0]}:{self.address[1]}"
        return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{more}\r\n".encode()


def _receive(wire: socket.socket) -> bytes:
    """What comes until the first event."""
    heard = bytearray()
    while b"event:" not in heard and (received := wire.recv(65536)):
        heard += received
    return bytes(heard)


def measure_memory() -> int:
    """Bytes that this process holds."""
    return psutil.Process().memory_info().rss
