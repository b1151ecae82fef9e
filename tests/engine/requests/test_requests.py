from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.requests import (
    DTYPES,
    KINDS,
    MAX_SEED,
    CompareNegative,
    ExecutionPlan,
    ImageToImage,
    Request,
    Resolved,
    StudyNegative,
    TextToImage,
    Upscale,
    check,
    from_json,
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


@given(st.builds(Resolved, request=requests, plan=plans, threads=st.integers(1, 64), environment=st.dictionaries(text, text)))
def test_a_resolved_request_survives_json(resolved: Resolved) -> None:
    assert resolved_from_json(json.loads(json.dumps(resolved_to_json(resolved)))) == resolved


@given(requests)
def test_what_is_in_range_is_accepted(request: Request) -> None:
    check(request)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("steps", 10_000), ("seed", -1), ("seed", 2**80), ("guidance_scale", math.nan),
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
    assert from_json({"kind": "text_to_image", "prompt": "a", "from_the_future": 1}) == TextToImage(prompt="a")
    for damaged in ({}, {"kind": "video"}, {"kind": "image_to_image"}):
        with pytest.raises(RequestError):
            from_json(damaged)
    with pytest.raises(RequestError):
        resolved_from_json({"request": {"kind": "text_to_image"}})


def test_every_kind_has_a_name() -> None:
    assert set(KINDS.values()) == {TextToImage, ImageToImage, CompareNegative, StudyNegative, Upscale}
