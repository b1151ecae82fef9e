"""The trainers at a size that takes seconds."""

from __future__ import annotations

from pathlib import Path

from training.autoencoder import FILE, AutoencoderTraining, load_autoencoder, load_last_network
from training.common import Clock
from training.diffusion import FILE as DIFFUSION
from training.diffusion import DiffusionTraining, LatentPool, load_last_networks
from training.drawers import CHUNK, InProcessDrawer
from training.few_steps import Distillation, create_initial_student
from training.networks import Sizes, create_autoencoder
from training.tokenizer import FOLDER, prepare_tokenizer

SIZES = Sizes(autoencoder=(8, 16, 16), unet=(32, 32), text_width=64, text_layers=1, side=64)


def autoencoder_run(run: Path, steps: int, frozen_encoder: bool = False) -> AutoencoderTraining:
    """Trains for so many steps more."""
    network = load_last_network(run / FILE) if (run / FILE).exists() else create_autoencoder(SIZES)
    training = AutoencoderTraining(run, Clock(1, steps=steps), SIZES, "cpu", network, frozen_encoder=frozen_encoder)
    if training.path.exists():
        training.resume()
    training.run(InProcessDrawer(SIZES.side, SIZES.side, 0), batch=4)
    return training


def pool_of(run: Path) -> LatentPool:
    return LatentPool(load_autoencoder(run / FILE), SIZES, "cpu", CHUNK)


def source(run: Path, first_seed: int = 7) -> InProcessDrawer:
    prepare_tokenizer(run)
    return InProcessDrawer(SIZES.side, SIZES.latent_side, first_seed, run / FOLDER)


def diffusion_run(run: Path, steps: int) -> DiffusionTraining:
    """Trains for so many steps more."""
    path = run / DIFFUSION
    networks = load_last_networks(path, prepare_tokenizer(run)) if path.exists() else None
    training = DiffusionTraining(run, Clock(1, steps=steps), SIZES, "cpu", networks=networks)
    if training.path.exists():
        training.resume()
    training.run(source(run), pool_of(run), batch=4, first_fill=CHUNK)
    return training


def few_steps_run(run: Path, steps: int) -> None:
    student = create_initial_student(run, "cpu", lora_rank=2)
    Distillation(run, Clock(1, steps=steps), "cpu", student).run(source(run), pool_of(run), batch=2, first_fill=CHUNK)
