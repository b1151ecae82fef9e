"""A noise schedule on its whole road: asked for, resolved, run, in the record, in the text for other programs, and recalled."""

from __future__ import annotations

import dataclasses
import uuid

import pytest
from PIL import Image, ImageChops

from engine.errors import CancelledError
from engine.events import Event, Notice, Step
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from engine.records import metadata
from engine.records.recall import recall
from engine.records.record import parameters
from engine.requests import ImageToImage, TextToImage
from engine.stopping import Stop
from tests.engine.generate.conftest import Engine

ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=32, height=32, steps=2, seed=1, precision="float32")


def said(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Notice))


@pytest.mark.parametrize(
    ("sampler", "schedule", "resolved"),
    [
        ("DPM++ 2M", None, ("DPM++ 2M", "Karras")),
        ("DPM++ SDE Karras", None, ("DPM++ SDE", "Karras")),
        ("Euler a", "align your steps", ("Euler a", "Align Your Steps")),
        ("DPM++ 3M SDE", None, ("DPM++ 3M SDE", "Exponential")),
        (None, None, ("DPM++ 2M", "Karras")),
    ],
)
def test_a_pair_is_resolved_drawn_recorded_and_recalled(
    sampler: str | None, schedule: str | None, resolved: tuple[str, str], engine: Engine
) -> None:
    (result,) = engine.local.make(dataclasses.replace(ASKED, scheduler=sampler, schedule=schedule))
    record = metadata.read(result.path)
    assert record is not None
    assert (record.resolved.request.scheduler, record.resolved.request.schedule) == resolved
    assert f"Sampler: {resolved[0]}, Schedule type: {resolved[1]}, " in parameters(record)
    found = recall(result.path, SCHEDULERS, ("sd1",), schedules=SCHEDULES)
    assert found is not None and (found.request.scheduler, found.request.schedule) == resolved and not found.notes
    (again,) = engine.local.make(found.request)
    with Image.open(result.path) as one, Image.open(again.path) as other:
        assert ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getbbox() is None


@pytest.mark.parametrize(
    ("sampler", "schedule", "steps", "words"),
    [
        ("DDIM", "Karras", 2, "cannot follow the noise schedule Karras"),
        ("LCM", None, 60, "runs 50 instead of 60"),
        ("PLMS", None, 1, "PLMS needs 2 steps"),
    ],
)
def test_what_a_sampler_cannot_do_is_replaced_and_said(
    sampler: str, schedule: str | None, steps: int, words: str, engine: Engine
) -> None:
    asked = dataclasses.replace(ASKED, scheduler=sampler, schedule=schedule, steps=steps, guidance_scale=1.0)
    _, events = engine.run(asked, uuid.uuid4().hex[:12])
    assert words in said(events)


@pytest.mark.parametrize("sampler", ["DPM++ SDE", "DPM++ 2M SDE", "LMS", "Euler a"])
def test_a_schedule_goes_with_an_input_image_and_with_stop(sampler: str, engine: Engine) -> None:
    image = engine.blobs.put(Image.effect_noise((32, 32), 90).convert("RGB"))
    fields = {name: value for name, value in vars(ASKED).items() if name not in ("scheduler", "schedule", "steps")}
    asked = ImageToImage(**fields, init_image=image, strength=0.5, steps=6, scheduler=sampler, schedule="Beta")
    drawn, _ = engine.run(asked, uuid.uuid4().hex[:12])
    assert drawn.getextrema() != ((0, 0), (0, 0), (0, 0))
    stop = Stop()
    with pytest.raises(CancelledError):
        for event in engine.local.run(uuid.uuid4().hex[:12], asked, stop):
            if isinstance(event, Step):
                stop.set()


def test_each_image_of_a_job_has_the_noise_of_its_own_seed(engine: Engine) -> None:
    asked = dataclasses.replace(ASKED, scheduler="DPM++ SDE", seed=5)
    _, second = engine.local.make(dataclasses.replace(asked, count=2))
    (alone,) = engine.local.make(dataclasses.replace(asked, seed=6))
    with Image.open(second.path) as one, Image.open(alone.path) as other:
        assert ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getbbox() is None
