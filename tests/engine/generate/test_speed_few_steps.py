"""The speed "few steps": which LoRA it takes, what it sets by the LoRA's method, and what the record says."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.checkpoints.library.catalogue import Catalogue
from engine.errors import CheckpointError
from engine.events import Finished, Notice, Step
from engine.generate.samplers.few_steps import choose_few_steps
from engine.local import Local
from engine.prompt.draw_prompts import restore_templates
from engine.records import metadata
from engine.requests import GenerationRequest, ImageToImage, TextToImage
from engine.settings import Settings
from tests.engine.checkpoints import tiny
from tests.engine.checkpoints.library.test_few_step_loras import write
from tests.engine.generate.conftest import Engine

ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=32, height=32, seed=1, speed="few_steps")
_jobs = itertools.count()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Over a plain checkpoint, with two LoRAs for few steps, and one that is for few steps itself."""
    folder = tmp_path_factory.mktemp("few")
    settings = Settings(models=folder / "models", data=folder / "data", outputs=folder / "outputs", precision="float32")
    for kind in ("sd1", "lcm"):
        tiny.pipeline(kind).save_pretrained(settings.models / kind)
    write(settings.models, "Hyper-SD15-4steps-lora")
    write(settings.models, "tcd-lora-6steps", seed=2)
    with Local(settings) as local:
        torch.set_num_threads(1)
        yield Engine(local, settings)


def draw(engine: Engine, asked: GenerationRequest) -> tuple[np.ndarray, GenerationRequest, list[str], int]:
    """The image, the request in its record, the notices, and the number of steps."""
    image, events = engine.run(asked, f"few{next(_jobs)}")
    (done,) = (event for event in events if isinstance(event, Finished))
    record = metadata.read(done.results[0].path)
    assert record is not None and isinstance(record.resolved.request, GenerationRequest)
    said = [event.text for event in events if isinstance(event, Notice)]
    return np.asarray(image), record.resolved.request, said, sum(isinstance(event, Step) for event in events)


def test_one_word_sets_lora_steps_guidance_sampler_and_spacing_and_the_record_says_all(engine: Engine) -> None:
    wished = dataclasses.replace(ASKED, steps=25, guidance_scale=7.5, scheduler="DPM++ 2M", schedule="Karras")
    image, made, said, steps = draw(engine, wished)
    assert (made.speed, made.steps, made.guidance_scale) == ("few_steps", 4, 1.0) and steps == 4
    assert (made.scheduler, made.schedule, made.prompt) == ("DDIM", "SGM Uniform", "a cat <lora:Hyper-SD15-4steps-lora:1>")
    assert any(text.startswith("Few steps: the LoRA “Hyper-SD15-4steps-lora” (Hyper-SD), 4 steps") for text in said)
    by_hand = dataclasses.replace(
        ASKED, speed="exact", prompt=made.prompt, steps=4, guidance_scale=1.0, scheduler="DDIM", schedule="SGM Uniform"
    )
    assert np.array_equal(image, draw(engine, by_hand)[0])
    again, repeated, *_ = draw(engine, restore_templates(made))  # type: ignore[arg-type]
    assert np.array_equal(image, again) and repeated == made, "recalled, the LoRA is not added twice"


def test_fewer_steps_may_be_asked_for_and_a_lora_of_the_prompt_is_taken(engine: Engine) -> None:
    _, made, _, steps = draw(engine, dataclasses.replace(ASKED, steps=2))
    assert (made.steps, steps) == (2, 2)
    named = "a cat <lora:tcd-lora-6steps:0.8>"
    _, made, _, steps = draw(engine, dataclasses.replace(ASKED, prompt=named))
    assert (made.prompt, made.scheduler, steps) == (named, "TCD", 6)


def test_drawn_prompts_and_drawings_take_it_too(engine: Engine) -> None:
    _, made, _, _ = draw(engine, dataclasses.replace(ASKED, prompt="a {red|blue} cat"))
    assert made.prompt.endswith(" cat <lora:Hyper-SD15-4steps-lora:1>")
    assert made.prompt_template == "a {red|blue} cat <lora:Hyper-SD15-4steps-lora:1>"
    sketch = engine.blobs.put(Image.new("RGB", (32, 32), "#3366cc"))
    drawn = ImageToImage(prompt="a cat", checkpoint="sd1", seed=1, speed="few_steps", init_image=sketch, strength=0.5)
    _, made, _, steps = draw(engine, drawn)
    assert made.steps == 4 and steps == 2


def test_a_checkpoint_that_is_for_few_steps_is_used_as_it_is(engine: Engine) -> None:
    _, made, said, _ = draw(engine, dataclasses.replace(ASKED, checkpoint="lcm"))
    assert made.prompt == "a cat" and made.scheduler == "LCM" and any("itself is for few steps" in text for text in said)


def test_where_none_fits_it_is_said_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, "film noir")
    tiny.pipeline("sd1").save_pretrained(tmp_path / "sd1")
    inventory = Catalogue(Settings(models=tmp_path, data=tmp_path / "data")).scan()
    with pytest.raises(CheckpointError, match=r"no LoRA for few steps in your folders fits “sd1”.*Checkpoints tab"):
        choose_few_steps(ASKED, inventory.find("sd1"), inventory)


def test_the_starter_has_it_from_the_first_minute() -> None:
    (starter,) = (entry for entry in Catalogue(Settings()).scan().checkpoints() if entry.family.name == "starter")
    assert starter.few_steps is not None and starter.for_drafts.family.steps < starter.family.steps
