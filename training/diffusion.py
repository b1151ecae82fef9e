"""Trains the text encoder and the UNet together on latents of drawn scenes.

`python -m training.diffusion --minutes 7 --out DIR` reads DIR/autoencoder.pt and writes DIR/diffusion.pt; `--resume` continues
from it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.autoencoder import FILE as AUTOENCODER
from training.autoencoder import load_autoencoder
from training.common import Clock, MovingAverage, count_millions, load_state, save_state
from training.drawers import CHUNK, WORDINGS, SceneChunk, Source, Supply, open_source
from training.grounding import NOWHERE, AttentionRecorder
from training.looks import set_looks
from training.machine import autocast, choose_memory_format, prepare, read_flags, run_processes, to_images
from training.networks import LATENT_CHANNELS, Sizes, create_networks
from training.noise import add_noise, create_scheduler, sample_timesteps
from training.optimizer import Optimizer
from training.parts import SLOTS, Looks, create_reader, looks_loss
from training.tokenizer import FOLDER, MAX_LENGTH, prepare_tokenizer, tokenize

FILE = "diffusion.pt"
SCENE_SEEDS = 2_000_000
CAPTION_DROP = 0.1
"""The probability of an empty caption, for classifier-free guidance (Ho & Salimans 2022)."""
THING_WEIGHT = 4.0
LOOKS_WEIGHT, PLACES_WEIGHT = 0.5, 0.05
"""Weights of the padding's loss and of the cross-attention loss, relative to the diffusion loss."""
READ_ALONE = 1
"""How many captions of several things are read by the text encoder alone, per caption that the UNet is trained on as well: the
looks of two things are harder to learn than of one, and a caption costs a fifteenth of an image."""
AVERAGE_DECAY = 0.999
POOL = {"cuda": 600_000, "cpu": 16_384}
"""Scenes whose latents each process keeps; the oldest are replaced."""
REUSE = {"cuda": 1, "cpu": 8}
"""Steps per scene before a new one is drawn: on a CPU, drawing and encoding compete with training."""
FIRST_FILL = {"cuda": 8192, "cpu": 512}
AT_ONCE = {"cuda": 8, "cpu": 1}
"""Chunks that are encoded in one batch."""
FULL_RATE = {"cuda": 2.5, "cpu": 1.0}
"""Factor on the optimiser's learning rates: the larger batch of a GPU allows larger steps."""
WARM_UP = 3
"""Steps on a GPU before the CUDA graph is captured."""

Networks = tuple[Any, Any, Any]
"""UNet, text encoder, and the reader that predicts parts of things from its states; the reader is not exported."""
NAMES = ("unet", "text_encoder", "reader")


@dataclass(frozen=True)
class Batch:
    """Scenes to train on.

    Latents; masks of things (n, 1, side, side); token ids (n, MAX_LENGTH); rows of looks (n, SLOTS); and for each side of the
    UNet's levels the token that each cell should attend to, (n, SLOTS, side, side).
    """

    latents: torch.Tensor
    masks: torch.Tensor
    ids: torch.Tensor
    shown: torch.Tensor
    places: dict[int, torch.Tensor]


class LatentPool:
    """Latents of drawn scenes with the token ids of their captions and the rows of their things' looks, on the device.

    Each scene is drawn and encoded once, and used several times.
    """

    def __init__(self, autoencoder: Any, sizes: Sizes, device: str, capacity: int) -> None:
        self.autoencoder, self.device, self.capacity = autoencoder, device, capacity // CHUNK * CHUNK
        side = sizes.latent_side
        self.latents = torch.empty(self.capacity, LATENT_CHANNELS, side, side, dtype=torch.bfloat16, device=device)
        self.masks = torch.empty(self.capacity, 1, side, side, dtype=torch.uint8, device=device)
        self.ids = torch.empty(self.capacity, WORDINGS, MAX_LENGTH, dtype=torch.int32, device=device)
        self.looks = Looks(autoencoder, sizes, device)
        self.shown = torch.zeros(self.capacity, SLOTS, dtype=torch.int64, device=device)
        self.places = {
            one: torch.zeros(self.capacity, SLOTS, one, one, dtype=torch.uint8, device=device) for one in (side, side // 2)
        }
        self.filled, self._next = 0, 0
        self._bound = torch.zeros((), device=device)
        self._beside = torch.cuda.Stream() if device == "cuda" else None

    @torch.no_grad()
    def add(self, chunks: Sequence[SceneChunk]) -> None:
        """Adds chunks, at most as many as fit; they replace the oldest."""
        with torch.cuda.stream(self._beside):
            images, masks, ids, _, shown, places, coarse = (
                torch.cat(parts).to(self.device) for parts in zip(*(chunk.parts() for chunk in chunks), strict=True)
            )
            with autocast(self.device):
                latents = self.autoencoder.encode(to_images(images, self.device)).latent_dist.mode()
            latents = (latents * self.autoencoder.config.scaling_factor).bfloat16()
        found = latents, masks[:, None], ids, shown, places, coarse
        if self._beside:
            now = torch.cuda.current_stream()
            now.wait_stream(self._beside)
            for part in found:
                part.record_stream(now)
        place = (torch.arange(len(images), device=self.device) + self._next) % self.capacity
        for kept, new in zip((self.latents, self.masks, self.ids, self.shown, *self.places.values()), found, strict=True):
            kept[place] = new
        self._next = (self._next + len(images)) % self.capacity
        self.filled = min(self.capacity, self.filled + len(images))
        self._bound.fill_(self.filled)

    def draw_captions(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and rows of looks of captions, preferably of several things. Never synchronises with the device."""
        chosen = self._random(4 * count)
        many = self.shown[chosen, 1].clamp(max=1) + 0.5 * torch.rand(4 * count, device=self.device)
        chosen = chosen[many.topk(count).indices]
        wording = torch.randint(0, WORDINGS, (count,), device=self.device)
        return self.ids[chosen, wording].long(), self.shown[chosen]

    def _random(self, count: int) -> torch.Tensor:
        return (torch.rand(count, device=self.device) * self._bound).long().clamp(max=self.capacity - 1)

    def draw(self, count: int) -> Batch:
        """Random scenes, each with one of its captions. Never synchronises with the device."""
        chosen = self._random(count)
        wording = torch.randint(0, WORDINGS, (count,), device=self.device)
        places = {side: tokens[chosen] for side, tokens in self.places.items()}
        return Batch(
            self.latents[chosen].float(), self.masks[chosen].float(), self.ids[chosen, wording].long(), self.shown[chosen], places
        )


def create_initial_networks(sizes: Sizes, tokenizer: Any, device: str, seed: int = 0) -> Networks:
    """The networks with their initial weights; the word embeddings start from the looks of things (:mod:`training.looks`)."""
    torch.manual_seed(seed)
    unet, text_encoder = create_networks(sizes, tokenizer, device)
    set_looks(text_encoder, tokenizer)
    return unet, text_encoder, create_reader(sizes).to(device)


def load_last_networks(path: Path, tokenizer: Any, device: str = "cpu") -> Networks:
    """The networks of a run with their averaged weights, to continue training."""
    state: Any = load_state(path)
    sizes = Sizes.read(state["sizes"])
    networks = (*create_networks(sizes, tokenizer, device), create_reader(sizes).to(device))
    for network, name in zip(networks, NAMES, strict=True):
        network.load_state_dict(state[name])
    return networks


class DiffusionTraining:
    """One process of the training: networks, optimiser, averages and clock. `networks` are those that processes share, if any."""

    def __init__(
        self,
        out: Path,
        clock: Clock,
        sizes: Sizes,
        device: str,
        rank: int = 0,
        networks: Sequence[Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.path, self.clock, self.sizes, self.device, self.rank = out / FILE, clock, sizes, device, rank
        self.tokenizer = prepare_tokenizer(out)
        self.networks = networks or create_initial_networks(sizes, self.tokenizer, device, seed)
        self.unet, self.text_encoder, self.reader = self.networks
        self.attention = AttentionRecorder(self.unet)
        torch.manual_seed(seed + 1 + rank)
        self.optimizer = Optimizer(self.networks)
        self.averages = [MovingAverage(network, AVERAGE_DECAY) for network in self.networks]
        self.signal = create_scheduler().alphas_cumprod.to(device)
        self.nothing = tokenize(self.tokenizer, [""]).to(device)
        self.end = int(self.nothing[0, 1])
        self.step = 0

    def resume(self) -> None:
        """Restores the step and the averages. The networks received these weights before they were shared."""
        state: Any = load_state(self.path)
        self.step = int(state["step"])
        for average, name in zip(self.averages, NAMES, strict=True):
            average.take(state[name], self.step)

    def save(self) -> None:
        """Saves the averaged weights."""
        state: dict[str, object] = {"sizes": self.sizes.write(), "step": self.step}
        for average, name in zip(self.averages, NAMES, strict=True):
            state[name] = {key: value.cpu() for key, value in average.weights().items()}
        save_state(state, self.path)

    def loss(self, pool: LatentPool, batch: int) -> torch.Tensor:
        scenes = pool.draw(batch)
        dropped = torch.rand(batch, 1, device=self.device) < CAPTION_DROP
        levels = sample_timesteps(batch, len(self.signal), self.device)
        seen, target, weight = add_noise(scenes.latents, levels, self.signal)
        with autocast(self.device):
            more, more_shown = pool.draw_captions(READ_ALONE * batch)
            ids = torch.cat([torch.where(dropped, self.nothing, scenes.ids), more])
            text = self.text_encoder(ids).last_hidden_state
            said = self.unet(seen.contiguous(memory_format=choose_memory_format(self.device)), levels, text[:batch]).sample
        error = ((said.float() - target).square() * (1 + THING_WEIGHT * scenes.masks)).mean((1, 2, 3))
        denoising = (error * weight).mean() / (1 + THING_WEIGHT * scenes.masks.mean())
        looks = pool.looks.table[torch.cat([torch.where(dropped, 0, scenes.shown), more_shown])]
        told = looks_loss(self.reader, text, ids, self.end, looks)
        looked = self.attention.loss(
            {side: torch.where(dropped[..., None, None], NOWHERE, t) for side, t in scenes.places.items()}
        )
        return denoising + LOOKS_WEIGHT * told + PLACES_WEIGHT * looked

    def learn(self, pool: LatentPool, batch: int) -> torch.Tensor:
        loss = self.loss(pool, batch)
        self.optimizer.step(loss)
        return loss.detach()

    def _record(self, pool: LatentPool, batch: int) -> Callable[[], torch.Tensor]:
        """A training step as one CUDA graph, which launches thousands of small kernels at once."""
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                self.learn(pool, batch)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self.learn(pool, batch)

        def replay() -> torch.Tensor:
            graph.replay()
            return loss

        return replay

    def take(self, pool: LatentPool, chunks: Sequence[SceneChunk]) -> None:
        """Adds new scenes to the pool and computes the looks of their things."""
        pool.add(chunks)
        pool.looks.add({row for chunk in chunks for row in chunk.shown.flatten().tolist()})

    def train_step(self, learn: Callable[[], torch.Tensor], share: float) -> torch.Tensor:
        """One step at `share` of the full learning rates."""
        self.optimizer.set_share(share)
        loss = learn()
        self.step += 1
        if self.rank == 0:
            for average in self.averages:
                average.update()
        return loss

    def run(self, drawers: Source, pool: LatentPool, batch: int, first_fill: int, save_seconds: float = 120.0) -> None:
        """Trains until the time is up, replacing old scenes by new ones. The first process reports and saves."""
        while pool.filled < min(first_fill, pool.capacity):
            self.take(pool, [drawers.next() for _ in range(AT_ONCE[self.device])])
        self.optimizer.set_share(0.0)
        learn = self._record(pool, batch) if self.device == "cuda" else lambda: self.learn(pool, batch)
        first, begun, saved, parent = self.step, time.monotonic(), time.monotonic(), os.getppid()
        supply, waiting = Supply(drawers, REUSE[self.device]), list[SceneChunk]()
        while self.clock.share(self.step - first) < 1 and os.getppid() == parent:
            waiting.extend(supply.take_due((self.step - first) * batch))
            while len(waiting) >= AT_ONCE[self.device]:
                self.take(pool, waiting[: AT_ONCE[self.device]])
                del waiting[: AT_ONCE[self.device]]
            loss = self.train_step(learn, self.clock.learning_rate(self.step - first, FULL_RATE[self.device]))
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


def load_networks(run: Path, device: str = "cpu") -> tuple[Any, Any, Any]:
    """UNet and text encoder of a run for inference, with averaged weights, and the tokenizer."""
    tokenizer = prepare_tokenizer(run)
    unet, text_encoder, _ = load_last_networks(run / FILE, tokenizer, device)
    return unet.eval(), text_encoder.eval(), tokenizer


def train(rank: int, options: argparse.Namespace, networks: Sequence[nn.Module]) -> None:
    """The work of one process."""
    sizes = Sizes()
    prepare(options)
    training = DiffusionTraining(options.out, Clock(options.minutes), sizes, options.device, rank, networks)
    if options.resume and training.path.exists():
        training.resume()
    autoencoder = load_autoencoder(options.out / AUTOENCODER, options.device)
    pool = LatentPool(autoencoder, sizes, options.device, POOL[options.device])
    # The step is part of a resumed run's seed, so that its scenes are new.
    seed = SCENE_SEEDS + training.step * options.batch
    with open_source(options, rank, sizes.side, sizes.latent_side, seed, options.out / FOLDER) as drawers:
        if options.members == 1:
            pool.looks.add_all(options.drawers)
        training.run(drawers, pool, options.batch, FIRST_FILL[options.device])


def main() -> None:
    options = read_flags(argparse.ArgumentParser(description=__doc__), minutes=80, batch={"cuda": 512, "cpu": 32})
    path, tokenizer = options.out / FILE, prepare_tokenizer(options.out)
    goes_on = options.resume and path.exists()
    networks = (
        load_last_networks(path, tokenizer, options.device)
        if goes_on
        else create_initial_networks(Sizes(), tokenizer, options.device)
    )
    print(f"UNet and text encoder of {count_millions(networks):.1f} M parameters on {options.device}", flush=True)
    run_processes(train, options, networks)


if __name__ == "__main__":
    main()
