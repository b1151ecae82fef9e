"""The way of a request to the UNet: how many of Easel's own calls lie between, and which thread touches which network."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from engine.events import ImageSaved, Notice
from engine.generate import attempt
from engine.local import Local
from engine.records.blobs import Blobs
from engine.requests import CompareNegative, GenerationRequest, ImageToImage, StudyNegative, TextToImage
from engine.stopping import Stop
from tests.engine.generate.conftest import Engine
from tests.engine.generate.frames import recorded_frames
from tests.engine.plan.conftest import MACHINES

MOST_FRAMES = 6
ASKED: dict[str, Any] = {
    "prompt": "a cat", "negative_prompt": "a dog, rain", "checkpoint": "sd1", "width": 32, "height": 32, "steps": 2, "seed": 1,
}  # fmt: skip


@pytest.mark.parametrize("kind", [TextToImage, ImageToImage, CompareNegative, StudyNegative])
@pytest.mark.parametrize("changes", [{}, {"upscaler": "lanczos"}, {"count": 2}])
def test_few_of_easels_frames_lie_between_a_request_and_the_unet(
    kind: type[GenerationRequest], changes: dict[str, Any], engine: Engine
) -> None:
    given = {"init_image": engine.blobs.put(Image.effect_noise((32, 32), 90).convert("RGB"))} if kind is ImageToImage else {}
    engine.local.make(TextToImage(**ASKED))
    with recorded_frames(engine.local) as stacks:
        engine.local.make(kind(**{**ASKED, **given, **changes}))
    deepest = max(stacks, key=len)
    assert len(deepest) <= MOST_FRAMES, deepest


@pytest.fixture
def overflowing(local: Local, monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """A machine that computes asynchronously, with a decoder that overflows in bfloat16 and a slow encoder. Returns the threads
    in which the VAE is used or cast."""
    cpu = MACHINES["x86 CPU with AVX-512 BF16"].cpu
    local._state = dataclasses.replace(local._state, hardware=dataclasses.replace(local._state.hardware, cpu=cpu))
    monkeypatch.setattr(attempt, "runs_ahead", lambda device: True)
    decode, encode, cast = AutoencoderKL.decode, AutoencoderKL._encode, AutoencoderKL.to
    threads: list[threading.Thread] = []

    def decode_badly(self: Any, latents: torch.Tensor, *given: Any, **named: Any) -> Any:
        threads.append(threading.current_thread())
        pixels = decode(self, latents, *given, **{**named, "return_dict": False})[0]
        return (pixels * float("nan") if latents.dtype == torch.bfloat16 else pixels,)

    def encode_slowly(self: Any, pixels: torch.Tensor) -> torch.Tensor:
        threads.append(threading.current_thread())
        for _ in range(20):  # gives way to whatever else wants to run
            time.sleep(0.005)
        return encode(self, pixels)

    def note_cast(self: Any, *given: Any, **named: Any) -> Any:
        threads.append(threading.current_thread())
        return cast(self, *given, **named)

    monkeypatch.setattr(AutoencoderKL, "decode", decode_badly)
    monkeypatch.setattr(AutoencoderKL, "_encode", encode_slowly)
    monkeypatch.setattr(AutoencoderKL, "to", note_cast)
    return threads


@pytest.mark.parametrize("kind", [TextToImage, ImageToImage, CompareNegative, StudyNegative])
def test_networks_of_the_run_are_touched_by_its_own_thread_alone(
    kind: type[GenerationRequest], local: Local, overflowing: list[threading.Thread]
) -> None:
    blobs = Blobs(local._state.settings.data / "blobs")
    given = {"init_image": blobs.put(Image.effect_noise((32, 32), 90).convert("RGB"))} if kind is ImageToImage else {}
    asked = kind(**{**ASKED, **given, "precision": "bfloat16", "count": 3})
    events = list(local.run("job", asked, Stop()))
    saved = [event.index for event in events if isinstance(event, ImageSaved)]
    assert saved == list(range(len(saved))) and len(saved) >= 2
    assert any("decoder (VAE) gave invalid numbers" in event.text for event in events if isinstance(event, Notice))
    assert set(overflowing) == {threading.current_thread()}
