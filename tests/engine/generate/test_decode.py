"""Decoding, and the small previews of VAEs light and heavy, at every size."""

from __future__ import annotations

import io

import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from engine.generate.decode import begin_preview
from engine.settings import HOUSE


def render(latents: torch.Tensor, vae: AutoencoderKL) -> bytes | None:
    preview = begin_preview(latents, vae)
    assert preview is not None and preview.is_done
    return preview.render()


@pytest.fixture(scope="module")
def light() -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(str(HOUSE / "models" / "starter" / "vae"), local_files_only=True)


def flat(vae: AutoencoderKL, height: int, width: int, value: float = 0.5) -> torch.Tensor:
    return torch.full((1, vae.config.latent_channels, height, width), value)  # type: ignore[attr-defined]


@pytest.mark.parametrize("side", [8, 16, 64, 500])
def test_a_light_vae_is_its_own_preview_at_every_size(light: AutoencoderKL, side: int) -> None:
    shown = 16 * min(side, 16)
    small = render(flat(light, side, side), light)
    assert small is not None
    with Image.open(io.BytesIO(small)) as opened:
        assert opened.size == (shown, shown)
        middle = opened.convert("RGB").getpixel((shown // 2, shown // 2))
    whole = light.decode(flat(light, 16, 16) / light.config.scaling_factor).sample[0]  # type: ignore[union-attr]
    levels = ((whole[:, 128, 128].clamp(-1, 1) + 1) * 127.5).tolist()
    assert all(abs(seen - level) < 8 for seen, level in zip(middle, levels, strict=True))  # type: ignore[arg-type]


def test_a_wide_picture_stays_wide(light: AutoencoderKL) -> None:
    small = render(flat(light, 16, 128), light)
    assert small is not None
    with Image.open(io.BytesIO(small)) as opened:
        assert opened.width > 6 * opened.height


def test_what_is_not_finite_is_not_shown(light: AutoencoderKL) -> None:
    assert render(flat(light, 16, 16, float("nan")), light) is None
