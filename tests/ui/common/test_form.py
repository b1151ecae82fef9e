"""What a person writes into the form, and what the engine is asked."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from engine.prompt.draw_prompts import restore_templates
from engine.requests import MAX_SEED, ResolvedTextToImage, TextToImage
from ui import messages
from ui.common import form
from ui.common.checkpoint_options import Checkpoint
from ui.common.fields import update_field

STARTER = Checkpoint(
    name="starter", label="Starter", native_size=64, size_multiple=8, steps=20, guidance_scale=5.0, scheduler="DDIM"
)
LARGE = dataclasses.replace(STARTER, name="large", native_size=512, steps=25, guidance_scale=7.5, scheduler="Euler a")


def filled(**written: Any) -> dict[str, Any]:
    return {**form.BLANK, "checkpoint": "starter", "prompt": "a cat", **written}


def test_an_untouched_form_asks_for_what_is_best_for_the_checkpoint() -> None:
    asked = form.create_request(filled(), STARTER)
    assert asked == TextToImage(
        prompt="a cat",
        checkpoint="starter",
        width=64,
        height=64,
        steps=20,
        guidance_scale=5.0,
        scheduler="DDIM",
        seed=None,
        count=1,
    )
    assert form.create_request(filled(), LARGE).width == 512


def test_every_field_reaches_the_request() -> None:
    asked = form.create_request(
        filled(
            prompt="a\ndog", negative_prompt="rain", size=form.OWN_SIZE, width="520", height=" 384 ", steps="7",
            guidance_scale="4,5", scheduler="PLMS", seed="0", count="3",
        ),
        LARGE,
    )  # fmt: skip
    assert asked == TextToImage(
        prompt="a\ndog", negative_prompt="rain", checkpoint="large", width=520, height=384, steps=7, guidance_scale=4.5,
        scheduler="PLMS", seed=0, count=3,
    )  # fmt: skip


def test_a_precision_is_asked_for_one_run_alone() -> None:
    assert form.create_request(filled(), STARTER).precision == "auto"
    asked = form.create_request(filled(precision="float32"), STARTER)
    assert asked.precision == "float32" and form.create_request(filled(precision="auto"), STARTER).precision == "auto"


def test_the_largest_seed_is_not_rounded() -> None:
    assert form.create_request(filled(seed=str(MAX_SEED)), STARTER).seed == MAX_SEED


@pytest.mark.parametrize("typed", ["-1", "-1.0", " -1 ", "-1,0", "-99", str(2**64), "9" * 5000])
def test_a_random_seed_in_every_spelling(typed: str) -> None:
    assert form.create_request(filled(seed=typed), STARTER).seed is None


def test_an_odd_size_is_left_for_the_engine_to_snap() -> None:
    assert form.create_request(filled(size=form.OWN_SIZE, width="517"), LARGE).width == 517


@pytest.mark.parametrize(
    ("field", "written", "said"),
    [
        ("steps", "0", "Steps must be from 1 to 1000"),
        ("steps", "10000", "Steps must be from 1 to 1000"),
        ("steps", "2.5", "Steps must be a whole number, not “2.5”."),
        ("steps", "inf", "Steps must be a whole number"),
        ("seed", "abc", "Seed must be a number, not “abc”."),
        ("guidance_scale", "NaN", "The CFG scale must be from 0 to 100"),
        ("guidance_scale", "-3", "The CFG scale must be from 0 to 100"),
        ("guidance_scale", "lots", "CFG scale must be a number"),
        ("count", "0", "The number of pictures must be from 1"),
        ("width", "wide", "Width must be a number"),
        ("width", "0", "The width must be from 8"),
        ("height", "99999", "The height must be from 8 to 16384"),
        ("prompt", "x" * 60_000, "Easel reads up to 50,000"),
    ],
)
def test_what_cannot_be_used_is_said(field: str, written: str, said: str) -> None:
    with pytest.raises(RequestError) as error:
        form.create_request(filled(size=form.OWN_SIZE, **{field: written}), STARTER)
    assert said in str(error.value)


def test_a_prompt_of_twenty_thousand_characters_is_asked_for() -> None:
    assert len(form.create_request(filled(prompt="cat " * 5000), STARTER).prompt) == 20_000


@given(st.dictionaries(st.sampled_from(list(form.BLANK)), st.text() | st.none() | st.integers() | st.floats()))
def test_whatever_arrives_gives_a_request_or_a_sentence(written: dict[str, Any]) -> None:
    try:
        assert isinstance(form.create_request({**form.BLANK, **written}, STARTER), TextToImage)
    except RequestError as error:
        assert str(error).endswith((".", "?"))


@pytest.mark.parametrize("size", list(form.SIZES))
def test_presets_are_sizes_that_the_checkpoint_can_draw(size: str) -> None:
    for checkpoint in (STARTER, LARGE):
        width, height = form.size_preset(size, checkpoint)
        assert width % 8 == height % 8 == 0
        assert min(width, height) >= 0.75 * checkpoint.native_size - 8


def test_the_form_of_a_finished_picture_asks_for_the_same_picture() -> None:
    made_with = TextToImage(
        prompt="a (red:1.2) cat", negative_prompt="dog", checkpoint="large", width=520, height=384, steps=7, guidance_scale=4.5,
        scheduler="PLMS", schedule="Normal", seed=2**60 + 1, clip_skip=0,
    )  # fmt: skip
    again = form.create_request(form.fill_form(made_with, LARGE), LARGE)
    assert again == dataclasses.replace(made_with, clip_skip=None)


def test_a_preset_is_recognised_in_a_finished_picture() -> None:
    width, height = form.size_preset("portrait", LARGE)
    assert form.fill_form(TextToImage(width=width, height=height), LARGE)["size"] == "portrait"


def test_a_kept_form_comes_back_as_it_was() -> None:
    written = filled(size="wide", seed="5", scheduler="PLMS", schedule="Karras")
    assert form.read_stored(written, {"starter": STARTER}, SCHEDULERS, schedules=SCHEDULES) == written


def test_a_kept_form_with_sampler_and_schedule_in_one_is_split() -> None:
    kept = {name: value for name, value in filled(scheduler="DPM++ 2M Karras").items() if name != "schedule"}
    found = form.read_stored(kept, {"starter": STARTER}, SCHEDULERS, schedules=SCHEDULES)
    assert (found["scheduler"], found["schedule"]) == ("DPM++ 2M", "Karras")


def test_fields_that_mean_nothing_to_a_pipeline_of_diffusers_are_hidden() -> None:
    pipeline = dataclasses.replace(STARTER, runs_itself=True)
    for name in form.NOT_OF_PIPELINES:
        assert update_field(name, pipeline)["visible"] is False
        assert update_field(name, STARTER)["visible"] is True
    assert update_field("steps", pipeline)["placeholder"] == messages.PIPELINES_OWN
    assert [value for _, value in update_field("size", pipeline)["choices"]] == [form.BLANK["size"], form.OWN_SIZE]


def test_a_kept_form_with_choices_that_are_gone_is_mended() -> None:
    found = form.read_stored(
        {"checkpoint": "gone", "scheduler": "gone", "schedule": "gone", "size": "gone", "seed": 7, "x": "y"},
        {"large": LARGE},
        SCHEDULERS,
    )
    assert found == {**form.BLANK, "checkpoint": "large"}


@pytest.mark.parametrize("stored", [None, "", [], 7, {"prompt": None}])
def test_a_kept_form_that_is_none_is_a_blank_one(stored: object) -> None:
    assert form.read_stored(stored, {"starter": STARTER}, SCHEDULERS) == {**form.BLANK, "checkpoint": "starter"}


def test_a_record_gives_its_drawn_prompts_and_its_templates_give_themselves() -> None:
    record = ResolvedTextToImage(
        prompt="a {cat} __x__", negative_prompt="fog", prompt_template="a \\{cat\\} {b|\\__x__}", checkpoint="", width=8,
         height=8, steps=1, guidance_scale=1, scheduler="DDIM", seed=1, clip_skip=0,
    )  # fmt: skip
    filled = form.fill_form(record, LARGE)
    assert (filled["prompt"], filled["negative_prompt"]) == ("a \\{cat\\} \\__x__", "fog")
    assert form.fill_form(restore_templates(record), LARGE)["prompt"] == record.prompt_template
    old = TextToImage(prompt="{a|b}", prompt_template="", negative_template="")
    assert form.fill_form(old, LARGE)["prompt"] == "\\{a|b\\}"
