"""A picture into words over A1111's API: by what the models folder has, and a sentence where it has nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from engine.checkpoints.captioners.find import NO_CAPTIONER
from tests.api.serving import serve_api
from tests.api.test_a1111 import PICTURE_64
from tests.engine.tiny_captioners import create_blip, create_tagger


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioners")
    create_tagger(folder / "a tagger.onnx")
    create_blip(folder / "some blip")
    return folder


@pytest.fixture(scope="module")
def client(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        serve_api(tmp_path_factory.mktemp("api"), models=models) as served,
        httpx.Client(base_url=served.url, timeout=120) as opened,
    ):
        yield opened


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ({}, "some blip"), ({"model": "clip"}, "some blip"), ({"model": "deepdanbooru"}, "a tagger"),
        ({"model": "a tagger"}, "a tagger"), ({"model": None}, "some blip"),
    ],
)  # fmt: skip
def test_the_words_are_those_of_the_captioner_that_is_meant(client: httpx.Client, asked: dict[str, str], used: str) -> None:
    answer = client.post("/sdapi/v1/interrogate", json={"image": PICTURE_64, **asked})
    assert (answer.status_code, answer.json()) == (200, {"caption": f"a picture as {used} sees it"})


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"model": "none such"}, 404, "clip, deepdanbooru, a tagger, some blip"), ({"image": ""}, 404, "Image not found"),
        ({"image": "bm8gcGljdHVyZQ=="}, 422, "picture"),
    ],
)  # fmt: skip
def test_what_cannot_be_described_is_said(client: httpx.Client, asked: dict[str, str], status: int, said: str) -> None:
    answer = client.post("/sdapi/v1/interrogate", json={"image": PICTURE_64, **asked})
    assert answer.status_code == status and said in answer.json()["detail"]


def test_without_a_captioner_a_sentence_says_what_to_get(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with serve_api(tmp_path, models=tmp_path / "models") as served:
        answer = httpx.post(f"{served.url}/sdapi/v1/interrogate", json={"image": PICTURE_64}, timeout=120)
    assert (answer.status_code, answer.json()["detail"]) == (404, NO_CAPTIONER)
