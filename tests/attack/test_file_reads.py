"""No request makes the server read a file that was not uploaded, or fetch one from another computer.

Every event in the config of the served page is sent files of every kind in every nesting.
"""

from __future__ import annotations

import base64
import io
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, cycle, islice, product
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from PIL import Image

from engine.json_values import JsonValue as Json
from engine.settings import Settings
from tests.attack.tally import Tally
from ui import messages

Event: TypeAlias = dict[str, Json]

SECRET = "only the owner of this computer may read this"
META: Json = {"_type": "gradio.FileData"}
REMOTE = "http://files.elsewhere.invalid/a.png"
REMOTE_PATHS = (REMOTE, "//files.elsewhere.invalid/share/a.png", "ftp://files.elsewhere.invalid/a")


def file(path: str, **more: Json) -> Json:
    """A file as Gradio's client represents it."""
    return {"path": path, "meta": META, **more}


NESTINGS: Mapping[str, Callable[[str], Json]] = {
    "bare": file,
    "in a list": lambda path: [file(path)],
    "in lists": lambda path: [[file(path)], [[file(path), "caption"]]],
    "as a value": lambda path: {"a": file(path)},
    "in a file": lambda path: file(path, orig_name=file(path)),
    "deep": lambda path: {"a": [{"b": [file(path), {"c": file(path)}]}]},
    "as a property": lambda path: {"value": file(path), "label": "x"},
    "as an update": lambda path: {"__type__": "update", "value": file(path), "visible": True},
    "as an update of text": lambda path: {"__type__": "update", "value": path},
    "with a name": lambda path: file(path, orig_name="a.png", mime_type="image/png", size=10),
    "with an address": lambda path: file(path, url=f"/gradio_api/file={path}"),
    "as a stream": lambda path: file(path, is_stream=True),
    "without its mark": lambda path: {"path": path},
    "with an odd mark": lambda path: {"path": path, "meta": "gradio.FileData"},
    "as text": lambda path: path,
    "as texts": lambda path: [path],
}
"""How a request may name a file."""


class Target:
    """The server under attack, and all of its output."""

    def __init__(self, client: httpx.Client, settings: Settings, folder: Path, tally: Tally) -> None:
        self.tally = tally
        self.client, self.uploads, self.answers = client, settings.data / "uploads", list[str]()
        config = client.get("/config").json()
        self.events: list[Event] = [event for event in config["dependencies"] if takes_something(event)]
        self.values = {part["id"]: part["props"].get("value") for part in config["components"]}
        self.takers = {number: event for event in self.events for number in inputs_of(event)}
        types = {part["id"]: part["type"] for part in config["components"]}
        self.kinds: dict[str, int] = {types[number]: number for number in self.takers}
        self.secret = folder / "secret.png"
        self.secret.write_text(SECRET)
        self.link = self.uploads / "abc" / "link.png"
        self.link.parent.mkdir(parents=True, exist_ok=True)
        self.link.symlink_to(self.secret)

    def paths(self) -> Iterator[str]:
        """Files that the server must not read."""
        yield from (str(self.secret), str(self.link), f"{self.uploads}/../../../{self.secret.parent.name}/{self.secret.name}")
        yield from (os.path.relpath(self.secret), f"file://{self.secret}", "app.py", "/dev/zero", "/dev/stdin", str(self.uploads))

    def offer(self, event: Event, data: list[Json], session: str) -> None:
        """Trigger an event of the page with ``data``: directly if the page does so, else through the queue."""
        body = {"data": data, "fn_index": event["id"], "session_hash": session, "event_data": data[0] if data else None}
        road = "/gradio_api/queue/join" if event["queue"] else "/gradio_api/run/predict"
        self.say(self.client.post(road, json=body))

    def offer_one(self, component: int, value: Json, session: str) -> None:
        """Trigger an event that reads ``component`` with this ``value``; other inputs have their initial values."""
        event = self.takers[component]
        data = [value if number == component else self.values[number] for number in inputs_of(event)]
        self.offer(event, data, session)

    def listen(self, session: str) -> None:
        """The queue's messages to a session, until all of its events are done."""
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            self.answers += stream.iter_text()

    def say(self, answer: httpx.Response) -> None:
        self.tally.add_attempts()
        self.answers.append(answer.text)

    def check(self) -> None:
        """Check that no secret is in a response or in a file that the server would serve."""
        said = "".join(self.answers)
        for secret in (SECRET, base64.b64encode(SECRET.encode()).decode()[:30]):
            self.tally.count("files served", said.count(secret), "the secret was said")
        copies = [path for path in self.uploads.rglob("*") if path.is_file() and path != self.link and path.stat().st_size]
        self.tally.count("files served", len(copies), f"copied: {copies}")
        for path in self.paths():
            for road in ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/file/"):
                answer = self.client.get(road + path)
                self.tally.add_attempts()
                self.tally.count("files served", int(answer.status_code not in (403, 404, 405)), road + path)


@pytest.fixture
def target(client: httpx.Client, settings: Settings, tmp_path: Path, tally: Tally) -> Iterator[Target]:
    made = Target(client, settings, tmp_path, tally)
    yield made
    made.link.unlink()


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch, tally: Tally) -> list[str]:
    """The names of other hosts that this process looks up; all lookups fail."""
    names: list[str] = []
    look_up = socket.getaddrinfo

    def record(host: str | bytes | None, *more: int | str | None, **named: int) -> list[tuple[object, ...]]:
        if host in (None, "127.0.0.1", "localhost"):
            return [*look_up(host, *more, **named)]
        names.append(str(host))
        tally.count("connections out", 1, str(host))
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", record)
    return names


def takes_something(event: Event) -> bool:
    """Whether the event has inputs. One that streams without inputs, such as the Queue panel's, never ends."""
    types = event["types"]
    assert isinstance(types, dict)
    return bool(event["inputs"]) or not types["generator"]


def inputs_of(event: Event) -> list[int]:
    found = event["inputs"]
    assert isinstance(found, list)
    return [number for number in found if isinstance(number, int)]


def test_the_config_names_events_of_both_kinds(target: Target) -> None:
    assert len(target.events) > 100 and {event["queue"] for event in target.events} == {True, False}


@pytest.mark.parametrize("rounds", [1, pytest.param(3 * len(NESTINGS), marks=pytest.mark.long)])
def test_no_event_takes_a_file_that_was_not_uploaded(rounds: int, target: Target, lookups: list[str]) -> None:
    """Each input is sent one, cycling through nestings and paths; in the long test, all combinations."""
    ways = cycle(product(NESTINGS.values(), (str(target.secret), str(target.link), "/dev/zero")))
    for event in target.events * rounds:
        target.offer(event, [nest(path) for nest, path in islice(ways, len(inputs_of(event)))], "events")
    target.listen("events")
    target.check()
    assert lookups == []


def test_no_kind_of_component_takes_one_in_any_nesting(target: Target, lookups: list[str]) -> None:
    """A bad value among good ones reaches its component's preprocessing."""
    for kind, nest in product(target.kinds.values(), NESTINGS.values()):
        target.offer_one(kind, nest(str(target.secret)), "kinds")
    for kind, path in product(target.kinds.values(), chain(target.paths(), REMOTE_PATHS)):
        target.offer_one(kind, file(path), "kinds")
        target.offer_one(kind, file("a.png", url=path), "kinds")
    target.listen("kinds")
    target.check()
    assert lookups == []


def test_no_component_takes_one_beside_ordinary_values(target: Target, lookups: list[str]) -> None:
    for component in {number for event in target.events for number in inputs_of(event)}:
        target.offer_one(component, [file(str(target.secret))], "beside")
    target.listen("beside")
    target.check()
    assert lookups == []


def test_the_named_roads_are_no_way_round(target: Target, lookups: list[str]) -> None:
    """Named endpoints that answer directly are called with every event, the queue's with one event per kind of component."""
    for event in target.events:
        data = [file(str(target.secret)) for _ in inputs_of(event)]
        target.say(target.client.post(f"/gradio_api/run/{event['api_name']}", json={"data": data, "session_hash": "named"}))
    for component in target.kinds.values():
        event = target.takers[component]
        road = f"/gradio_api/call/{event['api_name']}"
        data = [file(str(target.secret)) if number == component else target.values[number] for number in inputs_of(event)]
        called = target.client.post(road, json={"data": data, "session_hash": "named"})
        if called.status_code == 200:
            target.say(target.client.get(f"{road}/{called.json()['event_id']}"))
    target.check()
    assert lookups == []


def test_no_component_lends_a_function_that_reads_files(target: Target) -> None:
    for component in target.kinds.values():
        for name in ("ls", "accept_blobs", "preprocess", "postprocess", "move_resource_to_block_cache"):
            body = {"data": str(target.secret), "component_id": component, "fn_name": name, "session_hash": "lent"}
            assert target.client.post("/gradio_api/component_server", json=body).status_code == 404
    target.check()


@pytest.mark.parametrize("road", ["/gradio_api/file=", "/gradio_api/file/", "/file=", "/gradio_api/proxy=", "/proxy="])
@pytest.mark.parametrize(
    "address", [REMOTE, "HTTPS://elsewhere.invalid/a", " http://elsewhere.invalid/", "/http://elsewhere.invalid"]
)
def test_no_road_leads_to_another_computer(
    road: str, address: str, client: httpx.Client, lookups: list[str], tally: Tally
) -> None:
    tally.add_attempts()
    assert client.get(road + address).status_code == 403
    assert lookups == []


def test_an_uploaded_file_is_taken_and_one_that_is_gone_is_a_sentence(client: httpx.Client) -> None:
    events = {event["api_name"]: event for event in client.get("/config").json()["dependencies"]}
    picture = io.BytesIO()
    Image.new("RGB", (37, 23)).save(picture, "PNG")
    (path,) = client.post("/gradio_api/upload", files={"files": ("mine.png", picture.getvalue())}).json()
    assert client.get(f"/gradio_api/file={path}").content == picture.getvalue()
    event = events["inspect_dropped"]
    body = {"data": [[file(path, orig_name="mine.png")]], "fn_index": event["id"], "session_hash": "mine"}
    assert "37 × 23" in read_output(client, body)
    folder = events["take_folder"]
    assert "mine.png" in read_output(client, {**body, "data": [[file(path)]], "fn_index": folder["id"]})
    Path(path).unlink()
    assert messages.NOT_UPLOADED in json.loads(read_output(client, body))["error"]


def read_output(client: httpx.Client, body: Mapping[str, Json | object]) -> str:
    """The output of a queued event, as JSON."""
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    stream = client.get("/gradio_api/queue/data", params={"session_hash": str(body["session_hash"])}).text
    (done,) = (line for line in stream.splitlines() if '"process_completed"' in line)
    return json.dumps(json.loads(done.removeprefix("data: "))["output"], ensure_ascii=False)
