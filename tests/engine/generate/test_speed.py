"""The Speed setting: what it skips, and that batches, masks and Stop do not mind."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.compat.unet_blocks import find_blocks
from engine.errors import CancelledError, RequestError
from engine.events import Step
from engine.generate.speed.feature_cache import FeatureCache
from engine.plan.speed import EXACT, LEAST_STEPS, SPEEDS
from engine.records import metadata
from engine.requests import SPEEDS as NAMES
from engine.requests import ImageToImage, StudyNegative, TextToImage, check
from engine.stopping import Stop
from tests.engine.checkpoints import tiny
from tests.engine.generate.conftest import Engine

LOSSY = [name for name, speed in SPEEDS.items() if speed != EXACT]
_jobs = itertools.count()


def asked(**changes: Any) -> TextToImage:
    usual: dict[str, Any] = {
        "prompt": "a cat", "negative_prompt": "a dog", "checkpoint": "sd1", "width": 32, "height": 32, "steps": 12, "seed": 3,
        "scheduler": "DDIM",
    }  # fmt: skip
    return TextToImage(**{**usual, **changes})


def job() -> str:
    return f"speed{next(_jobs)}"


class Counted:
    """How many rows went through the innermost and the outermost layer of a checkpoint's UNet at each call."""

    def __init__(self, engine: Engine, checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.deep: list[int] = []
        self.outer: list[int] = []
        engine.run(asked(checkpoint=checkpoint, steps=1), job())  # loaded from here on
        held = next(h for h in engine.local._state.cache._held.values() if h.entry.name == checkpoint)
        unet = held.loaded.modules["unet"]
        for layer, counts in ((unet.mid_block.resnets[0].conv1, self.deep), (unet.conv_out, self.outer)):
            real = layer.forward
            monkeypatch.setattr(layer, "forward", lambda x, real=real, counts=counts: (counts.append(len(x)), real(x))[1])


def test_the_words_are_the_tables() -> None:
    assert tuple(SPEEDS) == NAMES
    with pytest.raises(RequestError, match="Speed can be exact, balanced, draft"):
        check(asked(speed="fast"))


@pytest.mark.parametrize("kind", ["sd1", "sd1_inpainting", "xl"])
def test_the_outermost_layer_alone_is_the_whole_unet_where_nothing_below_it_changed(kind: str) -> None:
    pipeline = tiny.pipeline(kind)
    unet, blocks = pipeline.unet, find_blocks(pipeline.unet)
    assert blocks is not None
    features = FeatureCache(blocks, 2)
    words = torch.randn(2, 7, unet.config.cross_attention_dim)
    added = {"text_embeds": torch.randn(2, tiny.WIDTH), "time_ids": torch.ones(2, 6)} if kind == "xl" else None
    given = torch.randn(2, unet.config.in_channels, 8, 8)
    with torch.inference_mode():
        answers = []
        for step in (0, 1):
            with features.skip_layers(step, rows=2):
                answers.append(unet(given, 500, words, added_cond_kwargs=added).sample)
        assert torch.equal(*answers)
        # Other words reach the answer through the outermost layer's attention alone.
        with features.skip_layers(2, rows=2):
            other = unet(given + 0.1, 400, words, added_cond_kwargs=added).sample
        assert torch.equal(other, unet(given + 0.1, 400, words, added_cond_kwargs=added).sample)


@pytest.mark.parametrize("kind", ["sd1", "xl", "sd2_v"])
@pytest.mark.parametrize("speed", LOSSY)
def test_deep_layers_run_as_often_as_the_table_says(
    kind: str, speed: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(engine, kind, monkeypatch)
    engine.run(asked(checkpoint=kind, speed=speed, steps=12), job())
    row = SPEEDS[speed]
    guided = row.guided_steps(12)
    assert counted.outer == [2] * guided + [1] * (12 - guided)
    full = {step for step in range(12) if step % row.full_every == 0} | ({guided} if guided < 12 else set())
    assert len(counted.deep) == len(full) < 12


@pytest.mark.parametrize("speed", LOSSY)
def test_the_picture_is_another_but_near_and_its_record_says_so(speed: str, engine: Engine) -> None:
    exact, _ = engine.run(asked(), job())
    quick, events = engine.run(asked(speed=speed), job())
    other, _ = engine.run(asked(seed=4), job())
    near, far = (np.abs(np.asarray(exact, float) - np.asarray(each, float)).mean() for each in (quick, other))
    assert 0 < near < far
    record = metadata.read(events[-1].results[0].path)  # type: ignore[attr-defined]
    assert record is not None and record.resolved.request.speed == speed
    assert engine.run(asked(speed=speed), job())[0].tobytes() == quick.tobytes()


def test_few_steps_are_exact_whatever_is_asked(engine: Engine) -> None:
    few = asked(steps=LEAST_STEPS - 1)
    exact, _ = engine.run(few, job())
    assert engine.run(dataclasses.replace(few, speed="draft"), job())[0].tobytes() == exact.tobytes()


@pytest.mark.parametrize("kind", ["sd1", "sd1_inpainting"])
@pytest.mark.parametrize("speed", LOSSY)
def test_what_the_mask_keeps_stays_to_the_bit(kind: str, speed: str, engine: Engine) -> None:
    photo = Image.effect_noise((32, 32), 90).convert("RGB")
    mask = Image.new("L", (32, 32), 0)
    mask.paste(255, (0, 0, 16, 32))
    request = ImageToImage(
        **{f.name: getattr(asked(checkpoint=kind, speed=speed, steps=20), f.name) for f in dataclasses.fields(TextToImage)},
        init_image=engine.blobs.put(photo), mask_image=engine.blobs.put(mask), feather=0, strength=0.8,
    )  # fmt: skip
    made, _ = engine.run(request, job())
    kept = (17, 0, 32, 32)
    assert made.crop(kept).tobytes() == photo.crop(kept).tobytes()
    assert made.crop((0, 0, 15, 32)).tobytes() != photo.crop((0, 0, 15, 32)).tobytes()


def test_a_batch_of_pictures_skips_together(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(engine, "sd1", monkeypatch)
    study = StudyNegative(**{**dataclasses.asdict(asked(negative_prompt="a dog, a bird", speed="balanced"))})
    engine.run(study, job())
    assert max(counted.outer) > 2 and len(counted.deep) * 2 == len(counted.outer)


@pytest.mark.parametrize("speed", LOSSY)
def test_stop_is_heard_in_a_step_that_skips(speed: str, engine: Engine) -> None:
    stop = Stop()
    with pytest.raises(CancelledError):
        for event in engine.local.run(job(), asked(speed=speed), stop):
            if isinstance(event, Step) and event.step == 1:
                stop.set()
    assert engine.run(asked(speed=speed), job())[0]
