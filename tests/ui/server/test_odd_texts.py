"""Names and prompts that UTF-8 cannot hold, through the page's real door: no address answers 500, and nothing odd is lost."""

from __future__ import annotations

import html
import inspect
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from gradio.block_function import BlockFunction
from gradio.blocks import Blocks
from gradio.components import Component
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save_file
from starlette.testclient import TestClient

from engine.checkpoints.library.catalogue import Catalogue
from engine.events import Finished
from engine.jobs import Jobs
from engine.json_values import JsonValue
from engine.requests import MAX_PROMPT
from engine.safe_text import make_encodable, name_to_text
from engine.settings import HOUSE, Settings
from ui.server.serve import create_application

NAMES = [
    "猫".encode("gbk"), "表紙".encode("shift-jis"), b"\xff\xfe", "\u202eevil\u2066 😀".encode(), "\U0010f0dc".encode(), b"a\\xb0",
]  # fmt: skip
"""The bytes of file names."""

ODD = st.text(st.characters(exclude_categories=()) | st.sampled_from("\ud83d\udc00\0\u202e\u2066\U0010f0dc\\"), max_size=40)
JSON = {"Content-Type": "application/json"}
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no names that are bytes")


def make_odd_files(folder: Path) -> Settings:
    """A studio whose folders themselves have odd names, with odd names in them."""
    root = folder / os.fsdecode("工作".encode("gbk"))
    made = Settings(models=root / "models", outputs=root / "outputs", data=root / "data", device="cpu")
    for number, raw in enumerate(NAMES):
        name = os.fsdecode(raw)
        below = made.models / f"{name} folder"
        below.mkdir(parents=True)
        (below / f"{name}.safetensors").write_bytes(b"broken")
        save_file({"emb_params": np.zeros((1, 768), np.float32)}, below / f"{name} word.safetensors")
        day = made.outputs / name
        day.mkdir(parents=True)
        Image.new("RGB", (16 + number, 16)).save(day / f"{name}.png")
    (made.models / os.fsdecode(NAMES[0])).symlink_to(HOUSE / "models" / "starter")
    return made


class Door:
    """The page as a browser asks it."""

    def __init__(self, app: FastAPI, page: Blocks) -> None:
        self.client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
        self.page = page

    def find(self, name: str) -> BlockFunction:
        """The first event whose function is called ``name``."""
        return next(each for each in self.page.fns.values() if each.fn and each.fn.__qualname__.endswith(name))

    def press(self, event: BlockFunction, values: dict[str, JsonValue], data: JsonValue = None) -> tuple[bool, list[JsonValue]]:
        """Whether the event succeeded, and its outputs. ``values`` are by the ids of components, the others as at first."""
        inputs = [values.get(each.elem_id or "", each.value) for each in event.inputs if isinstance(each, Component)]
        body = {"data": inputs, "fn_index": event._id, "session_hash": "odd", "event_data": data, "trigger_id": None}
        joined = self.client.post("/gradio_api/queue/join", content=json.dumps(body), headers=JSON)
        assert joined.status_code == 200, joined.text
        stream = self.client.get("/gradio_api/queue/data", params={"session_hash": "odd"})
        assert stream.status_code == 200
        messages = [json.loads(line[len("data: ") :]) for line in stream.text.splitlines() if line.startswith("data: ")]
        assert not [message for message in messages if message["msg"] == "unexpected_error"], messages
        (done,) = [message for message in messages if message["msg"] == "process_completed"]
        return done["success"], done["output"].get("data", [])


def list_files(folder: bytes) -> Iterator[bytes]:
    """Files by their names as the disk has them."""
    for where, _, names in os.walk(folder):
        yield from (os.path.join(where, name) for name in names)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_odd_files(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module")
def odd_jobs(odd: Settings) -> Iterator[Jobs]:
    with Jobs(odd, "engine.testing:ScriptedEngine") as opened:
        yield opened


@pytest.fixture(scope="module")
def door(odd: Settings, odd_jobs: Jobs) -> Iterator[Door]:
    app = create_application(odd, odd_jobs)
    page = next(route.app for route in app.routes if getattr(route, "path", "") == "").get_blocks()  # type: ignore[attr-defined]
    opened = Door(app, page)
    with opened.client:
        yield opened


def test_the_page_and_its_lists_show_files_of_any_name(door: Door) -> None:
    answer = door.client.get("/")
    assert answer.status_code == 200 and "Easel" in answer.text
    assert door.client.get("/config").status_code == 200
    succeeded, (listed, *_) = door.press(door.find("create_checkpoints_tab.<locals>.look_again"), {})
    assert succeeded and f"<small>{len(NAMES)}</small>" in str(listed)


def test_each_file_is_found_by_the_name_that_the_page_gives_it(odd: Settings) -> None:
    inventory = Catalogue(odd).scan()
    assert len(inventory.entries) == len(NAMES) + 1
    for entry in inventory.entries:
        f"{entry.name} {entry.word}".encode()
        for name in (entry.name, name_to_text(str(entry.path)), str(entry.path)):
            assert inventory.find(name, entry.identity.kind).path.samefile(entry.path)


def test_every_picture_of_any_name_is_listed_shown_marked_and_served(door: Door, odd: Settings) -> None:
    succeeded, (thumbs, *_) = door.press(door.find("_wire_search.<locals>.look"), {})
    names = re.findall(r'data-choose="([^"]*)"', json.dumps(thumbs).replace('\\"', '"'))
    there = sum(path.endswith(b".png") for path in list_files(os.fsencode(odd.outputs)))
    assert succeeded and len(names) == there >= len(NAMES)  # another test of this server may have made one more
    for address in re.findall(r'src="([^"]*)"', str(thumbs)):
        assert door.client.get(html.unescape(address)).status_code == 200
    for name in re.findall(r'data-choose="([^"]*)"', str(thumbs)):
        picture = html.unescape(name)
        succeeded, (chosen, _) = door.press(door.find("_wire_choice.<locals>.choose"), {}, {"image": picture})
        assert succeeded and 'data-action="mark"' in str(chosen)
        (address,) = set(re.findall(r'href="([^"]*)" download', str(chosen)))
        assert door.client.get(html.unescape(address)).status_code == 200
        succeeded, (marked, *_) = door.press(door.find("_wire_choice.<locals>.act"), {}, {"image": picture, "action": "mark"})
        assert succeeded and 'data-action="unmark"' in str(marked)


def submit(door: Door, jobs: Jobs, prompt: str) -> str:
    """The prompt of the finished job that was asked for with ``prompt``."""
    asked: dict[str, JsonValue] = {"text-prompt": prompt, "text-negative_prompt": prompt[::-1]}
    succeeded, (said, *_) = door.press(door.find("wire_button.<locals>.submit"), asked)
    assert succeeded
    if len(prompt) > MAX_PROMPT:
        assert "Shorten it" in str(said)
        return make_encodable(prompt)
    (job,) = jobs.jobs(limit=1)
    assert isinstance(list(jobs.watch(job.id))[-1], Finished)
    return job.request.prompt


def walk_prompt(door: Door, jobs: Jobs, text: str) -> None:
    """Everything that a text goes through on the page."""
    assert submit(door, jobs, text) == make_encodable(json.loads(json.dumps(text)))  # which joins pairs
    for name in ("_wire_reading.<locals>.read", "_wire_search.<locals>.look"):
        assert door.press(door.find(name), {"text-prompt": text, "history-words": text})[0]
    saving = door.find("_wire_presets.<locals>.save")
    ids = [each.elem_id or "" for each in saving.inputs if isinstance(each, Component)]
    assert door.press(saving, dict.fromkeys(ids, text))[0]
    assert door.press(door.find("Moment.run"), {})[0], "the page opens again"
    assert door.client.get("/").status_code == 200


@pytest.mark.parametrize("text", ["half \ud83d an emoji \udcff\0 \u202eevil\u2066 a\\ud83d \U0010f0dc", "x" * 2**20])
def test_no_prompt_stops_the_page(text: str, door: Door, odd_jobs: Jobs) -> None:
    walk_prompt(door, odd_jobs, text)


@pytest.mark.long
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ODD)
@example("\ud83d\ude00")
def test_no_prompt_stops_the_page_whatever_is_in_it(door: Door, odd_jobs: Jobs, text: str) -> None:
    walk_prompt(door, odd_jobs, text)


@pytest.mark.parametrize("text", ["\ud83d \udcb0\0\u202e\U0010f0dc"])
def test_no_event_of_the_page_answers_odd_texts_with_500(text: str, door: Door) -> None:
    for event in door.page.fns.values():
        if event.fn is None or not event.queue or inspect.isasyncgenfunction(event.fn):
            continue
        ids = [each.elem_id or "" for each in event.inputs if isinstance(each, Component)]
        fields = (
            "image",
            "picture",
            "action",
            "order",
            "job",
            "name",
            "family",
            "prediction_type",
            "what",
            "which",
            "prompt",
            "negative",
        )
        door.press(event, dict.fromkeys(ids, text), dict.fromkeys(fields, text))


def test_requests_that_are_refused_are_refused_in_words(door: Door) -> None:
    for body in ('{"fn_index": "\\ud83d", "data": ["\\udc00"]}', '["\\ud83d"]', "\\ud83d", '{"\\ud83d": 1}'):
        for path in ("/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset"):
            for encoding in ("utf-8", "utf-16"):
                sent = body.encode(encoding)
                answer = door.client.post(path, content=sent, headers=JSON)
                assert 400 <= answer.status_code < 500, (path, body, answer.text)
    for path in ("/pictures/%ff.png", "/thumbnails/%00.png", "/pictures/%ed%a0%bd.png", "/sketches/%ff", "/scripts/%ff/%ff"):
        assert door.client.get(path).status_code == 404
