"""Noise for training and sampling: the schedule, the prediction target, the loss weights."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler

GAMMA = 5.0
"""Min-SNR weighting (Hang et al. 2023) of SNR + 1: the plain v loss up to this SNR, less weight beyond."""
PURE_NOISE_FROM, PURE_NOISE = 960, 0.5
"""From this timestep on, this share of the samples is pure noise, since that is what sampling starts from."""
NOISY_SKEW = 0.65


def create_scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule with v-prediction (Salimans & Ho 2022), sampling from the last timestep on."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=False,
    )


def sample_timesteps(count: int, total: int, device: str = "cpu") -> torch.Tensor:
    """Stratified random timesteps, skewed towards the noisy ones, where the prompt matters most."""
    places = ((torch.rand((), device=device) + torch.arange(count, device=device)) / count % 1.0) ** NOISY_SKEW
    return (places * total).long().clamp(max=total - 1)


def add_noise(
    latents: torch.Tensor, steps: torch.Tensor, signal: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The UNet's input, its target (v), and the loss weight of each image; `signal` is alpha-bar by timestep."""
    noise = torch.randn_like(latents)
    pure = (steps >= PURE_NOISE_FROM) & (torch.rand(len(steps), device=steps.device) < PURE_NOISE)
    kept = torch.where(pure, 0.0, signal[steps])
    a, b = kept.sqrt().view(-1, 1, 1, 1), (1 - kept).sqrt().view(-1, 1, 1, 1)
    ratio = kept / (1 - kept)
    return a * latents + b * noise, a * noise - b * latents, (GAMMA + 1) / torch.clamp(ratio + 1, min=GAMMA + 1)
