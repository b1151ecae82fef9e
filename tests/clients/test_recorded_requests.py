"""The requests of programs that cannot run here, replayed: what each sends, and what it reads from the answers.

``recorded_requests.json`` names fields and values only. ``reads`` maps a place in the answer, where ``(json)`` parses a text, to
its value or its kind; ``lacks`` names fields that would make a client take Easel for another program; ``asked`` is what Easel's
own request must hold; ``notes`` are words of the sentences in ``info``, all of them if there are none.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from engine.json_values import JsonObject, JsonValue
from engine.requests import to_json
from tests.api.images import PICTURE, encode, to_base64
from tests.api.serving import Served

RECORDED: dict[str, list[JsonObject]] = json.loads(Path(__file__).with_name("recorded_requests.json").read_text("utf-8"))

MASK = encode(Image.new("L", (32, 24), 255))


@pytest.fixture(scope="module")
def values(client: httpx.Client) -> dict[str, JsonValue]:
    """What stands for words that begin with a dollar sign."""
    image, mask = to_base64(PICTURE), to_base64(MASK)
    return {
        "$image": image, "$data_url": f"data:image/png;base64,{image}",
        "$mask": mask, "$mask_url": f"data:image/png;base64,{mask}",
        "$model": client.get("/sdapi/v1/sd-models").json()[0]["title"], "$options": client.get("/sdapi/v1/options").json(),
    }  # fmt: skip


def fill(template: JsonValue, values: dict[str, JsonValue]) -> JsonValue:
    """``template`` with its words replaced."""
    if isinstance(template, dict):
        return {name: fill(value, values) for name, value in template.items()}
    if isinstance(template, list):
        return [fill(each, values) for each in template]
    return values.get(template, template) if isinstance(template, str) else template


def find(answer: JsonValue, place: str) -> JsonValue:
    """The value at ``place`` of an answer."""
    for part in place.split(".") if place else ():
        if part == "(json)":
            assert isinstance(answer, str)
            answer = json.loads(answer)
        elif isinstance(answer, list):
            answer = answer[int(part)]
        else:
            assert isinstance(answer, dict)
            answer = answer[part]
    return answer


def is_png(value: JsonValue) -> bool:
    return isinstance(value, str) and Image.open(io.BytesIO(base64.b64decode(value, validate=True))).format == "PNG"


KINDS = {
    "png": is_png,
    "text": lambda value: isinstance(value, str) and value != "",
    "any text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def check_notes(answer: JsonObject, words: list[str]) -> None:
    """The sentences in ``info`` hold these words, and there are none if there are no words."""
    notes = find(answer, "info.(json).notes")
    assert isinstance(notes, list) and bool(notes) == bool(words), notes
    assert all(word in " ".join(map(str, notes)) for word in words), notes


def replay(client: httpx.Client, served: Served, recorded: JsonObject, values: dict[str, JsonValue]) -> None:
    """Send one request and read the answer as its client does."""
    method = "get" if "get" in recorded else "post"
    answer = client.request(
        method.upper(), recorded[method], headers=recorded.get("headers"),
        **({"json": fill(recorded["json"], values)} if "json" in recorded else {}),
    )  # fmt: skip
    assert answer.status_code == recorded.get("status", 200), answer.text
    written = answer.json()
    for place, expected in recorded.get("reads", {}).items():
        value = find(written, place)
        assert KINDS[expected](value) if isinstance(expected, str) else value == expected, (place, str(value)[:100])
    assert not [name for name in recorded.get("lacks", ()) if name in written]
    if "asked" in recorded:
        request = to_json(served.jobs.jobs(limit=1)[0].request)
        assert {name: request.get(name) for name in recorded["asked"]} == recorded["asked"]
    if "notes" in recorded:
        check_notes(written, recorded["notes"])


def list_requests() -> Iterator[object]:
    for program, requests in RECORDED.items():
        for number, recorded in enumerate(requests, 1):
            address = recorded.get("get") or recorded["post"]
            yield pytest.param(recorded, id=f"{program} {number}: {address}")


@pytest.mark.parametrize("recorded", [*list_requests()])
def test_a_client_reads_what_it_expects(
    recorded: JsonObject, client: httpx.Client, served: Served, values: dict[str, JsonValue]
) -> None:
    replay(client, served, recorded, values)
