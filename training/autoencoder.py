"""Trains the autoencoder: 64 x 64 pictures to 16 x 16 x 4 latents and back.

`python -m training.autoencoder --minutes 20 --out DIR` writes DIR/autoencoder.pt every two minutes; `--resume` goes on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from training.common import Clock, MovingAverage, load_state, millions, save_state, set_learning_rate
from training.scenes import NATIVE_SIZE, random_scene, render, thing_mask
from training.team import Team, run_team

KL_WEIGHT = 2e-4
EDGE_WEIGHT = 0.4
SQUARE_WEIGHT = 2.0  # squares bring the right colours early, absolute differences the outlines
THING_WEIGHT = 3.0
FILE = "autoencoder.pt"
LARGEST_NETWORK = 10_000_000  # parameters, for which a team keeps room
SEEDS_A_MEMBER = 10_000_000
FRESH_SEEDS = 10**9  # scenes from here on are never trained on


def new_autoencoder(channels: tuple[int, ...] = (24, 48, 96)) -> Any:
    """An untrained AutoencoderKL that halves the side once per level but the last."""
    levels = len(channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,  # type: ignore[arg-type]
        up_block_types=("UpDecoderBlock2D",) * levels,  # type: ignore[arg-type]
        block_out_channels=channels,  # type: ignore[arg-type]
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=NATIVE_SIZE,
        mid_block_add_attention=False,
    )


def pictures_to_tensor(pictures: list[np.ndarray]) -> torch.Tensor:
    """uint8 pictures to float32 (n, 3, side, side) in -1..1, channels last in memory."""
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return (stacked.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def scene_batch(first_seed: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Drawn scenes, and where their things stand as float32 (n, 1, side, side)."""
    scenes = [random_scene(seed) for seed in range(first_seed, first_seed + count)]
    masks = np.stack([thing_mask(scene, NATIVE_SIZE) for scene in scenes])[:, None]
    return pictures_to_tensor([render(scene) for scene in scenes]), torch.from_numpy(masks)


def edges(pictures: torch.Tensor) -> torch.Tensor:
    """Differences of neighbours across and down, flattened: their L1 keeps outlines sharp."""
    across, down = pictures[..., :, 1:] - pictures[..., :, :-1], pictures[..., 1:, :] - pictures[..., :-1, :]
    return torch.cat([across.flatten(1), down.flatten(1)], 1)


def picture_loss(drawn: torch.Tensor, pictures: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Absolute and squared differences, heavier on things, and absolute differences of edges."""
    difference, weights = drawn - pictures, (1 + THING_WEIGHT * masks) / (1 + THING_WEIGHT * masks.mean())
    pixels = ((difference.abs() + SQUARE_WEIGHT * difference.square()) * weights).mean()
    return pixels + EDGE_WEIGHT * F.l1_loss(edges(drawn), edges(pictures))


def training_loss(autoencoder: Any, pictures: torch.Tensor, masks: torch.Tensor, frozen_encoder: bool) -> torch.Tensor:
    with torch.set_grad_enabled(not frozen_encoder):
        posterior = autoencoder.encode(pictures).latent_dist
        latents = posterior.sample()
    loss = picture_loss(autoencoder.decode(latents).sample, pictures, masks)
    return loss if frozen_encoder else loss + KL_WEIGHT * posterior.kl().mean() / latents[0].numel()


@torch.no_grad()
def psnr(autoencoder: Any, count: int = 48) -> float:
    """Decibels on fresh scenes, the mean over pictures, for values in -1..1."""
    pictures, _ = scene_batch(FRESH_SEEDS, count)
    drawn = autoencoder.decode(autoencoder.encode(pictures).latent_dist.mode()).sample.clamp(-1, 1)
    error = (drawn - pictures).square().flatten(1).mean(1)
    return float((10 * torch.log10(4 / error)).mean())


@torch.no_grad()
def latent_scale(autoencoder: Any, count: int = 96) -> float:
    """What latents must be multiplied by to have a standard deviation of 1."""
    latents = autoencoder.encode(scene_batch(FRESH_SEEDS, count)[0]).latent_dist.mode()
    return float(1 / latents.std())


def load_autoencoder(path: Path) -> Any:
    """The averaged weights of a training state, ready to use, its scaling factor set."""
    state = load_state(path)
    autoencoder = new_autoencoder(tuple(state["channels"]))  # type: ignore[arg-type]
    autoencoder.load_state_dict(state["average"])  # type: ignore[arg-type]
    autoencoder.register_to_config(scaling_factor=float(state["scale"]))  # type: ignore[arg-type]
    return autoencoder.eval().to(memory_format=torch.channels_last)


class AutoencoderTraining:
    """One run: weights, optimiser, average and clock, all saved together in `out/autoencoder.pt`."""

    def __init__(
        self,
        out: Path,
        clock: Clock,
        channels: tuple[int, ...],
        frozen_encoder: bool = False,
        team: Team | None = None,
        seed: int = 0,
    ) -> None:
        torch.manual_seed(seed)  # the same in each member: they start from the same weights
        self.path, self.clock, self.channels, self.frozen_encoder = out / FILE, clock, channels, frozen_encoder
        self.team = team or Team.alone()
        self.network = new_autoencoder(channels).to(memory_format=torch.channels_last)
        self.parameters = list(self.network.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
        self.average = MovingAverage(self.network, 0.998)
        self.step = 0
        self.scale: float | None = None
        torch.manual_seed(seed + 1 + self.team.rank)

    def resume(self) -> None:
        """Goes on from the last weights; with a frozen encoder from the averaged ones, whose latents others know."""
        state = load_state(self.path)
        self.network.load_state_dict(state["average" if self.frozen_encoder else "weights"])  # type: ignore[arg-type]
        self.scale = float(state["scale"]) if self.frozen_encoder else None  # type: ignore[arg-type]
        if state["optimizer"]:
            self.optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        self.average.weights = state["average"]  # type: ignore[assignment]
        self.average.steps = self.step = int(state["step"])  # type: ignore[arg-type]

    def save(self) -> float:
        """Saves, and says how well the averaged weights reconstruct (PSNR in dB)."""
        averaged = new_autoencoder(self.channels).eval()
        averaged.load_state_dict(self.average.weights)
        state = {
            "channels": list(self.channels),
            "step": self.step,
            "weights": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.weights,
            "scale": self.scale or latent_scale(averaged),
        }
        save_state(state, self.path)
        return psnr(averaged)

    def train_step(self, batch: int) -> float:
        first_seed = self.team.rank * SEEDS_A_MEMBER + self.step * batch
        loss = training_loss(self.network, *scene_batch(first_seed, batch), self.frozen_encoder)
        self.optimizer.zero_grad()
        loss.backward()
        self.team.average(self.parameters)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.average.update(self.network)
        self.step += 1
        return float(loss.detach())

    def run(self, batch: int, peak_rate: float, save_seconds: float = 120.0) -> None:
        """Trains until the clock runs out; the leader prints and saves on the way."""
        first, saved, begun, losses = self.step, time.monotonic(), time.monotonic(), []
        while self._agreed_to_go_on(first, peak_rate):
            losses.append(self.train_step(batch))
            if self.team.leads and self.step % 50 == 0:
                rate = (self.step - first) * batch * self.team.size / (time.monotonic() - begun)
                print(f"autoencoder step {self.step} loss {np.mean(losses):.4f} {rate:.1f} pictures/s", flush=True)
                losses = []
            if self.team.leads and time.monotonic() - saved > save_seconds:
                print(f"autoencoder saved at step {self.step}, {self.save():.2f} dB", flush=True)
                saved = time.monotonic()
        if self.team.leads:
            print(f"autoencoder done at step {self.step}, {self.save():.2f} dB", flush=True)

    def _agreed_to_go_on(self, first: int, peak_rate: float) -> bool:
        wanted = self.clock.learning_rate(self.step, peak_rate, warmup=100)
        rate, go_on = self.team.agree(wanted, self.clock.share(self.step - first) < 1)
        set_learning_rate(self.optimizer, rate)
        return go_on


def train_autoencoder(team: Team, options: argparse.Namespace) -> None:
    """A member's whole work: its own scenes, the team's steps."""
    clock = Clock(options.minutes)
    training = AutoencoderTraining(options.out, clock, tuple(options.channels), options.frozen_encoder, team)
    if options.resume and training.path.exists():
        training.resume()
    if team.leads:
        print(f"autoencoder of {millions([training.network]):.2f} M parameters", flush=True)
    training.run(options.batch, options.rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=4, help="pictures a step for each member")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--channels", type=int, nargs="+", default=[24, 48, 96])
    parser.add_argument("--members", type=int, default=2, help="processes that train together, one core each")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--frozen-encoder", action="store_true", help="train the decoder only: latents keep their meaning")
    options = parser.parse_args()
    run_team(options.members, LARGEST_NETWORK, train_autoencoder, (options,))


if __name__ == "__main__":
    main()
