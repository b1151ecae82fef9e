"""Trains the text encoder and the UNet together on latents of drawn scenes.

`python -m training.diffusion --minutes 7 --out DIR` takes DIR/autoencoder.pt and writes DIR/diffusion.pt; `--resume` goes on
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
from training.common import Clock, MovingAverage, load_state, millions, save_state
from training.drawers import CHUNK, WORDINGS, Drawn, Source, Supply, drawing
from training.grounding import NOWHERE, Watch
from training.looks import give_looks
from training.machine import memory_format, mixed, prepare, read_flags, to_images, together
from training.networks import LATENT_CHANNELS, Sizes, new_networks
from training.noise import new_scheduler, noise_levels, noisy
from training.optimizer import Optimizer
from training.parts import SLOTS, Looks, looks_loss, new_reader
from training.tokenizer import FOLDER, MAX_LENGTH, own_tokenizer, token_ids

FILE = "diffusion.pt"
SCENE_SEEDS = 2_000_000
CAPTION_DROP = 0.1
"""How often the caption is left out: classifier-free guidance (Ho & Salimans 2022)."""
THING_WEIGHT = 4.0
LOOKS_WEIGHT, PLACES_WEIGHT = 0.5, 0.05
"""Weights of the losses of the padding and of the UNet's attention, relative to the diffusion loss."""
READ_ALONE = 1
"""Captions of more than one thing that the text encoder alone reads, for each that the UNet sees as well: what two look like is
harder to say than what one does, and a caption takes a fifteenth of the time of an image."""
AVERAGE_DECAY = 0.999
POOL = {"cuda": 600_000, "cpu": 16_384}
"""Scenes whose latents are kept, by each process; the oldest go first."""
REUSE = {"cuda": 1, "cpu": 8}
"""Steps that a scene is seen in before the next one is drawn: on a CPU drawing and encoding take the trainer's own time."""
FIRST_FILL = {"cuda": 8192, "cpu": 512}
AT_ONCE = {"cuda": 8, "cpu": 1}
"""Chunks that are encoded together."""
FULL_RATE = {"cuda": 2.5, "cpu": 1.0}
"""Share of the optimiser's rates: the larger batch of a GPU allows larger steps."""
WARM_UP = 3
"""Steps that a GPU takes before its work is recorded."""

Networks = tuple[Any, Any, Any]
"""UNet, text encoder, and what reads the parts of things out of it: that one is not exported."""
NAMES = ("unet", "text_encoder", "reader")


@dataclass(frozen=True)
class Batch:
    """Scenes to train on: latents, boxes of things (n, 1, side, side), token ids (n, MAX_LENGTH), rows of looks (n, SLOTS), and

    for the sides of the UNet's levels the token that each cell should look at, (n, SLOTS, side, side).
    """

    latents: torch.Tensor
    masks: torch.Tensor
    ids: torch.Tensor
    shown: torch.Tensor
    places: dict[int, torch.Tensor]


class LatentPool:
    """Latents of drawn scenes with their captions' tokens and the looks of their things, on the device.

    A scene is drawn and encoded once, and used often.
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
    def add(self, chunks: Sequence[Drawn]) -> None:
        """Keeps chunks, no more together than fit; the oldest go first."""
        with torch.cuda.stream(self._beside):
            images, masks, ids, _, shown, places, coarse = (
                torch.cat(parts).to(self.device) for parts in zip(*(chunk.parts() for chunk in chunks), strict=True)
            )
            with mixed(self.device):
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

    def captions(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and rows of looks of captions, of more than one thing where so many are at hand. It never waits either."""
        chosen = self._random(4 * count)
        many = self.shown[chosen, 1].clamp(max=1) + 0.5 * torch.rand(4 * count, device=self.device)
        chosen = chosen[many.topk(count).indices]
        wording = torch.randint(0, WORDINGS, (count,), device=self.device)
        return self.ids[chosen, wording].long(), self.shown[chosen]

    def _random(self, count: int) -> torch.Tensor:
        return (torch.rand(count, device=self.device) * self._bound).long().clamp(max=self.capacity - 1)

    def draw(self, count: int) -> Batch:
        """Random scenes, each with one of its captions. It never waits for the device."""
        chosen = self._random(count)
        wording = torch.randint(0, WORDINGS, (count,), device=self.device)
        places = {side: tokens[chosen] for side, tokens in self.places.items()}
        return Batch(
            self.latents[chosen].float(), self.masks[chosen].float(), self.ids[chosen, wording].long(), self.shown[chosen], places
        )


def first_networks(sizes: Sizes, tokenizer: Any, device: str, seed: int = 0) -> Networks:
    """The networks that training begins with; the words know what things look like."""
    torch.manual_seed(seed)
    unet, text_encoder = new_networks(sizes, tokenizer, device)
    give_looks(text_encoder, tokenizer)
    return unet, text_encoder, new_reader(sizes).to(device)


def last_networks(path: Path, tokenizer: Any, device: str = "cpu") -> Networks:
    """The averaged weights of a run, to be trained on."""
    state: Any = load_state(path)
    sizes = Sizes.read(state["sizes"])
    networks = (*new_networks(sizes, tokenizer, device), new_reader(sizes).to(device))
    for network, name in zip(networks, NAMES, strict=True):
        network.load_state_dict(state[name])
    return networks


class DiffusionTraining:
    """One process's run: both networks, optimiser, averages and clock. `networks` are those that processes share, if they do."""

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
        self.tokenizer = own_tokenizer(out)
        self.networks = networks or first_networks(sizes, self.tokenizer, device, seed)
        self.unet, self.text_encoder, self.reader = self.networks
        self.watch = Watch(self.unet)
        torch.manual_seed(seed + 1 + rank)
        self.optimizer = Optimizer(self.networks)
        self.averages = [MovingAverage(network, AVERAGE_DECAY) for network in self.networks]
        self.signal = new_scheduler().alphas_cumprod.to(device)
        self.nothing = token_ids(self.tokenizer, [""]).to(device)
        self.end = int(self.nothing[0, 1])
        self.step = 0

    def resume(self) -> None:
        """Restores step and averages; the networks got these weights before they were shared."""
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
        levels = noise_levels(batch, len(self.signal), self.device)
        seen, target, weight = noisy(scenes.latents, levels, self.signal)
        with mixed(self.device):
            more, more_shown = pool.captions(READ_ALONE * batch)
            ids = torch.cat([torch.where(dropped, self.nothing, scenes.ids), more])
            text = self.text_encoder(ids).last_hidden_state
            said = self.unet(seen.contiguous(memory_format=memory_format(self.device)), levels, text[:batch]).sample
        error = ((said.float() - target).square() * (1 + THING_WEIGHT * scenes.masks)).mean((1, 2, 3))
        denoising = (error * weight).mean() / (1 + THING_WEIGHT * scenes.masks.mean())
        looks = pool.looks.table[torch.cat([torch.where(dropped, 0, scenes.shown), more_shown])]
        told = looks_loss(self.reader, text, ids, self.end, looks)
        looked = self.watch.loss({side: torch.where(dropped[..., None, None], NOWHERE, t) for side, t in scenes.places.items()})
        return denoising + LOOKS_WEIGHT * told + PLACES_WEIGHT * looked

    def learn(self, pool: LatentPool, batch: int) -> torch.Tensor:
        loss = self.loss(pool, batch)
        self.optimizer.step(loss)
        return loss.detach()

    def _record(self, pool: LatentPool, batch: int) -> Callable[[], torch.Tensor]:
        """A step as one CUDA graph: thousands of small kernels, started by one call."""
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                self.learn(pool, batch)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self.learn(pool, batch)

        def replayed() -> torch.Tensor:
            graph.replay()
            return loss

        return replayed

    def take(self, pool: LatentPool, chunks: Sequence[Drawn]) -> None:
        """Puts new scenes into the pool, and finds how their things look."""
        pool.add(chunks)
        pool.looks.need({row for chunk in chunks for row in chunk.shown.flatten().tolist()})

    def train_step(self, learn: Callable[[], torch.Tensor], share: float) -> torch.Tensor:
        """One step at a share of the full learning rates."""
        self.optimizer.set_share(share)
        loss = learn()
        self.step += 1
        if self.rank == 0:
            for average in self.averages:
                average.update()
        return loss

    def run(self, drawers: Source, pool: LatentPool, batch: int, first_fill: int, save_seconds: float = 120.0) -> None:
        """Trains until the time is up, replacing old scenes with new ones. The first process reports and saves."""
        while pool.filled < min(first_fill, pool.capacity):
            self.take(pool, [drawers.next() for _ in range(AT_ONCE[self.device])])
        self.optimizer.set_share(0.0)
        learn = self._record(pool, batch) if self.device == "cuda" else lambda: self.learn(pool, batch)
        first, begun, saved, parent = self.step, time.monotonic(), time.monotonic(), os.getppid()
        supply, waiting = Supply(drawers, REUSE[self.device]), list[Drawn]()
        while self.clock.share(self.step - first) < 1 and os.getppid() == parent:
            waiting.extend(supply.due((self.step - first) * batch))
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
    """UNet and text encoder of a run, their averaged weights in them, ready to use, and the tokenizer."""
    tokenizer = own_tokenizer(run)
    unet, text_encoder, _ = last_networks(run / FILE, tokenizer, device)
    return unet.eval(), text_encoder.eval(), tokenizer


def train(rank: int, options: argparse.Namespace, networks: Sequence[nn.Module]) -> None:
    """One process's whole work."""
    sizes = Sizes()
    prepare(options)
    training = DiffusionTraining(options.out, Clock(options.minutes), sizes, options.device, rank, networks)
    if options.resume and training.path.exists():
        training.resume()
    autoencoder = load_autoencoder(options.out / AUTOENCODER, options.device)
    pool = LatentPool(autoencoder, sizes, options.device, POOL[options.device])
    # The step in a resumed seed: the scenes are new ones.
    seed = SCENE_SEEDS + training.step * options.batch
    with drawing(options, rank, sizes.side, sizes.latent_side, seed, options.out / FOLDER) as drawers:
        if options.members == 1:
            pool.looks.need_all(options.drawers)
        training.run(drawers, pool, options.batch, FIRST_FILL[options.device])


def main() -> None:
    options = read_flags(argparse.ArgumentParser(description=__doc__), minutes=80, batch={"cuda": 512, "cpu": 32})
    path, tokenizer = options.out / FILE, own_tokenizer(options.out)
    goes_on = options.resume and path.exists()
    networks = last_networks(path, tokenizer, options.device) if goes_on else first_networks(Sizes(), tokenizer, options.device)
    print(f"UNet and text encoder of {millions(networks):.1f} M parameters on {options.device}", flush=True)
    together(train, options, networks)


if __name__ == "__main__":
    main()
