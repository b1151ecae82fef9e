"""Trains the text encoder and the UNet together on latents of drawn scenes.

`python -m training.diffusion --minutes 80 --out DIR` takes DIR/autoencoder.pt and writes DIR/diffusion.pt every two
minutes; `--resume` goes on from it.
"""

from __future__ import annotations

import argparse
import os
import string
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.multiprocessing as multiprocessing
from diffusers import DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.autoencoder import load_autoencoder, pictures_to_tensor
from training.captions import SPARE_WORDS, caption
from training.common import Clock, MovingAverage, load_state, millions, save_state, set_learning_rate
from training.scenes import Scene, random_scene, render, thing_mask
from training.tokenizer import MAX_LENGTH, load_tokenizer, write_tokenizer

LATENT_SIDE = 16
CAPTION_DROP = 0.1  # how often the caption is left out: classifier-free guidance (Ho & Salimans 2022)
STRANGE_WORD = 0.05  # how often a word that means nothing is put in: the network learns to pass over it
GAMMA = 5.0  # min-SNR weighting (Hang et al. 2023), moved by one: the plain v loss up to this ratio, less beyond it
PURE_NOISE_FROM, PURE_NOISE = 960, 0.5  # the noisiest steps often see noise only: sampling starts from just that
NOISY_SKEW = 0.65
THING_WEIGHT = 2.0
PEAK_RATE = 6e-4
SCENE_SEEDS, SEEDS_A_MEMBER = 2_000_000, 10_000_000
FILE = "diffusion.pt"
Sizes = dict[str, object]
Networks = tuple[UNet2DConditionModel, CLIPTextModel]
SIZES: Sizes = {"channels": [64, 128, 192], "text_width": 192, "text_layers": 3}


def new_unet(channels: tuple[int, ...], text_width: int) -> Any:
    """An untrained UNet2DConditionModel without attention on its widest level, where it would cost most."""
    lower = len(channels) - 1
    unet = UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        layers_per_block=1,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * lower),
        up_block_types=(*("CrossAttnUpBlock2D",) * lower, "UpBlock2D"),
        cross_attention_dim=text_width,
        attention_head_dim=tuple(max(1, width // 32) for width in channels),  # type: ignore[arg-type] the number of heads
    )
    start_from_nothing(unet)
    return unet


def start_from_nothing(unet: UNet2DConditionModel) -> None:
    """Each block adds nothing at first, as in Ho et al. 2020: the gradient is clean from the first step on."""
    for name, part in unet.named_modules():
        if name.endswith(("conv2", "proj_out", "conv_out")):
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)


def new_text_encoder(tokenizer: CLIPTokenizer, width: int, layers: int, max_length: int = MAX_LENGTH) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        max_position_embeddings=max_length,
        bos_token_id=tokenizer.bos_token_id,  # type: ignore[arg-type]
        eos_token_id=tokenizer.eos_token_id,  # type: ignore[arg-type]
        pad_token_id=tokenizer.pad_token_id,  # type: ignore[arg-type]
    )
    return CLIPTextModel(config)


def new_scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise levels, v-prediction (Salimans & Ho 2022), sampling from the last level on."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=False,
    )


class Reservoir:
    """Latents of drawn scenes: each scene is drawn and encoded once, used a few times, then replaced by a new one."""

    def __init__(self, autoencoder: Any, capacity: int, first_seed: int) -> None:
        self.autoencoder, self.capacity, self.next_seed = autoencoder, capacity, first_seed
        self.scenes: list[Scene] = []
        self.latents = torch.empty(capacity, 4, LATENT_SIDE, LATENT_SIDE)
        self.masks = torch.empty(capacity, 1, LATENT_SIDE, LATENT_SIDE)

    @torch.no_grad()
    def add(self, count: int) -> None:
        for _ in range(count):
            scene = random_scene(self.next_seed)
            place = self.next_seed % self.capacity if len(self.scenes) == self.capacity else len(self.scenes)
            self.scenes[place : place + 1] = [scene]
            posterior = self.autoencoder.encode(pictures_to_tensor([render(scene)])).latent_dist
            self.latents[place] = posterior.mode()[0] * self.autoencoder.config.scaling_factor
            self.masks[place, 0] = torch.from_numpy(thing_mask(scene, LATENT_SIDE))
            self.next_seed += 1

    def draw(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, list[Scene]]:
        chosen = rng.integers(0, len(self.scenes), count)
        return self.latents[chosen], self.masks[chosen], [self.scenes[place] for place in chosen]


def training_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A caption as the network sees it: sometimes nothing, sometimes with a strange word in it."""
    if rng.random() < CAPTION_DROP:
        return ""
    words = caption(scene, rng).split(" ")
    if rng.random() < STRANGE_WORD:
        letters = "".join(rng.choice(list(string.ascii_lowercase), int(rng.integers(3, 8))))
        strange = letters if rng.random() < 0.6 else str(rng.choice(SPARE_WORDS))
        words.insert(int(rng.integers(0, len(words) + 1)), strange)
    return " ".join(words)


def token_ids(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """int64 (n, MAX_LENGTH), padded as the pipeline pads."""
    return tokenizer(texts, padding="max_length", max_length=MAX_LENGTH, truncation=True, return_tensors="pt").input_ids


def noise_levels(count: int, total: int, rng: np.random.Generator) -> torch.Tensor:
    """Timesteps spread over the batch with little chance, more of the noisy ones: there the words decide."""
    places = ((rng.random() + np.arange(count)) / count % 1.0) ** NOISY_SKEW
    return torch.from_numpy((rng.permutation(places) * total).astype(np.int64))


def noisy(latents: torch.Tensor, steps: torch.Tensor, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the UNet sees, what it should say (v), and the weight of each picture; `signal` is alpha-bar by timestep."""
    noise = torch.randn_like(latents)
    kept = signal[steps].clone()
    kept[(steps >= PURE_NOISE_FROM) & (torch.rand(len(steps), device=steps.device) < PURE_NOISE)] = 0.0
    a, b = kept.sqrt().view(-1, 1, 1, 1), (1 - kept).sqrt().view(-1, 1, 1, 1)
    ratio = kept / (1 - kept)
    return a * latents + b * noise, a * noise - b * latents, (GAMMA + 1) / torch.clamp(ratio + 1, min=GAMMA + 1)


class DiffusionTraining:
    """One run: both networks, optimiser, averages and the seconds used, all saved together in `out/diffusion.pt`.

    With `networks` given it trains those, which others may be training at the same time in shared memory, each with steps of
    its own and nobody waiting (Recht et al. 2011, Hogwild). That is quick, and not the same to the bit twice.
    """

    def __init__(
        self,
        out: Path,
        minutes: float,
        sizes: Sizes,
        steps: int | None = None,
        rank: int = 0,
        networks: Networks | None = None,
        bfloat16: bool = False,
        seed: int = 0,
    ) -> None:
        torch.manual_seed(seed)
        self.bfloat16 = bfloat16
        self.path, self.sizes, self.seed, self.rank = out / FILE, sizes, seed, rank
        self.minutes, self.steps = minutes, steps
        self.tokenizer = own_tokenizer(out)
        self.unet, self.text_encoder = networks or networks_of(sizes, self.tokenizer)
        self.parameters = [*self.unet.parameters(), *self.text_encoder.parameters()]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        self.averages = [MovingAverage(network, 0.998) for network in (self.unet, self.text_encoder)]
        self.signal = new_scheduler().alphas_cumprod
        self.step = 0
        self.clock = Clock(minutes, steps=steps)
        torch.manual_seed(seed + 1 + rank)

    def resume(self) -> None:
        """Takes up weights, averages, the time used and the optimiser, if there is one; shared weights stay where they are."""
        state = load_state(self.path)
        load_networks((self.unet, self.text_encoder), state)
        if state["optimizer"]:
            self.optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        self.step = int(state["step"])  # type: ignore[arg-type]
        for average, weights in zip(self.averages, state["averages"], strict=True):  # type: ignore[arg-type]
            average.weights, average.steps = weights, self.step
        self.clock = Clock(self.minutes, float(state["seconds"]), self.steps)  # type: ignore[arg-type]
        torch.manual_seed(self.seed + 1 + self.rank + self.step * 1000)

    def save(self) -> None:
        state = {
            "sizes": self.sizes,
            "step": self.step,
            "seconds": self.clock.used_seconds(),
            "unet": self.unet.state_dict(),
            "text_encoder": self.text_encoder.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averages": [average.weights for average in self.averages],
        }
        save_state(state, self.path)

    def loss(self, reservoir: Reservoir, batch: int) -> torch.Tensor:
        rng = np.random.default_rng([self.seed, self.step, self.rank])
        latents, masks, scenes = reservoir.draw(batch, rng)
        levels = noise_levels(batch, len(self.signal), rng)
        seen, target, weight = noisy(latents, levels, self.signal)
        ids = token_ids(self.tokenizer, [training_caption(scene, rng) for scene in scenes])
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            text = self.text_encoder(ids).last_hidden_state
            said = self.unet(seen.contiguous(memory_format=torch.channels_last), levels, text).sample
        error = ((said.float() - target).square() * (1 + THING_WEIGHT * masks)).mean((1, 2, 3))
        return (error * weight).mean() / (1 + THING_WEIGHT * masks.mean())

    def train_step(self, reservoir: Reservoir, batch: int, fresh: int) -> float:
        reservoir.add(fresh)
        set_learning_rate(self.optimizer, self.clock.learning_rate(self.step, PEAK_RATE))
        loss = self.loss(reservoir, batch)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        if self.rank == 0:
            for average, network in zip(self.averages, (self.unet, self.text_encoder), strict=True):
                average.update(network)
        return float(loss.detach())

    def run(self, reservoir: Reservoir, batch: int, fresh: int, save_seconds: float = 120.0) -> None:
        """Trains until the clock (or the number of steps) runs out; the first member prints and saves on the way."""
        saved, losses, parent = time.monotonic(), [], os.getppid()
        while self.clock.share(self.step) < 1 and os.getppid() == parent:
            losses.append(self.train_step(reservoir, batch, fresh))
            if self.rank == 0 and self.step % 100 == 0:
                used = self.clock.used_seconds() / 60
                print(f"diffusion step {self.step} loss {np.mean(losses):.4f} {used:.1f} min", flush=True)
                losses = []
            if self.rank == 0 and time.monotonic() - saved > save_seconds:
                self.save()
                saved = time.monotonic()
        if self.rank == 0:
            self.save()
            print(f"diffusion done at step {self.step} after {self.clock.used_seconds() / 60:.1f} minutes", flush=True)


def own_tokenizer(out: Path) -> CLIPTokenizer:
    """The tokenizer of a run, written at its start."""
    folder = out / "tokenizer"
    if not (folder / "tokenizer_config.json").exists():
        write_tokenizer(folder)
    return load_tokenizer(folder)


def load_networks(networks: Networks, state: dict[str, object]) -> None:
    for network, name in zip(networks, ("unet", "text_encoder"), strict=True):
        network.load_state_dict(state[name])  # type: ignore[arg-type]


def networks_of(sizes: Sizes, tokenizer: CLIPTokenizer) -> Networks:
    """Untrained networks of these sizes: channels, text_width, text_layers."""
    width = int(sizes["text_width"])  # type: ignore[call-overload]
    unet = new_unet(tuple(sizes["channels"]), width)  # type: ignore[arg-type]
    text_encoder = new_text_encoder(tokenizer, width, int(sizes["text_layers"]))  # type: ignore[call-overload]
    return unet.to(memory_format=torch.channels_last), text_encoder


def train_diffusion(rank: int, options: argparse.Namespace, networks: Networks) -> None:
    """A member's whole work: its own scenes, its own steps on the weights that all share."""
    torch.set_num_threads(1)
    training = DiffusionTraining(options.out, options.minutes, SIZES, None, rank, networks, not options.float32)
    if options.resume and training.path.exists():
        training.resume()
    first_seed = SCENE_SEEDS + rank * SEEDS_A_MEMBER + training.step * options.fresh
    reservoir = Reservoir(load_autoencoder(options.out / "autoencoder.pt"), 4096, first_seed)
    reservoir.add(512)
    training.run(reservoir, options.batch, options.fresh)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=16, help="pictures a step for each member")
    parser.add_argument("--fresh", type=int, default=8, help="new scenes drawn at each step by each member")
    parser.add_argument("--members", type=int, default=2, help="processes that train together, one core each")
    parser.add_argument("--float32", action="store_true", help="for processors without bfloat16 instructions")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    networks = networks_of(SIZES, own_tokenizer(options.out))
    print(f"UNet and text encoder of {millions(networks):.1f} M parameters", flush=True)
    for network in networks:
        network.share_memory()
    multiprocessing.spawn(train_diffusion, (options, networks), nprocs=options.members, join=True)


if __name__ == "__main__":
    main()
