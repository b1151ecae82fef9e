"""What a graphics card asks of the steps, tried without one: nothing in two places, nothing waited for, overflow seen late.

Torch's device without memory stands in for the card: it refuses numbers that lie elsewhere and has none to read back.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image

from engine.checkpoints.loaded import LoadedCheckpoint
from engine.errors import CheckpointError
from engine.events import Event, ImageSaved, Notice, Step
from engine.generate import attempt, decode
from engine.generate.context import Beginning, Denoising, ImageContext, Start
from engine.generate.denoise import Denoiser, condition_on_size, draw_noise
from engine.generate.estimate import StepProgress
from engine.generate.precision_guard import Overflowed, PrecisionGuard
from engine.generate.samplers import SCHEDULERS, create
from engine.generate.speed.transfers import CopyToRam
from engine.local import Local
from engine.prompt.encoding.encode import PromptEncodings
from engine.prompt.encoding.text_encoders import Encoding
from engine.requests import ExecutionPlan, Resolved, TextToImage
from engine.stopping import Stop
from tests.engine.checkpoints import tiny
from tests.engine.plan.conftest import MACHINES

CARD = torch.device("meta")
ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=32, height=32, steps=4, seed=1, precision="bfloat16")


class Unseen(PrecisionGuard):
    """A guard that believes everything: what lies on no device cannot be looked at."""

    def check(self, name: str, component: torch.nn.Module, result: torch.Tensor) -> bool:
        return True


def words(loaded: LoadedCheckpoint) -> PromptEncodings:
    width = loaded.unet.config["cross_attention_dim"]
    projected = loaded.text_encoder_2
    pooled = None if projected is None else torch.zeros(1, projected.config.projection_dim)
    said = Encoding(torch.zeros(1, 77, width), pooled)
    return PromptEncodings(((99, said, said),))


def stepped(loaded: LoadedCheckpoint, sampler: str) -> torch.Tensor:
    scheduler, guard = create(sampler, loaded.scheduler_config), Unseen()
    scheduler.set_timesteps(4)
    noise, generator = draw_noise(1, (1, 4, 8, 8))
    resolved = Resolved(request=ASKED, plan=ExecutionPlan(device="meta"), threads=1)
    context = ImageContext(
        loaded=loaded, scheduler=scheduler, resolved=resolved, noise=noise, generator=generator, guard=guard
    )  # fmt: skip
    denoiser = Denoiser(
        network=loaded.unet, device=CARD, scheduler=scheduler, encodings=words(loaded), guidance_scale=7.0,
        guard=guard, size=condition_on_size(loaded, 64, 64), generator=generator,
    )  # fmt: skip
    start = Start(latents=noise * scheduler.init_noise_sigma, timesteps=scheduler.timesteps)
    denoising = Denoising(lambda: Beginning(context=context, start=start, denoiser=denoiser))
    while denoising.advance():
        pass
    return denoising.latents


@pytest.fixture(scope="module")
def on_card() -> Any:
    loaded = tiny.loaded("sd1")
    loaded.unet.to(CARD)
    return loaded


@pytest.mark.parametrize("sampler", SCHEDULERS)
def test_steps_on_a_card_mix_no_devices_and_read_nothing_back(sampler: str, on_card: Any) -> None:
    assert stepped(on_card, sampler).device == CARD


@pytest.mark.parametrize("kind", ["xl", "lcm"])
def test_what_other_families_read_lies_on_the_card_too(kind: str) -> None:
    loaded = tiny.loaded(kind)
    loaded.unet.to(CARD)
    assert stepped(loaded, "Euler").device == CARD


def layer(weight: float, dtype: torch.dtype = torch.float16) -> torch.nn.Linear:
    made = torch.nn.Linear(4, 4, bias=False)
    torch.nn.init.constant_(made.weight, weight)
    return made.to(dtype)


def predict_ahead(network: torch.nn.Module, guard: PrecisionGuard) -> Denoiser:
    """A denoiser that has made one prediction ahead, by a network of one layer."""
    scheduler = create("Euler", {"_class_name": "EulerDiscreteScheduler"})
    denoiser = Denoiser(
        network=network, device=torch.device("cpu"), scheduler=scheduler, encodings=PromptEncodings(()),  # type: ignore[arg-type]
        guidance_scale=1.0, guard=guard, generator=torch.Generator(), ahead=True,
    )  # fmt: skip
    denoiser._accepts(network(torch.full((1, 4), 10.0, dtype=next(network.parameters()).dtype)).float())
    return denoiser


def test_what_ran_ahead_is_looked_at_when_somebody_asks() -> None:
    network = layer(30_000.0)
    with PrecisionGuard() as guard:
        first, second = predict_ahead(network, guard), predict_ahead(network, guard)
        assert guard.raised == {}
        for denoiser in (first, second):  # of two images that overflowed alike, one raises the precision
            with pytest.raises(Overflowed):
                denoiser.settle()
        assert guard.raised == {"transformer": "float32"}
        predict_ahead(network, guard).settle()
    assert network.weight.dtype == torch.float16


def test_a_damaged_network_is_said() -> None:
    with PrecisionGuard() as guard, pytest.raises(CheckpointError, match="damaged"):
        predict_ahead(layer(float("nan"), torch.float32), guard).settle()


def made(local: Local, overflowing: int, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, list[Event]]:
    """An image in bfloat16 whose UNet gives no numbers at call ``overflowing``, on a machine that learnt nothing yet."""
    real, calls = UNet2DConditionModel.forward, 0

    def forward(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = real(self, *given, **named)
        return (answer[0] * float("nan"),) if calls == overflowing else answer

    with monkeypatch.context() as patched:
        patched.setattr(UNet2DConditionModel, "forward", forward)
        events = list(local.run(f"job{overflowing}-{attempt.runs_ahead(CARD)}", ASKED, Stop()))
    (local._state.settings.data / "learnt.json").unlink()
    (path,) = (event.result.path for event in events if isinstance(event, ImageSaved))
    with Image.open(path) as picture:
        return picture.tobytes(), events


def knows_bfloat16(local: Local) -> None:
    cpu = MACHINES["x86 CPU with AVX-512 BF16"].cpu
    local._state = dataclasses.replace(local._state, hardware=dataclasses.replace(local._state.hardware, cpu=cpu))


@pytest.mark.parametrize("previews", [True, False])
@pytest.mark.parametrize("at", [1, 4])
def test_a_picture_whose_step_overflowed_ahead_begins_again(
    at: int, previews: bool, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the image of a run whose first step is seen to overflow at once, and computed again there and then. A preview shows
    the overflow, or else the decoded image."""
    monkeypatch.setattr(StepProgress, "preview_is_due", previews)
    knows_bfloat16(local)
    at_once, _ = made(local, 1, monkeypatch)
    monkeypatch.setattr(attempt, "runs_ahead", lambda device: True)
    later, events = made(local, at, monkeypatch)
    assert any("denoiser (UNet) gave invalid numbers" in event.text for event in events if isinstance(event, Notice))
    seen_after = at if previews else 4
    assert [event.step for event in events if isinstance(event, Step)] == [*range(1, seen_after + 1), 1, 2, 3, 4]
    assert later == at_once


def test_the_next_pictures_steps_do_not_wait_for_a_decoded_one(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets to see the first image before the UNet has begun with the second."""
    monkeypatch.setattr(attempt, "runs_ahead", lambda device: True)
    real, calls, begun = UNet2DConditionModel.forward, 0, threading.Event()
    looked: list[torch.Size] = []

    def forward(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > ASKED.steps:
            begun.set()
        return real(self, *given, **named)

    class Late(CopyToRam):
        def __call__(self) -> torch.Tensor:
            assert begun.wait(60), "the second picture waits for the first"
            looked.append(super().__call__().shape)
            return super().__call__()

    monkeypatch.setattr(StepProgress, "preview_is_due", False)
    monkeypatch.setattr(UNet2DConditionModel, "forward", forward)
    monkeypatch.setattr(decode, "CopyToRam", Late)
    events = list(local.run("job", dataclasses.replace(ASKED, count=2), Stop()))
    assert [event.index for event in events if isinstance(event, ImageSaved)] == [0, 1] and len(looked) == 2


def test_a_decoder_that_overflowed_beside_is_mended_when_it_is_looked_at(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both images are those of a run whose decoder is seen to overflow at once."""
    knows_bfloat16(local)
    real = AutoencoderKL.decode

    def decode(self: Any, latents: torch.Tensor, *given: Any, **named: Any) -> Any:
        answer = real(self, latents, *given, **named)
        return (answer[0] * float("nan"),) if latents.dtype == torch.bfloat16 else answer

    monkeypatch.setattr(AutoencoderKL, "decode", decode)
    pictures, notices = {}, {}
    for ahead in (False, True):
        monkeypatch.setattr(attempt, "runs_ahead", lambda device, ahead=ahead: ahead)
        events = list(local.run(f"job{ahead}", dataclasses.replace(ASKED, count=2), Stop()))
        (local._state.settings.data / "learnt.json").unlink()
        saved = (event.result.path for event in events if isinstance(event, ImageSaved))
        pictures[ahead] = [Image.open(path).tobytes() for path in saved]
        notices[ahead] = [event.text for event in events if isinstance(event, Notice)]
    assert pictures[True] == pictures[False] and len(pictures[True]) == 2
    assert notices[True] == notices[False] and any("decoder (VAE) gave invalid numbers" in text for text in notices[True])
