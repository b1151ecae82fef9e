"""The queue that commands use: that of the Easel that runs on the data folder, over its API, or one in this process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import httpx

from engine.errors import EaselError, RequestError
from engine.events import Cancelled, Failed, ImageSaved, Notice, Step
from engine.jobs import Jobs, claim
from engine.json_values import JsonObject, as_object, parse_json, parse_object
from engine.records.blobs import Blobs
from engine.requests import Request, from_json, resolved_to_json, to_json
from engine.settings import Settings
from engine.storage.regular_files import open_regular_file

KEY, PASSWORD = "EASEL_KEY", "EASEL_PASSWORD"
"""Environment variables with a key or the password of an Easel that asks for one."""

_PLAN_SECONDS = 600.0
_END_SECONDS, _LOOK_SECONDS = 120.0, 0.2
"""How long an Easel that is told to end may take, and how often is looked."""

_UNAUTHORIZED = 401

_GONE = "Easel does not answer any more. Start it again: its jobs go on."
_LOCKED = f"This Easel asks for a password. Put it, or a key made by “key add NAME”, into the environment variable {KEY}."


class Queue(Protocol):
    """What commands need of a queue. All methods raise EaselError."""

    def submit(self, request: Request) -> str:
        """The id of a new job."""
        ...

    def follow(self, job: str) -> Iterator[tuple[str, JsonObject]]:
        """A job's events, by their names and fields in the API, until its last."""
        ...

    def fetch(self, job: str, index: int) -> bytes:
        """The file of a finished image."""
        ...

    def store(self, image: Path) -> str:
        """The name of an image file as an input."""
        ...

    def plan(self, request: Request) -> JsonObject:
        """How the first image of a request would be made."""
        ...

    def list_jobs(self, limit: int) -> list[JsonObject]:
        """The newest jobs."""
        ...

    def stop(self, job: str) -> None:
        """End a job."""
        ...


@contextmanager
def open_queue(settings: Settings, engine: str = "engine.local:Local") -> Generator[Queue]:
    """The queue of the running Easel, else one in this process while the block runs, whose images ``engine`` makes."""
    with claim(settings.data) as claimed:
        if claimed.url is not None:
            with _connect(claimed.url) as client:
                yield RunningQueue(client)
        else:
            with Jobs(settings, engine) as jobs:
                yield OwnQueue(settings, jobs)


def end_running(settings: Settings) -> bool:
    """Let the Easel that runs finish its picture, and end it; False if none runs. Its waiting jobs go on at the next start.

    Raises EaselError if it does not end.
    """
    with claim(settings.data) as claimed:
        url = claimed.url
    if url is None:
        return False
    with _connect(url) as client:
        try:
            answer = client.post(f"{url}/quit", timeout=None)
        except httpx.HTTPError as error:
            raise EaselError(_GONE) from error
    if answer.status_code == _UNAUTHORIZED:
        raise EaselError(_LOCKED)
    if answer.is_error:
        raise EaselError(answer.text)
    for _ in range(int(_END_SECONDS / _LOOK_SECONDS)):
        with claim(settings.data) as claimed:
            if claimed.url is None:
                return True
        time.sleep(_LOOK_SECONDS)
    raise EaselError("Easel was told to end and still runs. Close its window, and try again.")


def _connect(url: str) -> httpx.Client:
    secret = os.environ.get(KEY) or os.environ.get(PASSWORD)
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return httpx.Client(base_url=f"{url}/easel/v1", headers=headers, timeout=_PLAN_SECONDS, trust_env=False)


class RunningQueue:
    """The queue of another process, over HTTP."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def submit(self, request: Request) -> str:
        return str(self._ask("POST", "/jobs", content=json.dumps(to_json(request)).encode())["id"])

    def follow(self, job: str) -> Iterator[tuple[str, JsonObject]]:
        try:
            with self._client.stream("GET", f"/jobs/{job}/events") as answer:
                name = ""
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        yield name, parse_object(line.removeprefix("data: "))
        except httpx.HTTPError as error:
            raise EaselError(_GONE) from error

    def fetch(self, job: str, index: int) -> bytes:
        return self._send("GET", f"/jobs/{job}/images/{index}").content

    def store(self, image: Path) -> str:
        return str(self._ask("POST", "/images", content=_read(image))["image"])

    def plan(self, request: Request) -> JsonObject:
        return as_object(self._ask("POST", "/plan", content=json.dumps(to_json(request)).encode())["resolved"])

    def list_jobs(self, limit: int) -> list[JsonObject]:
        found = parse_json(self._send("GET", f"/jobs?limit={limit}").content)
        return [as_object(each) for each in found] if isinstance(found, list) else []

    def stop(self, job: str) -> None:
        self._send("DELETE", f"/jobs/{job}")

    def _ask(self, method: str, path: str, content: bytes) -> JsonObject:
        return parse_object(self._send(method, path, content).content)

    def _send(self, method: str, path: str, content: bytes | None = None) -> httpx.Response:
        headers = {"Content-Type": "application/json"} if content is not None else {}
        try:
            answer = self._client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise EaselError(_GONE) from error
        if answer.status_code == _UNAUTHORIZED:
            raise EaselError(_LOCKED)
        if answer.is_error:
            raise RequestError(_read_error(answer))
        return answer


class OwnQueue:
    """A queue in this process."""

    def __init__(self, settings: Settings, jobs: Jobs) -> None:
        self._jobs, self._blobs = jobs, Blobs(settings.data / "blobs")

    def submit(self, request: Request) -> str:
        return self._jobs.submit(request, "command")

    def follow(self, job: str) -> Iterator[tuple[str, JsonObject]]:
        for event in self._jobs.watch(job):
            match event:
                case Step():
                    yield "step", {"index": event.index, "count": event.count, "step": event.step, "steps": event.steps}
                case Notice():
                    yield "notice", {"text": event.text}
                case ImageSaved():
                    yield "image", {"index": event.index, "seed": event.result.seed}
                case Failed():
                    yield "failed", {"message": event.message}
                case Cancelled():
                    yield "cancelled", {}
                case _:
                    pass

    def fetch(self, job: str, index: int) -> bytes:
        return _read(self._jobs.state(job).results[index].path)

    def store(self, image: Path) -> str:
        return self._blobs.put_file(image)

    def plan(self, request: Request) -> JsonObject:
        found = self._jobs.describe_run(from_json(to_json(request)), _PLAN_SECONDS)
        if found is None:
            raise RequestError("Such a picture cannot be made here. “make” says what is wrong.")
        return resolved_to_json(found)

    def list_jobs(self, limit: int) -> list[JsonObject]:
        return [{"id": s.id, "state": s.state, "request": to_json(s.request)} for s in self._jobs.jobs(limit=limit)]

    def stop(self, job: str) -> None:
        self._jobs.stop(job)


def _read(path: Path) -> bytes:
    try:
        with open_regular_file(path) as file:
            return file.read()
    except OSError as error:
        raise RequestError(f"“{path}” cannot be read: {error.strerror or error}.") from error


def _read_error(answer: httpx.Response) -> str:
    try:
        return str(as_object(parse_object(answer.content).get("error"))["message"])
    except (ValueError, KeyError):
        return f"Easel answered {answer.status_code}. Is another program at its address?"
