"""Every stage for a few steps at tiny size: it learns, stops, goes on, and ends as a folder that diffusers loads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler, StableDiffusionPipeline

from tests.training.tiny import train_autoencoder_a_little, train_diffusion_a_little
from training.all import SHARES, commands
from training.autoencoder import picture_loss, scene_batch
from training.common import Clock, load_state, set_learning_rate
from training.diffusion import new_scheduler, noise_levels, noisy
from training.export import export
from training.take_up import take_up


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_autoencoder_goes_on_from_its_last_weights(tmp_path: Path) -> None:
    train_autoencoder_a_little(tmp_path, steps=3)
    before = load_state(tmp_path / "autoencoder.pt")
    after = train_autoencoder_a_little(tmp_path, steps=2, resume=True)
    assert before["step"] == 3 and after.step == 5
    weights = load_state(tmp_path / "autoencoder.pt")["weights"]
    name = "decoder.conv_out.weight"
    assert not torch.equal(weights[name], before["weights"][name])
    assert (weights[name] - before["weights"][name]).abs().max() < 0.02


def test_a_frozen_encoder_stays_as_it_is(tiny_run: Path, tmp_path: Path) -> None:
    training = train_autoencoder_a_little(tmp_path, steps=1)
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    training.frozen_encoder = True
    training.train_step(batch=2)
    after = training.network.state_dict()
    assert torch.equal(after["encoder.conv_in.weight"], before["encoder.conv_in.weight"])
    assert not torch.equal(after["decoder.conv_in.weight"], before["decoder.conv_in.weight"])


def test_diffusion_goes_on_and_remembers_the_time_it_used(tiny_run: Path) -> None:
    before = load_state(tiny_run / "diffusion.pt")
    after = train_diffusion_a_little(tiny_run, steps=4, resume=True)
    assert before["step"] == 2 and after.step == 4
    assert load_state(tiny_run / "diffusion.pt")["seconds"] > before["seconds"]
    name = "conv_in.weight"
    assert not torch.equal(after.unet.state_dict()[name], before["unet"][name])


def test_training_goes_on_from_an_exported_starter(tiny_run: Path, tmp_path: Path) -> None:
    export(tiny_run, tmp_path / "starter", "a test")
    take_up(tmp_path / "starter", tmp_path / "run")
    picture = train_autoencoder_a_little(tmp_path / "run", steps=1, resume=True)
    words = train_diffusion_a_little(tmp_path / "run", steps=2, resume=True)
    assert (picture.step, words.step) == (1, 2)
    before = load_state(tiny_run / "diffusion.pt")["averages"]
    name = "conv_in.weight"
    assert (words.unet.state_dict()[name] - before[0][name]).abs().max() < 0.01
    before = load_state(tiny_run / "autoencoder.pt")["average"]
    name = "decoder.conv_out.weight"
    assert (picture.network.state_dict()[name] - before[name]).abs().max() < 0.01


def test_the_autoencoder_learns(tmp_path: Path) -> None:
    training = train_autoencoder_a_little(tmp_path, steps=1)
    pictures, masks = scene_batch(0, 2)
    with torch.no_grad():
        first = picture_loss(training.network(pictures).sample, pictures, masks)
    set_learning_rate(training.optimizer, 1e-3)
    for _ in range(30):
        training.step = 0  # the same pictures again
        training.train_step(batch=2)
    with torch.no_grad():
        assert picture_loss(training.network(pictures).sample, pictures, masks) < 0.8 * first


def test_an_exported_run_loads_with_diffusers_and_draws(tiny_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "starter"
    size = export(tiny_run, folder, "a test")
    assert 0 < size < 40e6
    pipeline = StableDiffusionPipeline.from_pretrained(str(folder), local_files_only=True)
    assert {pipeline.unet.dtype, pipeline.vae.dtype, pipeline.text_encoder.dtype} == {torch.float32}
    for scheduler in (None, EulerDiscreteScheduler, DPMSolverMultistepScheduler):
        if scheduler:
            pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
        drawn = pipeline("a cat on the beach", num_inference_steps=2, output_type="np").images[0]
        assert drawn.shape == (64, 64, 3) and np.isfinite(drawn).all()
    texts = [path.read_text() for path in folder.rglob("*.json")]
    assert not any(str(tiny_run) in text for text in texts)


def test_starter_json_names_what_it_knows(tiny_run: Path, tmp_path: Path) -> None:
    export(tiny_run, tmp_path / "starter", "a test")
    card = json.loads((tmp_path / "starter" / "starter.json").read_text())
    assert card["format"] == 1 and card["native_size"] == 64 and len(card["things"]) >= 40
    known = set(card["words"])
    assert {word for thing in card["things"] for word in thing["words"]} <= known
    assert set(card["colours"]) <= known


def test_noise_levels_cover_the_range_and_lean_to_the_noisy() -> None:
    levels = noise_levels(1000, 1000, np.random.default_rng(0)).double()
    assert levels.min() < 10 and levels.max() >= 995
    assert 0.5 < (levels > 500).double().mean() < 0.75


def test_v_and_the_noisy_latents_give_the_latents_back() -> None:
    torch.manual_seed(0)
    signal, latents = new_scheduler().alphas_cumprod, torch.randn(8, 4, 4, 4)
    steps = torch.arange(0, 900, 113)
    seen, v, weight = noisy(latents, steps, signal)
    a, b = signal[steps].sqrt().view(-1, 1, 1, 1), (1 - signal[steps]).sqrt().view(-1, 1, 1, 1)
    assert torch.allclose(a * seen - b * v, latents, atol=1e-4)
    assert weight.max() == 1.0 and weight[0] < 0.1


def test_the_clock_warms_up_and_ends_low() -> None:
    clock = Clock(1, steps=1000)
    rates = [clock.learning_rate(step, 1.0) for step in (0, 100, 300, 999)]
    assert rates[0] < 0.01 and rates[1] == pytest.approx(0.505) and rates[2] == 1.0 and rates[3] < 0.03


def test_one_command_shares_out_its_minutes() -> None:
    lines = commands(100, Path("out"), Path("starter"), members=2)
    assert [line[0] for line in lines] == [f"training.{name}" for name in (*SHARES, "export", "evaluate")]
    minutes = [float(line[line.index("--minutes") + 1]) for line in lines if "--minutes" in line]
    assert sum(minutes) == pytest.approx(100)
