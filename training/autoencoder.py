"""Trains the autoencoder, 256 x 256 images to 16 x 16 x 16 latents and back: on crops of drawn scenes, then on whole scenes.

`python -m training.autoencoder --minutes 2 --out DIR` writes DIR/autoencoder.pt; `--resume` continues from it. With
`--frozen-encoder` only the decoder is trained, so networks that were trained on the latents remain valid.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from training.common import Clock, MovingAverage, count_millions, load_state, save_state, set_learning_rate
from training.drawers import CHUNK, SceneChunk, Source, Supply, open_source
from training.drawing.styles import STYLES
from training.machine import autocast, choose_memory_format, prepare, read_flags, run_processes, to_images
from training.networks import Sizes, create_autoencoder
from training.painting import render
from training.pyramid import initialise_from_components
from training.scenes import FRESH_SEEDS, create_scene

FILE = "autoencoder.pt"
KL_WEIGHT = 2e-4
EDGE_WEIGHT = 0.4
SQUARE_WEIGHT = 2.0
"""The squared error learns colours early, the absolute error outlines."""
THING_WEIGHT = 3.0
PEAK_RATE = 5e-4
PIECE = 64
"""Side in pixels of the first crops: a sixteenth of the cost of whole images for nearly the same effect."""
WHOLE_FROM = 0.7
"""Share of the time after which whole images are used: their normalisation statistics differ, which was worth 2 dB."""
FIRST_IMAGES, FIRST_SEEDS = 96, 900_000_000
"""The number of scenes that the initial weights are computed from, and their first seed."""
REUSE = {"cuda": 4, "cpu": 12}
"""Crops per image before a new image is drawn."""
AVERAGE_DECAY = 0.998
LATENT_NOISE = 0.25
"""The largest standard deviation of the noise that is added to the latents when the decoder is trained alone, relative to theirs.
A UNet's latents are never exact, and a decoder trained on exact ones turns errors into speckles (Zheng et al. 2025,
arXiv 2510.11690)."""
POOL_BYTES = 4e9
"""Bytes of memory for drawn images; the oldest are replaced."""


def compute_edges(images: torch.Tensor) -> torch.Tensor:
    """Differences between horizontal and vertical neighbours, flattened; their L1 loss keeps outlines sharp."""
    across, down = images[..., :, 1:] - images[..., :, :-1], images[..., 1:, :] - images[..., :-1, :]
    return torch.cat([across.flatten(1), down.flatten(1)], 1)


def image_loss(drawn: torch.Tensor, images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """L1 and L2 loss, weighted higher on things, plus the L1 loss of the edges."""
    difference, weights = drawn - images, (1 + THING_WEIGHT * masks) / (1 + THING_WEIGHT * masks.mean())
    pixels = ((difference.abs() + SQUARE_WEIGHT * difference.square()) * weights).mean()
    return pixels + EDGE_WEIGHT * F.l1_loss(compute_edges(drawn), compute_edges(images))


class ImagePool:
    """The most recently drawn images on the device, uint8 (n, side, side, 3), and the masks of their things."""

    def __init__(self, side: int, device: str) -> None:
        self.capacity = max(CHUNK, int(POOL_BYTES / (side * side * 4 * (1 if device == "cuda" else 8))) // CHUNK * CHUNK)
        self.images = torch.empty(self.capacity, side, side, 3, dtype=torch.uint8, device=device)
        self.masks = torch.empty(self.capacity, side, side, dtype=torch.uint8, device=device)
        self.filled, self._next = 0, 0

    def add(self, drawn: SceneChunk) -> None:
        place = slice(self._next, self._next + CHUNK)
        self.images[place], self.masks[place] = drawn.images, drawn.masks  # type: ignore[assignment] copied to the device
        self._next = (self._next + CHUNK) % self.capacity
        self.filled = min(self.capacity, self.filled + CHUNK)

    def crop(self, count: int, piece: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops of random images at one common random position: float32 (n, 3, piece, piece), and masks (n, 1, piece, piece)."""
        side = self.images.shape[1]
        down, across = (int(torch.randint(0, side - piece + 1, ())) for _ in range(2))
        chosen = torch.randint(0, self.filled, (count,), device=self.images.device)
        cut = slice(down, down + piece), slice(across, across + piece)
        masks = self.masks[:, *cut][chosen][:, None].float()
        return to_images(self.images[:, *cut][chosen], str(self.images.device)), masks


def create_initial_network(sizes: Sizes, device: str, seed: int = 0) -> Any:
    """The autoencoder with its initial weights: principal components of drawn scenes (:mod:`training.pyramid`)."""
    torch.manual_seed(seed)
    network, first = create_autoencoder(sizes), FIRST_SEEDS + seed
    images = np.stack([render(create_scene(first + place), sizes.side) for place in range(FIRST_IMAGES)])
    initialise_from_components(network, to_images(torch.from_numpy(images), "cpu"))
    return network.to(device, memory_format=choose_memory_format(device))


def load_last_network(path: Path, device: str = "cpu") -> Any:
    """The autoencoder of a run with its averaged weights, to continue training."""
    state: Any = load_state(path)
    network = create_autoencoder(Sizes.read(state["sizes"]))
    network.load_state_dict(state["average"])
    return network.to(device, memory_format=choose_memory_format(device))


class AutoencoderTraining:
    """One process of the training: network, optimiser, moving average and clock."""

    def __init__(
        self,
        out: Path,
        clock: Clock,
        sizes: Sizes,
        device: str,
        network: Any,
        rank: int = 0,
        frozen_encoder: bool = False,
        seed: int = 0,
    ) -> None:
        torch.manual_seed(seed + 1 + rank)
        self.path, self.clock, self.sizes, self.device, self.rank = out / FILE, clock, sizes, device, rank
        self.network, self.frozen_encoder = network, frozen_encoder
        for part in (network.encoder, network.quant_conv) if frozen_encoder else ():
            part.requires_grad_(False)
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(parameters, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
        self.average = MovingAverage(self.network, AVERAGE_DECAY)
        self.step = 0

    def resume(self) -> None:
        """Restores the step and the average. The network received these weights before it was shared."""
        state = load_state(self.path)
        self.step = int(state["step"])  # type: ignore[call-overload]
        self.average.take(state["average"], self.step)  # type: ignore[arg-type]

    def save(self) -> None:
        """Saves the averaged weights and the scaling factor, which gives the latents a standard deviation of 1."""
        averaged = create_autoencoder(self.sizes).to(self.device)
        averaged.load_state_dict(self.average.weights())
        weights = {name: value.cpu() for name, value in averaged.state_dict().items()}
        scale = measure_latent_scale(averaged.eval(), self.sizes.side, self.device)
        save_state({"sizes": self.sizes.write(), "step": self.step, "average": weights, "scale": scale}, self.path)

    def train_step(self, pool: ImagePool, batch: int, whole: bool = False) -> torch.Tensor:
        """One step on `batch` crops, or on whole images with about as many pixels in total."""
        side = self.sizes.side if whole or self.frozen_encoder else min(PIECE, self.sizes.side)
        images, masks = pool.crop(max(2, batch * PIECE**2 // side**2), side)
        with autocast(self.device):
            posterior = self.network.encode(images).latent_dist
            latents = posterior.sample()
            if self.frozen_encoder:
                most = LATENT_NOISE * latents.std() * torch.rand(len(latents), 1, 1, 1, device=self.device)
                latents = latents + most * torch.randn_like(latents)
            drawn = self.network.decode(latents).sample
        loss = image_loss(drawn.float(), images, masks) + KL_WEIGHT * posterior.kl().float().mean() / latents[0].numel()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        return loss.detach()

    def run(self, drawers: Source, batch: int, save_seconds: float = 120.0) -> None:
        """Trains until the clock runs out, on the scenes drawn so far, and saves regularly."""
        pool, first, begun, saved = ImagePool(self.sizes.side, self.device), self.step, time.monotonic(), time.monotonic()
        while pool.filled < min(batch, pool.capacity):
            pool.add(drawers.next())
        supply = Supply(drawers, REUSE[self.device])
        while (share := self.clock.share(self.step - first)) < 1:
            for drawn in supply.take_due((self.step - first) * batch):
                pool.add(drawn)
            rate = self.clock.learning_rate(self.step - first, PEAK_RATE, warmup=100, decay_from=0.5)
            set_learning_rate(self.optimizer, rate)
            loss = self.train_step(pool, batch, whole=share >= WHOLE_FROM)
            if self.rank:
                continue
            if self.step % 100 == 0:
                speed = (self.step - first) * batch / (time.monotonic() - begun)
                what = f"loss {float(loss):.4f} {speed:.0f} pieces/s, {pool.filled} pictures"
                print(f"autoencoder step {self.step} {what}", flush=True)
            if time.monotonic() - saved > save_seconds:
                self.save()
                saved = time.monotonic()
        if self.rank == 0:
            self.save()


@torch.no_grad()
def measure_latent_scale(autoencoder: Any, side: int, device: str, count: int = 64) -> float:
    """The scaling factor: 1 over the standard deviation of the latents of scenes that were not trained on."""
    images = torch.from_numpy(np.stack([render(create_scene(FRESH_SEEDS + place), side) for place in range(count)]))
    return float(1 / autoencoder.encode(to_images(images, device)).latent_dist.mode().std())


@torch.no_grad()
def measure_reconstruction(autoencoder: Any, side: int, device: str, count: int = 20) -> dict[str, float]:
    """PSNR in dB on scenes that were not trained on, by style."""
    found: dict[str, list[float]] = {style.name: [] for style in STYLES}
    seed = FRESH_SEEDS
    while any(len(values) < count for values in found.values()):
        scene = create_scene(seed := seed + 1)
        if len(found[scene.style]) == count:
            continue
        image = to_images(torch.from_numpy(render(scene, side).copy())[None], device)
        drawn = autoencoder.decode(autoencoder.encode(image).latent_dist.mode()).sample.clamp(-1, 1)
        found[scene.style].append(float(10 * torch.log10(4 / (drawn - image).square().mean())))
    return {style: float(np.mean(values)) for style, values in found.items()}


def load_autoencoder(path: Path, device: str = "cpu") -> Any:
    """The autoencoder of a run for inference, with averaged weights and scaling factor."""
    autoencoder, state = load_last_network(path, device), load_state(path)
    autoencoder.register_to_config(scaling_factor=float(state["scale"]))  # type: ignore[arg-type]
    return autoencoder.eval()


def train(rank: int, options: argparse.Namespace, networks: Sequence[nn.Module]) -> None:
    """The work of one process."""
    prepare(options)
    sizes, clock = Sizes(), Clock(options.minutes)
    training = AutoencoderTraining(options.out, clock, sizes, options.device, networks[0], rank, options.frozen_encoder)
    if options.resume and training.path.exists():
        training.resume()
    with open_source(options, rank, sizes.side, sizes.side, training.step * options.batch) as drawers:
        training.run(drawers, options.batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frozen-encoder", action="store_true", help="train the decoder alone: latents keep their meaning")
    options = read_flags(parser, minutes=20, batch={"cuda": 256, "cpu": 16})
    path = options.out / FILE
    network = (
        load_last_network(path, options.device)
        if options.resume and path.exists()
        else create_initial_network(Sizes(), options.device)
    )
    print(f"autoencoder of {count_millions([network]):.2f} M parameters on {options.device}", flush=True)
    run_processes(train, options, [network])
    for style, decibels in measure_reconstruction(load_autoencoder(path, options.device), Sizes().side, options.device).items():
        print(f"reconstruction of fresh scenes, {style:<16} {decibels:.2f} dB", flush=True)


if __name__ == "__main__":
    main()
