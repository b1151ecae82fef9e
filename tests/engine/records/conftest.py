"""Images and resolved requests for the tests of the records."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PIL import Image

from engine.requests import ExecutionPlan, Request, Resolved, ResolvedTextToImage

R = TypeVar("R", bound=Request)


@pytest.fixture
def resolved() -> Resolved:
    return resolved_with(
        ResolvedTextToImage(
            prompt="a cat on the beach",
            negative_prompt="blurry",
            checkpoint="models/star,ter.safetensors",
            width=64,
            height=48,
            steps=20,
            guidance_scale=7.0,
            scheduler="Euler a",
            seed=5,
            clip_skip=2,
        )
    )


def resolved_with(request: R) -> Resolved[R]:
    plan = ExecutionPlan(device="cpu", dtypes={"unet": "bfloat16", "vae": "float32"}, reasons=("No graphics card was found.",))
    environment = {"torch": "2.15.0", "diffusers": "0.42.0", "device": "a processor", "attention": "scaled_dot_product"}
    return Resolved(request=request, plan=plan, threads=2, checkpoint_hash="ab" * 32, environment=environment)


@pytest.fixture
def image() -> Image.Image:
    return textured(64, 48)


def textured(width: int, height: int, seed: int = 0) -> Image.Image:
    """An image with texture at several sizes, as a photo has."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 17 + y / 23), np.sin(x / 9 - y / 31), np.cos(x / 13 + y / 7)], axis=-1)
    small = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    blobs = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), dtype=float)
    noisy = 128 + 55 * waves + 0.5 * (blobs - 128) + rng.normal(0, 6, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "outputs"
