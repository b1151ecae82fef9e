"""Prompts with variants and wildcards, from the request to the images and their records."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from engine.errors import CheckpointError, RequestError
from engine.local import Local
from engine.records import metadata
from engine.requests import CompareNegative, Request, ResolvedTextToImage, StudyNegative, TextToImage
from engine.settings import Settings

Studio = tuple[Local, Settings]
SMALL: dict[str, Any] = {"checkpoint": "sd1", "width": 16, "height": 16, "steps": 1, "scheduler": "DDIM"}


@pytest.fixture(scope="module", autouse=True)
def wildcards(studio: Studio) -> None:
    folder = studio[1].models / "wildcards"
    folder.mkdir()
    (folder / "animal.txt").write_text("# animals\ncat\ndog\nbird\n", "utf-8")
    (studio[1].models.parent / "wildcards").mkdir()
    (studio[1].models.parent / "wildcards" / "lora.txt").write_text("<lora:one:0.5>\n<lora:two:1>\nzorble\n", "utf-8")


def make(studio: Studio, asked: Request) -> list[tuple[ResolvedTextToImage, dict[str, str], bytes]]:
    """For each image of a request: the request in its record, the environment there, and the pixels."""
    made: list[tuple[ResolvedTextToImage, dict[str, str], bytes]] = []
    for result in studio[0].make(asked):
        record = metadata.read(result.path)
        assert record is not None and isinstance(record.resolved.request, ResolvedTextToImage)
        with Image.open(result.path) as image:
            made.append((record.resolved.request, dict(record.resolved.environment), image.convert("RGB").tobytes()))
    return made


def test_each_image_of_a_batch_draws_its_own_prompt_and_its_own_loras(studio: Studio) -> None:
    template = "a {red|blue} __animal__ __lora__"
    made = make(studio, TextToImage(prompt=template, negative_prompt="{fog|rain}", seed=1, count=8, guidance_scale=5.0, **SMALL))
    assert len({request.prompt for request, _, _ in made}) > 3
    assert len({request.negative_prompt for request, _, _ in made}) == 2
    for request, environment, pixels in made:
        assert request.prompt_template == template and "_" not in request.prompt and "{" not in request.prompt
        named = {"lora one": "<lora:one", "lora two": "<lora:two", "embedding zorble": "zorble"}
        assert {name for name in named if name in environment} == {name for name, tag in named.items() if tag in request.prompt}
        plain = TextToImage(**{**vars(request), "prompt_template": None, "negative_template": None})
        assert [again[2] for again in make(studio, plain)] == [pixels]
    again = make(studio, made[5][0])
    assert again[0][0] == made[5][0] and again[0][2] == made[5][2]


def test_a_record_whose_wildcards_changed_is_drawn_as_it_says(studio: Studio) -> None:
    file = studio[1].models / "wildcards" / "weather.txt"
    file.write_text("fog\n", "utf-8")
    (first,) = make(studio, TextToImage(prompt="a __weather__", seed=1, **SMALL))
    file.write_text("rain\n", "utf-8")
    assert make(studio, first[0]) == [first]
    file.unlink()
    assert make(studio, first[0]) == [first]


def test_a_record_with_braces_is_drawn_as_it_says(studio: Studio) -> None:
    (first,) = make(studio, TextToImage(prompt=r"a \{cat|dog\} \__animal__", seed=1, **SMALL))
    assert first[0].prompt == "a {cat|dog} __animal__" and first[0].prompt_template == ""
    (again,) = make(studio, first[0])
    assert again[0] == first[0] and again[2] == first[2]


def test_both_sides_of_a_comparison_have_the_same_prompt(studio: Studio) -> None:
    for seed in range(3):
        asked = CompareNegative(prompt="{a|b|c} __animal__", negative_prompt="{fog|rain}", seed=seed, guidance_scale=5.0, **SMALL)
        given, without = make(studio, asked)
        assert given[0].prompt == without[0].prompt and given[0].negative_prompt in ("fog", "rain")
        assert (without[0].negative_prompt, without[0].negative_template) == ("", "")


def test_a_study_tries_the_terms_that_were_drawn(studio: Studio) -> None:
    asked = StudyNegative(prompt="a", negative_prompt="{fog|rain, snow}, {dog|cat}", seed=2, guidance_scale=5.0, **SMALL)
    results = studio[0].make(asked)
    record = metadata.read(results[0].path)
    assert record is not None
    terms = record.resolved.request.negative_prompt.count(",") + 1
    assert len(results) in (2 + terms, 3 + terms) and "{" not in record.resolved.request.negative_prompt


def test_what_no_image_could_draw_is_said_before_anything_starts(studio: Studio) -> None:
    with pytest.raises(RequestError, match="no wildcard called “gone”"):
        studio[0].make(TextToImage(prompt="a {b|__gone__}", seed=1, **SMALL))
    with pytest.raises(CheckpointError, match="no LoRA called “none”"):
        studio[0].make(TextToImage(prompt="a {b|c|d|<lora:none:1>}", seed=1, count=20, **SMALL))
