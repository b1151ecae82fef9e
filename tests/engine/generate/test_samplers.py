from __future__ import annotations

import pytest
import torch

from engine.compat.schedulers import takes_generator
from engine.errors import RequestError
from engine.generate.samplers import FLOW_MATCHING, SCHEDULERS, create, find, skip_steps

CHECKPOINT = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
    "steps_offset": 1, "clip_sample": False,
}  # fmt: skip


def target(prediction: str, scheduler: object, noisy: torch.Tensor, clean: float, timestep: torch.Tensor) -> torch.Tensor:
    """What a perfect UNet answers when the image is the constant ``clean``: epsilon or v, of a variance-preserving sample."""
    alpha = scheduler.alphas_cumprod[int(timestep.round())]  # type: ignore[attr-defined]
    epsilon = (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt()
    return epsilon if prediction == "epsilon" else alpha.sqrt() * epsilon - (1 - alpha).sqrt() * clean


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_sampler_finds_the_picture_that_a_perfect_network_points_to(name: str, prediction: str) -> None:
    scheduler = create(name, {**CHECKPOINT, "prediction_type": prediction})
    scheduler.set_timesteps(30)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
    options = {"generator": generator} if takes_generator(scheduler) else {}
    for timestep in scheduler.timesteps:
        noisy = scheduler.scale_model_input(latents, timestep)
        latents = scheduler.step(
            target(prediction, scheduler, noisy, 0.5, timestep), timestep, latents, **options, return_dict=False
        )[0]
    assert (latents - 0.5).abs().mean() < 0.1


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("strength, share", [(0.0, 0.0), (0.01, 0.05), (0.5, 0.5), (1.0, 1.0)])
def test_strength_is_the_share_of_steps_that_run(name: str, strength: float, share: float) -> None:
    scheduler = create(name, CHECKPOINT)
    scheduler.set_timesteps(20)
    begin, timesteps = skip_steps(scheduler, strength)
    assert len(timesteps) + begin == len(scheduler.timesteps)
    assert len(timesteps) == pytest.approx(share * len(scheduler.timesteps), abs=1.5)
    assert bool(len(timesteps)) == (strength > 0)


def test_names_are_found_whatever_their_case() -> None:
    assert find(" euler A") == "Euler a"
    with pytest.raises(RequestError, match="no sampler called"):
        find("Euler z")


def test_the_checkpoints_own_noise_levels_stay() -> None:
    scheduler = create("DPM++ 2M Karras", {**CHECKPOINT, "prediction_type": "v_prediction", "use_karras_sigmas": False})
    assert scheduler.config.prediction_type == "v_prediction"
    assert scheduler.config.beta_end == 0.012
    assert scheduler.config.use_karras_sigmas is True


FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}


@pytest.mark.parametrize("strength", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 4, 30])
@pytest.mark.parametrize("name", FLOW_MATCHING)
def test_flow_matching_finds_the_picture_that_a_perfect_network_points_to(name: str, steps: int, strength: float) -> None:
    scheduler = create(name, FLOW)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    noise, clean = torch.randn(1, 16, 8, 8, generator=generator), torch.full((1, 16, 8, 8), 0.5)
    begin, timesteps = skip_steps(scheduler, strength)
    latents = noise if begin == 0 else scheduler.add_noise(clean, noise, timesteps[:1])
    options = {"generator": generator} if takes_generator(scheduler) else {}
    for timestep in timesteps:
        velocity = (scheduler.scale_model_input(latents, timestep) - clean) / (timestep / 1000)
        latents = scheduler.step(velocity, timestep, latents, **options, return_dict=False)[0]
    assert (latents - clean).abs().mean() < 0.1


def test_the_shift_of_a_flow_matching_checkpoint_stays() -> None:
    for name in FLOW_MATCHING:
        scheduler = create(name, FLOW)
        assert {scheduler.config.get("shift"), scheduler.config.get("flow_shift")} & {3.0} == {3.0}


def test_other_samplers_are_refused_for_flow_matching() -> None:
    with pytest.raises(RequestError, match="Choose one of"):
        create("DDIM", FLOW)
