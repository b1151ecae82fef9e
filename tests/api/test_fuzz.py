"""Requests that schemathesis makes from the description of the routes: every answer is one that clients can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, openapi

from engine.json_values import JsonObject
from tests.api.images import decode
from tests.api.serving import Served, serve_api

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text("utf-8"))

REAL, SCRIPTED, LONG = 50, 60, 2000
"""Requests: to the real engine and to the scripted one in every run, and to the scripted one in a long run."""

SECONDS = 120.0

LOCAL = "engine.local:Local"

COSTLY = {
    "steps": 1, "n_iter": 1, "batch_size": 1, "n": 1, "count": 1, "width": 64, "height": 64, "upscaling_resize": 1.0,
    "upscaling_resize_w": 64, "upscaling_resize_h": 64,
}  # fmt: skip
"""Fields that decide how long a picture takes, and the most that is asked of the real engine. Values that cannot be used stay."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    text: str


def list_strategies() -> Iterator[st.SearchStrategy[Case]]:
    """Requests as the description allows them, and, where there is anything to get wrong, others."""
    for found in openapi.from_dict(SCHEMA).get_all_operations():
        operation = found.ok()
        yield operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        if operation.body or operation.query or operation.headers:
            yield operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


CASES = st.one_of(*list_strategies())


def make_cheap(body: JsonObject) -> None:
    """Bound what the real engine is asked for."""
    for name, most in COSTLY.items():
        value = body.get(name)
        if value is None or (isinstance(value, int | float) and value > most):
            body[name] = most


def send(served: Served, case: Case, known: str, cheap: bool) -> Answer:
    """The answer to a request. About half of those that name a job name one that is there."""
    path = dict(case.path_parameters or {})
    if "id" in path and len(str(path["id"])) % 2:
        path["id"] = known
    case.path_parameters = path
    if cheap and isinstance(case.body, dict):
        make_cheap(case.body)
    answer = case.call(base_url=served.url, timeout=SECONDS)
    return Answer(answer.status_code, answer.text)


def check(case: Case, answer: Answer) -> None:
    """No fault, no trace, and a sentence for everything that is refused."""
    where = f"{case.method} {case.path}: {answer.status} {answer.text[:500]}"
    assert answer.status < 500, where
    assert "Traceback" not in answer.text and 'File "' not in answer.text, where
    if answer.status >= 400:
        said = json.loads(answer.text)
        sentence = said["detail"] if "detail" in said else said["error"]["message"]
        assert isinstance(sentence, str) and len(sentence) > 10, where


def attack(served: Served, cases: int, cheap: bool = False) -> None:
    """Send so many requests."""
    with httpx.Client(base_url=served.url, timeout=SECONDS) as client:
        asked = {"kind": "text_to_image", "prompt": "a cat", "steps": 1}
        known = client.post("/easel/v1/jobs", json=asked).json()["id"]

    @settings(max_examples=cases, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=CASES)
    def run(case: Case) -> None:
        check(case, send(served, case, known, cheap))

    run()


def test_the_scripted_engine_answers_every_request(served: Served) -> None:
    attack(served, SCRIPTED)


@pytest.mark.long
def test_the_scripted_engine_answers_very_many(served: Served) -> None:
    attack(served, LONG)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_api(tmp_path_factory.mktemp("real"), engine=LOCAL) as opened:
        yield opened


def test_the_real_engine_answers_every_request(real: Served) -> None:
    attack(real, REAL, cheap=True)


SMALL = {"steps": 1, "width": 64, "height": 64}
A = {**SMALL, "prompt": "a cat", "seed": 1, "override_settings": {"CLIP_stop_at_last_layers": 2}, "cfg_scale": 3}
B = {**SMALL, "prompt": "a red dog", "seed": 2, "sampler_name": "DDIM", "batch_size": 2, "negative_prompt": "rain"}


def draw(served: Served, body: JsonObject) -> list[str]:
    """The pictures' files without their records."""
    answer = httpx.post(f"{served.url}/sdapi/v1/txt2img", json=body, timeout=SECONDS).json()
    return [hashlib.sha256(decode(image).tobytes()).hexdigest() for image in answer["images"]]


def test_no_state_goes_from_one_request_into_the_next(real: Served) -> None:
    first, second, *again = [draw(real, body) for body in (A, B, A, B)]
    assert again == [first, second] and len({*first, *second}) == 3


@pytest.mark.long
@pytest.mark.parametrize("body", [A, B])
def test_pictures_are_those_of_a_fresh_process(real: Served, tmp_path: Path, body: JsonObject) -> None:
    with serve_api(tmp_path, engine=LOCAL) as fresh:
        assert draw(fresh, body) == draw(real, body)
