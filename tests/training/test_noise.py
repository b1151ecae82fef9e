from __future__ import annotations

import torch

from training.noise import add_noise, create_scheduler, sample_timesteps


def test_noise_levels_cover_the_range_and_lean_to_the_noisy() -> None:
    torch.manual_seed(0)
    levels = sample_timesteps(1000, 1000).double()
    assert levels.min() < 10 and levels.max() >= 995
    assert 0.5 < (levels > 500).double().mean() < 0.75


def test_v_and_the_noisy_latents_give_the_latents_back() -> None:
    torch.manual_seed(0)
    signal, latents = create_scheduler().alphas_cumprod, torch.randn(8, 4, 4, 4)
    steps = torch.arange(0, 900, 113)
    seen, v, weight = add_noise(latents, steps, signal)
    a, b = signal[steps].sqrt().view(-1, 1, 1, 1), (1 - signal[steps]).sqrt().view(-1, 1, 1, 1)
    assert torch.allclose(a * seen - b * v, latents, atol=1e-4)
    assert weight.max() == 1.0 and weight[0] < 0.1


def test_the_noisiest_steps_often_see_noise_only() -> None:
    torch.manual_seed(0)
    signal, latents = create_scheduler().alphas_cumprod, torch.full((400, 1, 1, 1), 1e6)
    seen, _, _ = add_noise(latents, torch.full((400,), 999), signal)
    assert 0.4 < (seen.abs() < 100).double().mean() < 0.6
