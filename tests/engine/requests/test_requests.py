from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.json_values import JsonValue
from engine.prompt.draw_prompts import draw_prompts
from engine.prompt.wildcards import Wildcards
from engine.requests import (
    DTYPES,
    KINDS,
    MAX_SEED,
    RESOLVED_KINDS,
    CompareNegative,
    DescribeImage,
    ExecutionPlan,
    GenerationRequest,
    ImageToImage,
    Request,
    Resolved,
    StudyNegative,
    TextToImage,
    Upscale,
    as_asked,
    check,
    complete,
    complete_description,
    complete_upscale,
    from_json,
    kind_of,
    model_of,
    request_at,
    resolved_from_json,
    resolved_to_json,
    to_json,
)

text = st.text(max_size=40)
common = {
    "prompt": text,
    "negative_prompt": text,
    "checkpoint": st.none() | text,
    "width": st.none() | st.integers(8, 4096),
    "height": st.none() | st.integers(8, 4096),
    "steps": st.none() | st.integers(1, 1000),
    "guidance_scale": st.none() | st.floats(0, 100),
    "scheduler": st.none() | text,
    "seed": st.none() | st.integers(0, MAX_SEED),
    "count": st.integers(1, 1000),
    "clip_skip": st.none() | st.integers(0, 11),
    "precision": st.sampled_from(["auto", *DTYPES]),
}
places = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=3).map(tuple)
requests = st.one_of(
    st.builds(TextToImage, **common),
    st.builds(ImageToImage, init_image=text, strength=st.floats(0, 1), mask_image=st.none() | text, **common),
    st.builds(CompareNegative, **common),
    st.builds(StudyNegative, max_terms=st.integers(1, 100), silenced=places, **common),
)
plans = st.builds(
    ExecutionPlan,
    dtypes=st.dictionaries(st.sampled_from(["unet", "vae"]), st.sampled_from(DTYPES)),
    reasons=st.lists(text, max_size=3).map(tuple),
)


@given(requests)
def test_a_request_survives_json(request: Request) -> None:
    assert from_json(json.loads(json.dumps(to_json(request)))) == request


resolved_requests = requests.map(
    lambda request: complete(
        request, checkpoint="a", width=8, height=16, steps=3, guidance_scale=7.5, scheduler="Euler", seed=MAX_SEED, clip_skip=1
    )
)


@given(
    st.builds(
        Resolved, request=resolved_requests, plan=plans, threads=st.integers(1, 64), environment=st.dictionaries(text, text)
    )
)
def test_a_resolved_request_survives_json(resolved: Resolved) -> None:
    assert resolved_from_json(json.loads(json.dumps(resolved_to_json(resolved)))) == resolved


def test_an_upscaler_stands_in_json_where_records_have_had_it() -> None:
    asked = Upscale(images=("a",), upscaler="mine", seed=3)
    assert to_json(asked).items() >= {"kind": "upscale", "checkpoint": "mine", "upscaler": "", "width": None}.items()
    old = {"kind": "upscale", "images": ["a"], "checkpoint": "mine", "upscaler": "", "vae": None, "speed": "exact", "seed": 3}
    assert from_json(old) == replace(asked, prompt_template="", negative_template="")


@given(requests)
def test_a_request_of_a_version_without_variants_is_taken_as_it_is(request: Request) -> None:
    request = replace(request, prompt="{a|b} __c__", negative_prompt="{d|e}")
    old = {name: value for name, value in to_json(request).items() if not name.endswith("_template")}
    drawn = draw_prompts(from_json(old), Wildcards(()))
    assert (drawn.prompt, drawn.negative_prompt) == (request.prompt, request.negative_prompt)


def test_an_upscaler_that_does_not_sample_says_nothing_of_it_in_json() -> None:
    asked = Upscale(images=("a", "b"), steps=20, guidance_scale=9.0, clip_skip=2)
    request = complete_upscale(asked, image="b", upscaler="lanczos", width=8, height=16, tile=32, seed=1)
    written = to_json(request)
    assert [written[name] for name in ("steps", "guidance_scale", "scheduler", "schedule", "clip_skip")] == [None] * 5
    resolved = Resolved(request=request, plan=ExecutionPlan(), threads=1)
    assert resolved_from_json(json.loads(json.dumps(resolved_to_json(resolved)))) == resolved


@given(requests)
def test_a_record_that_leaves_something_open_is_read_as_what_was_asked(request: Request) -> None:
    asked = replace(request, steps=None, prompt_template="", negative_template="")
    resolved = Resolved(request=asked, plan=ExecutionPlan(), threads=1)
    assert resolved_from_json(json.loads(json.dumps(resolved_to_json(resolved)))) == resolved


@given(requests)
def test_what_is_completed_has_nothing_open_and_can_be_opened_again(request: GenerationRequest) -> None:
    decided = {
        "checkpoint": "a", "width": 8, "height": 8, "steps": 1, "guidance_scale": 1.0, "scheduler": "Euler", "schedule": "Karras",
        "guidance_rescale": 0.5,
        "seed": 5, "clip_skip": 0,
    }  # fmt: skip
    resolved = complete(request, **decided)
    assert type(resolved) is RESOLVED_KINDS[kind_of(request)] and vars(resolved).items() >= {**decided, "count": 1}.items()
    assert as_asked(resolved) == replace(request, **decided, count=1, hires=False, prompt_template="", negative_template="")
    assert request_at(resolved, 3).seed == 8


def test_the_images_of_a_job_differ_in_their_seed_or_in_their_strength() -> None:
    asked = ImageToImage(init_image="a", count=2, strengths=(0.25, 0.5))
    first = complete(
        asked, checkpoint="a", width=8, height=8, steps=1, guidance_scale=1.0, scheduler="Euler", seed=5, clip_skip=0
    )
    second = request_at(first, 1)
    assert isinstance(second, ImageToImage) and (second.seed, second.strength, second.strengths) == (5, 0.5, ())


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", "many"), ("steps", 1.5), ("steps", True), ("prompt", 3), ("guidance_scale", "7"), ("prompt", ["a"]), ("vae", {})],
)
def test_a_value_of_another_type_is_refused(field: str, value: JsonValue) -> None:
    with pytest.raises(RequestError, match=field):
        from_json({"kind": "text_to_image", field: value})


@given(requests)
def test_what_is_in_range_is_accepted(request: Request) -> None:
    check(request)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("steps", 10_000), ("guidance_scale", math.nan),
        ("guidance_scale", math.inf), ("guidance_scale", -1.0), ("count", 0), ("width", 0), ("height", 10**9),
        ("clip_skip", 99), ("prompt", "x" * 50_001), ("negative_prompt", "x" * 50_001), ("precision", "float8"),
    ],
)  # fmt: skip
def test_what_no_checkpoint_could_honour_is_refused_in_a_sentence(field: str, value: object) -> None:
    with pytest.raises(RequestError) as refused:
        check(TextToImage(**{field: value}))  # type: ignore[arg-type]
    assert str(refused.value).endswith(".") and "Traceback" not in str(refused.value)


@pytest.mark.parametrize("field, value", [("strength", 1.5), ("strength", math.nan), ("fit", "squeeze"), ("feather", -1)])
def test_a_sketch_request_is_checked_too(field: str, value: object) -> None:
    with pytest.raises(RequestError):
        check(ImageToImage(init_image="x", **{field: value}))  # type: ignore[arg-type]


def test_unknown_fields_are_ignored_and_unknown_kinds_refused() -> None:
    written = to_json(TextToImage(prompt="a"))
    assert from_json({**written, "from_the_future": 1}) == TextToImage(prompt="a")
    for damaged in ({}, {"kind": "video"}, {"kind": "image_to_image"}):
        with pytest.raises(RequestError):
            from_json(damaged)
    with pytest.raises(RequestError):
        resolved_from_json({"request": {"kind": "text_to_image"}})


def test_every_kind_has_a_name() -> None:
    assert set(KINDS.values()) == {TextToImage, ImageToImage, CompareNegative, StudyNegative, Upscale, DescribeImage}


def test_a_request_to_describe_comes_back_resolved_too() -> None:
    asked = DescribeImage(image="a", threshold=0.5)
    assert from_json(to_json(asked)) == asked
    resolved = Resolved(request=complete_description(asked, captioner="blip"), plan=ExecutionPlan(), threads=1)
    assert resolved_from_json(resolved_to_json(resolved)) == resolved
    assert model_of(resolved.request) == "blip" and resolved.request.seed == 0
