"""OpenAI's own client, as its index publishes it, over real HTTP."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import httpx
import openai
import pytest
from PIL import Image

from engine.requests import ImageToImage
from tests.api.images import PICTURE, decode, encode
from tests.api.serving import Served


@pytest.fixture(scope="module")
def speaking(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="whatever", max_retries=0, timeout=120) as opened:
        yield opened


def test_models_are_listed_and_found(speaking: openai.OpenAI) -> None:
    names = [model.id for model in speaking.models.list()]
    assert names[0] == "starter" and speaking.models.retrieve("starter").id == "starter"
    with pytest.raises(openai.NotFoundError) as error:
        speaking.models.retrieve("gpt-4")
    assert error.value.code == "model_not_found"


def test_pictures_are_generated_in_every_format(speaking: openai.OpenAI, served: Served) -> None:
    made = speaking.images.generate(prompt="a cat", model="starter", n=2, size="64x72", quality="high")
    assert made.data is not None and len(made.data) == 2 and made.size == "64x72"
    assert decode(str(made.data[0].b64_json)).size == (64, 72)
    assert served.jobs.jobs(limit=1)[0].request.steps == 30  # half as many again as the starter's usual 20
    for format in ("png", "jpeg", "webp"):
        made = speaking.images.generate(prompt="a cat", output_format=format, output_compression=50)
        assert made.data and decode(str(made.data[0].b64_json)).format == format.upper()
    made = speaking.images.generate(prompt="a cat", response_format="url")
    assert made.data and made.data[0].url
    assert Image.open(io.BytesIO(httpx.get(made.data[0].url).content)).format == "PNG"


def test_a_model_that_only_openai_has_is_replaced_and_said(served: Served) -> None:
    answer = httpx.post(f"{served.url}/images/generations", json={"prompt": "a cat", "model": "gpt-image-1"}, timeout=60).json()
    assert "gpt-image-1" in answer["easel"][0] and answer["data"][0]["b64_json"]


def test_a_masked_part_is_drawn_anew(speaking: openai.OpenAI, served: Served) -> None:
    mask = Image.new("RGBA", (32, 24), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 16, 24))
    made = speaking.images.edit(image=("a.png", PICTURE), mask=("m.png", encode(mask)), prompt="a dog", size="64x64")
    request = served.jobs.jobs(limit=1)[0].request
    assert made.data and isinstance(request, ImageToImage) and request.mask_image and request.strength == 1.0
    stored = served.settings.data / "blobs" / request.mask_image[:2] / request.mask_image
    with Image.open(stored) as white:
        assert white.getbbox() == (0, 0, 16, 24)


def test_several_images_and_variations(speaking: openai.OpenAI, served: Served) -> None:
    made = speaking.images.edit(image=[("a.png", PICTURE), ("b.png", PICTURE)], prompt="a dog")
    assert made.data and served.jobs.jobs(limit=1)[0].request.prompt == "a dog"
    with pytest.warns(DeprecationWarning):
        assert speaking.images.create_variation(image=("a.png", PICTURE), n=2).data
    assert served.jobs.jobs(limit=1)[0].request.count == 2


def test_partial_images_come_as_a_stream(speaking: openai.OpenAI) -> None:
    events = list(speaking.images.generate(prompt="script: slow", stream=True, partial_images=2))
    kinds = [event.type for event in events]
    assert kinds[-1] == "image_generation.completed" and "image_generation.partial_image" in kinds and len(kinds) <= 3
    assert [event.partial_image_index for event in events[:-1]] == list(range(len(events) - 1))
    assert Image.open(io.BytesIO(base64.b64decode(events[0].b64_json))).size == (64, 64)


def test_errors_are_those_of_openai(speaking: openai.OpenAI) -> None:
    for body in ({"size": "big"}, {"n": 11}, {"background": "transparent"}, {"prompt": "script: fail"}):
        with pytest.raises(openai.BadRequestError) as error:
            speaking.images.generate(**{"prompt": "x", **body})
        assert error.value.type == "invalid_request_error" and error.value.message
    with pytest.raises(openai.BadRequestError, match="not a picture"):
        speaking.images.edit(image=("a.png", b"no picture"), prompt="x")
    with pytest.raises(openai.APIError, match="script says"):
        list(speaking.images.generate(prompt="script: fail", stream=True))
