"""The Speed setting: what it skips, and that batches, masks and Stop do not mind."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.compat.schedulers import create_scheduler, describe_prediction
from engine.errors import CancelledError, RequestError
from engine.events import Step
from engine.generate.speed.extrapolation import Extrapolation
from engine.plan.speed import EXACT, LEAST_STEPS, SPEEDS, Speed
from engine.records import metadata
from engine.requests import SPEEDS as NAMES
from engine.requests import ImageToImage, StudyNegative, TextToImage, check
from engine.stopping import Stop
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
    """How many rows went through a checkpoint's UNet at each call."""

    def __init__(self, engine: Engine, checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[int] = []
        engine.run(asked(checkpoint=checkpoint, steps=1), job())  # loaded from here on
        held = next(h for h in engine.local._state.cache._held.values() if h.entry.name == checkpoint)
        unet = held.loaded.modules["unet"]
        last = unet.get_submodule("conv_out")
        real = last.forward
        monkeypatch.setattr(last, "forward", lambda x: (self.rows.append(len(x)), real(x))[1])


def test_the_words_are_the_tables() -> None:
    assert tuple(SPEEDS) == NAMES
    with pytest.raises(RequestError, match="Speed can be exact, balanced, draft"):
        check(asked(speed="fast"))


PREDICTIONS: dict[str, dict[str, Any]] = {
    "noise": {"class_name": "DDIMScheduler", "prediction_type": "epsilon"},
    "noise, at levels between the trained ones": {
        "class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon", "use_karras_sigmas": True,
    },
    "velocity": {"class_name": "DDIMScheduler", "prediction_type": "v_prediction"},
    "velocity, from noise alone": {
        "class_name": "DDIMScheduler", "prediction_type": "v_prediction", "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    },
    "the image": {"class_name": "DDIMScheduler", "prediction_type": "sample"},
    "flow": {"class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
}  # fmt: skip
"""What networks predict -> a scheduler for them."""


@pytest.mark.parametrize("name", PREDICTIONS)
def test_a_network_that_always_sees_the_same_image_is_extrapolated_without_error(name: str) -> None:
    """Then every step leads to that image, whichever steps run the network."""
    options = dict(PREDICTIONS[name])
    scheduler = create_scheduler(options.pop("class_name"), {"num_train_timesteps": 1000}, options, ())
    scheduler.set_timesteps(12)
    image = 2 * torch.rand(1, 4, 4, 4) - 1
    extrapolation, runs = Extrapolation(Speed(run_every=3), 12, scheduler), 0
    latents = torch.randn(1, 4, 4, 4) * scheduler.init_noise_sigma
    for step, timestep in enumerate(scheduler.timesteps):
        sample, line = scheduler.scale_model_input(latents, timestep), describe_prediction(scheduler, float(timestep))
        ideal = line.of_sample * sample - line.of_image * image
        predicted = extrapolation.extrapolate(step, sample, float(timestep))
        if predicted is None:
            predicted, runs = ideal, runs + 1
            extrapolation.keep(sample, float(timestep), predicted)
        torch.testing.assert_close(predicted, ideal, rtol=1e-3, atol=1e-3)
        latents = scheduler.step(predicted, timestep, latents, return_dict=False)[0]
    assert runs == Speed(run_every=3).count_runs(12) < 7
    assert (latents - image).abs().mean() < 0.2


def test_the_share_of_the_slope_is_followed_and_of_two_predictions_at_one_timestep_the_later_counts() -> None:
    scheduler = create_scheduler("DDIMScheduler", {"prediction_type": "sample"}, {}, ())
    extrapolation, nothing = Extrapolation(Speed(run_every=9), 20, scheduler), torch.zeros(1)
    for timestep, value in ((900.0, 0.0), (800.0, 7.0), (800.0, 1.0)):
        extrapolation.keep(nothing, timestep, torch.full((1,), value))
    found = extrapolation.extrapolate(3, nothing, 700.0)
    assert found is not None and found.item() == pytest.approx(1.5)
    extrapolation.forget()
    assert extrapolation.extrapolate(3, nothing, 700.0) is None


@pytest.mark.parametrize("kind", ["sd1", "xl", "sd2_v"])
@pytest.mark.parametrize("speed", LOSSY)
def test_the_network_runs_as_often_as_the_table_says(
    kind: str, speed: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(engine, kind, monkeypatch)
    engine.run(asked(checkpoint=kind, speed=speed, steps=12), job())
    assert counted.rows == [2] * SPEEDS[speed].count_runs(12) and len(counted.rows) < 8


@pytest.mark.parametrize("scheduler", ["Euler a", "DPM++ 2M", "Heun", "UniPC", "LCM"])
def test_every_sampler_takes_extrapolated_predictions(scheduler: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(engine, "sd1", monkeypatch)
    exact, _ = engine.run(asked(scheduler=scheduler), job())
    whole = len(counted.rows)
    quick, _ = engine.run(asked(scheduler=scheduler, speed="draft"), job())
    other, _ = engine.run(asked(scheduler=scheduler, seed=4), job())
    assert len(counted.rows) - whole < 1.7 * whole
    near, far = (np.abs(np.asarray(exact, float) - np.asarray(each, float)).mean() for each in (quick, other))
    assert near < far


def test_where_the_words_change_from_step_to_step_the_network_runs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(engine, "sd1", monkeypatch)
    engine.run(asked(prompt="a [cat|dog]", speed="draft"), job())
    assert len(counted.rows) == 12
    engine.run(asked(prompt="a [cat:dog:0.5]", speed="draft"), job())
    assert SPEEDS["draft"].count_runs(12) < len(counted.rows) - 12 < 12


@pytest.mark.parametrize("speed", LOSSY)
def test_the_picture_is_another_but_near_and_its_record_says_so(speed: str, engine: Engine) -> None:
    exact, _ = engine.run(asked(), job())
    quick, events = engine.run(asked(speed=speed), job())
    other, _ = engine.run(asked(seed=4), job())
    near, far = (np.abs(np.asarray(exact, float) - np.asarray(each, float)).mean() for each in (quick, other))
    assert 0 < near < far
    record = metadata.read(events[-1].results[0].path)  # type: ignore[attr-defined]
    assert record is not None and isinstance(record.resolved.request, TextToImage)
    assert record.resolved.request.speed == speed and record.resolved.plan.extrapolates
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
    assert max(counted.rows) > 2 and len(counted.rows) % SPEEDS["balanced"].count_runs(12) == 0


@pytest.mark.parametrize("speed", LOSSY)
def test_stop_is_heard_in_a_step_that_skips(speed: str, engine: Engine) -> None:
    stop = Stop()
    with pytest.raises(CancelledError):
        for event in engine.local.run(job(), asked(speed=speed), stop):
            if isinstance(event, Step) and event.step == 1:
                stop.set()
    assert engine.run(asked(speed=speed), job())[0]
