"""Trains the text encoder and the UNet together on latents of drawn scenes.

`python -m training.wide.diffusion --minutes 7 --out DIR` takes DIR/autoencoder.pt and writes
DIR/diffusion.pt; `--resume` goes on from it.

On a CPU one process a core trains. They share the weights in memory, each takes steps of its own, and nobody waits (Recht et al.
2011, Hogwild): quick, and not the same to the bit twice. On a GPU one process trains and all cores draw for it.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.multiprocessing as multiprocessing

from training.common import Clock, load_state, millions, save_state
from training.diffusion import CAPTION_DROP, SCENE_SEEDS, THING_WEIGHT, new_scheduler, noise_levels, noisy
from training.wide.autoencoder import load_autoencoder
from training.wide.drawers import CHUNK, SEEDS_A_DRAWER, WORDINGS, Drawers, Drawn, DrawsHere, Source, Supply
from training.wide.looks import give_looks
from training.wide.machine import Average, add_flags, memory_format, mixed, prepare, to_pictures
from training.wide.networks import LATENT_CHANNELS, MAX_LENGTH, Sizes, new_networks, own_tokenizer, token_ids
from training.wide.optimizer import Optimizer

FILE = "diffusion.pt"
AVERAGE_DECAY = 0.999
POOL = {"cuda": 400_000, "cpu": 16_384}
"""Scenes whose latents are kept, by each process; the oldest go first."""
REUSE = {"cuda": 1, "cpu": 8}
"""Steps that a scene is seen in before the next one is drawn: on a CPU drawing and encoding take the trainer's own time."""
FIRST_FILL = {"cuda": 16_384, "cpu": 512}


Networks = tuple[Any, Any]
"""UNet and text encoder."""


class LatentPool:
    """Latents of drawn scenes with their captions' tokens, on the device: a scene is drawn and encoded once, and used often."""

    def __init__(self, autoencoder: Any, sizes: Sizes, device: str, capacity: int) -> None:
        self.autoencoder, self.device, self.capacity = autoencoder, device, capacity // CHUNK * CHUNK
        side = sizes.latent_side
        self.latents = torch.empty(self.capacity, LATENT_CHANNELS, side, side, dtype=torch.bfloat16, device=device)
        self.masks = torch.empty(self.capacity, 1, side, side, dtype=torch.uint8, device=device)
        self.ids = torch.empty(self.capacity, WORDINGS, MAX_LENGTH, dtype=torch.int32, device=device)
        self.filled, self._next = 0, 0

    @torch.no_grad()
    def add(self, drawn: Drawn) -> None:
        with mixed(self.device):
            posterior = self.autoencoder.encode(to_pictures(drawn.pictures, self.device)).latent_dist
        place = slice(self._next, self._next + CHUNK)
        self.latents[place] = posterior.mode() * self.autoencoder.config.scaling_factor
        self.masks[place, 0], self.ids[place] = drawn.masks, drawn.ids  # type: ignore[assignment] copied to the device
        self._next = (self._next + CHUNK) % self.capacity
        self.filled = min(self.capacity, self.filled + CHUNK)

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Latents, masks and one caption's token ids each, of random scenes."""
        chosen = torch.randint(0, self.filled, (count,), device=self.device)
        wording = torch.randint(0, WORDINGS, (count,), device=self.device)
        return self.latents[chosen].float(), self.masks[chosen].float(), self.ids[chosen, wording]


def first_networks(sizes: Sizes, tokenizer: Any, device: str, seed: int = 0) -> Networks:
    """The networks that training begins with; the words know what things look like."""
    torch.manual_seed(seed)
    unet, text_encoder = new_networks(sizes, tokenizer, device)
    give_looks(text_encoder, tokenizer)
    return unet, text_encoder


class DiffusionTraining:
    """One process's run: both networks, optimiser, averages and clock. `networks` are those that processes share, if they do."""

    def __init__(
        self, out: Path, clock: Clock, sizes: Sizes, device: str, rank: int = 0, networks: Networks | None = None, seed: int = 0
    ) -> None:
        self.path, self.clock, self.sizes, self.device, self.seed, self.rank = out / FILE, clock, sizes, device, seed, rank
        self.tokenizer = own_tokenizer(out)
        self.unet, self.text_encoder = networks or first_networks(sizes, self.tokenizer, device, seed)
        torch.manual_seed(seed + 1 + rank)
        self.optimizer = Optimizer((self.unet, self.text_encoder))
        self.averages = [Average(network, AVERAGE_DECAY) for network in (self.unet, self.text_encoder)]
        self.signal = new_scheduler().alphas_cumprod.to(device)
        self.nothing = token_ids(self.tokenizer, [""]).to(device)
        self.step = 0

    def resume(self) -> None:
        """Takes up the averaged weights, with a fresh optimiser."""
        state: Any = load_state(self.path)
        self.step = int(state["step"])
        for network, average, name in zip((self.unet, self.text_encoder), self.averages, ("unet", "text_encoder"), strict=True):
            network.load_state_dict(state[name])
            average.take(state[name], self.step)

    def save(self) -> None:
        """Saves the averaged weights."""
        state: dict[str, object] = {"sizes": self.sizes.write(), "step": self.step}
        for average, name in zip(self.averages, ("unet", "text_encoder"), strict=True):
            state[name] = {key: value.cpu() for key, value in average.weights().items()}
        save_state(state, self.path)

    def loss(self, pool: LatentPool, batch: int) -> torch.Tensor:
        rng = np.random.default_rng([self.seed, self.step, self.rank])
        latents, masks, ids = pool.draw(batch)
        dropped = torch.rand(batch, 1, device=self.device) < CAPTION_DROP
        levels = noise_levels(batch, len(self.signal), rng).to(self.device)
        seen, target, weight = noisy(latents, levels, self.signal)
        with mixed(self.device):
            text = self.text_encoder(torch.where(dropped, self.nothing, ids.long())).last_hidden_state
            said = self.unet(seen.contiguous(memory_format=memory_format(self.device)), levels, text).sample
        error = ((said.float() - target).square() * (1 + THING_WEIGHT * masks)).mean((1, 2, 3))
        return (error * weight).mean() / (1 + THING_WEIGHT * masks.mean())

    def train_step(self, pool: LatentPool, batch: int, rate: float) -> torch.Tensor:
        loss = self.loss(pool, batch)
        self.optimizer.step(loss, rate)
        self.step += 1
        if self.rank == 0:
            for average in self.averages:
                average.update()
        return loss.detach()

    def run(self, drawers: Source, pool: LatentPool, batch: int, first_fill: int, save_seconds: float = 120.0) -> None:
        """Trains until the clock runs out, with new scenes for old ones as they come. The first process tells and saves."""
        while pool.filled < min(first_fill, pool.capacity):
            pool.add(drawers.next())
        first, begun, saved, parent = self.step, time.monotonic(), time.monotonic(), os.getppid()
        supply = Supply(drawers, REUSE[self.device])
        while self.clock.share(self.step - first) < 1 and os.getppid() == parent:
            for drawn in supply.due((self.step - first) * batch):
                pool.add(drawn)
            loss = self.train_step(pool, batch, self.clock.learning_rate(self.step - first, 1.0))
            if self.rank:
                continue
            if self.step % 100 == 0:
                speed = (self.step - first) * batch / (time.monotonic() - begun)
                what = f"loss {float(loss):.4f} {speed:.0f} pictures/s, {pool.filled} scenes"
                print(f"diffusion step {self.step} {what}", flush=True)
            if time.monotonic() - saved > save_seconds:
                self.save()
                saved = time.monotonic()
        if self.rank == 0:
            self.save()


def load_networks(path: Path, run: Path, device: str = "cpu") -> tuple[Any, Any, Any]:
    """UNet and text encoder of a run, their averaged weights in them, and the tokenizer."""
    state: Any = load_state(path)
    tokenizer = own_tokenizer(run)
    unet, text_encoder = new_networks(Sizes.read(state["sizes"]), tokenizer, device)
    unet.load_state_dict(state["unet"])
    text_encoder.load_state_dict(state["text_encoder"])
    return unet.eval(), text_encoder.eval(), tokenizer


def train(rank: int, options: argparse.Namespace, networks: Networks) -> None:
    """One process's whole work. Of several, each draws its own scenes; a single one has drawers."""
    alone, sizes = options.members == 1, Sizes()
    prepare(options)
    training = DiffusionTraining(options.out, Clock(options.minutes), sizes, options.device, rank, networks)
    if options.resume and training.path.exists():
        training.resume()
    pool = LatentPool(
        load_autoencoder(options.out / "autoencoder.pt", options.device), sizes, options.device, POOL[options.device]
    )
    # The step in a resumed seed: the scenes are new ones.
    first_seed = SCENE_SEEDS + rank * SEEDS_A_DRAWER + training.step * options.batch
    drawn = sizes.side, sizes.latent_side, first_seed, options.out / "tokenizer"
    first_fill = FIRST_FILL[options.device]
    if not alone:
        training.run(DrawsHere(*drawn), pool, options.batch, first_fill)
        return
    with Drawers(options.drawers, *drawn) as drawers:
        training.run(drawers, pool, options.batch, first_fill)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    cuda = torch.cuda.is_available()
    add_flags(parser, minutes=80, batch=512 if cuda else 32)
    parser.add_argument("--members", type=int, default=1 if cuda else os.cpu_count() or 1, help="processes that train together")
    options = parser.parse_args()
    networks = first_networks(Sizes(), own_tokenizer(options.out), options.device)
    print(f"UNet and text encoder of {millions(networks):.1f} M parameters on {options.device}", flush=True)
    if options.members == 1:
        train(0, options, networks)
        return
    options.threads = 1
    for network in networks:
        network.share_memory()
    multiprocessing.spawn(train, (options, networks), nprocs=options.members, join=True)


if __name__ == "__main__":
    main()
