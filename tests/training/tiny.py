"""The trainers at a size that takes a second."""

from __future__ import annotations

from pathlib import Path

from training.autoencoder import AutoencoderTraining, load_autoencoder
from training.common import Clock
from training.diffusion import DiffusionTraining, Reservoir

CHANNELS = (8, 16, 16)
SIZES: dict[str, object] = {"channels": [32, 32, 32], "text_width": 64, "text_layers": 1}


def train_autoencoder_a_little(run: Path, steps: int, resume: bool = False) -> AutoencoderTraining:
    training = AutoencoderTraining(run, Clock(1, steps=steps), CHANNELS)
    if resume:
        training.resume()
    training.run(batch=2, peak_rate=1e-3)
    return training


def train_diffusion_a_little(run: Path, steps: int, resume: bool = False) -> DiffusionTraining:
    """Trains up to `steps` steps in all."""
    training = DiffusionTraining(run, 1, SIZES, steps=steps)
    if resume:
        training.resume()
    reservoir = Reservoir(load_autoencoder(run / "autoencoder.pt"), 16, first_seed=7)
    reservoir.add(6)
    training.run(reservoir, batch=4, fresh=2)
    return training
