"""Draws with controls over the tiny checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from engine.events import Notice
from engine.local import Local
from engine.records.blobs import Blobs
from engine.requests import Control, GenerationRequest, TextToImage
from engine.settings import Settings
from engine.stopping import Stop

Studio = tuple[Local, Settings]

SIDE, STEPS = 16, 3


def picture(seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def store(studio: Studio, seed: int = 0) -> str:
    return Blobs(studio[1].data / "blobs").put(picture(seed))


def ask(family: str, *controls: Control, **more: Any) -> TextToImage:
    return TextToImage(
        prompt="a cat", negative_prompt="a dog", checkpoint=family, seed=3, steps=STEPS, width=SIDE, height=SIDE,
        scheduler="DDIM", guidance_scale=4.0, controls=controls, **more,
    )  # fmt: skip


_JOBS = iter(range(1000))


def draw(studio: Studio, request: GenerationRequest) -> tuple[np.ndarray, Sequence[str]]:
    """Pixels of the last image, and the notices."""
    events = list(studio[0].run(f"control{next(_JOBS)}", request, Stop()))
    with Image.open(events[-1].results[-1].path) as image:  # type: ignore[attr-defined]
        return np.asarray(image.convert("RGB"), dtype=np.int16), [each.text for each in events if isinstance(each, Notice)]
