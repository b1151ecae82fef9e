"""A small picture of the latents, for VAEs light and heavy, and for every size."""

from __future__ import annotations

import io

import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from engine.generate import preview
from engine.settings import HOUSE


@pytest.fixture(scope="module")
def light() -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(str(HOUSE / "models" / "starter" / "vae"), local_files_only=True)


@pytest.mark.parametrize(("side", "shown"), [(16, 64), (32, 128), (64, 128), (500, 128)])
def test_a_light_vae_is_its_own_preview_at_every_size(light: AutoencoderKL, side: int, shown: int) -> None:
    flat = torch.full((1, 4, side, side), 0.5)
    small = preview.picture(flat, light)
    assert small is not None
    with Image.open(io.BytesIO(small)) as opened:
        assert opened.size == (shown, shown)
        middle = opened.convert("RGB").getpixel((shown // 2, shown // 2))
    whole = light.decode(torch.full((1, 4, 16, 16), 0.5) / light.config.scaling_factor).sample[0]  # type: ignore[union-attr]
    levels = ((whole[:, 32, 32].clamp(-1, 1) + 1) * 127.5).tolist()
    assert all(abs(seen - level) < 8 for seen, level in zip(middle, levels, strict=True))  # type: ignore[arg-type]


def test_a_wide_picture_stays_wide(light: AutoencoderKL) -> None:
    small = preview.picture(torch.zeros(1, 4, 16, 128), light)
    assert small is not None
    with Image.open(io.BytesIO(small)) as opened:
        assert opened.width > 6 * opened.height


def test_what_is_not_finite_is_not_shown(light: AutoencoderKL) -> None:
    assert preview.picture(torch.full((1, 4, 16, 16), float("nan")), light) is None
