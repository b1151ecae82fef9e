"""Distils the trained UNet into a LoRA that needs four steps and no guidance.

From a noisy latent, the student predicts the image at the end of the guided teacher's path. The path is deterministic (DDIM), so
there is one correct answer (Luhman & Luhman 2021, arXiv 2101.02388). The prediction has the form of a latent consistency model
(Luo et al. 2023, arXiv 2310.04378 and 2311.05556), which any LCM sampler can run, and includes the guidance. Consistency
training proper, whose target is the student's own prediction at the next level, diverged to noise here after 14 minutes.
`python -m training.few_steps --minutes 1 --out DIR` reads DIR/diffusion.pt and writes DIR/few_steps.safetensors.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import nn

from training.autoencoder import FILE as AUTOENCODER
from training.autoencoder import load_autoencoder
from training.common import Clock, set_learning_rate
from training.diffusion import FIRST_FILL, POOL, REUSE, LatentPool, load_networks
from training.drawers import Source, Supply, open_source
from training.machine import autocast, prepare, read_flags, run_processes
from training.networks import Sizes
from training.noise import create_scheduler
from training.tokenizer import FOLDER, tokenize

FILE = "few_steps.safetensors"
FEW_STEPS_DEFAULTS = {"lora": FILE, "steps": 4, "guidance_scale": 1.0, "scheduler": "LCM"}
SEEDS = 4_000_000_000
PEAK_RATE = 3e-4
LORA_RANK = 6
GUIDANCE = 2.5
"""The CFG scale that is distilled into the weights."""
LEVELS, PATH_STEPS = 50, 4
"""The number of noise levels that the student is trained at, and the teacher's steps from each to the image."""
SIGMA_DATA, TIMESTEP_SCALING = 0.5, 10.0
"""As in LCMScheduler: the consistency function returns its input at time 0 and the predicted image elsewhere."""
HUBER = 1e-3
TARGETS = [
    "to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2",
    "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj",
]  # fmt: skip


def split_prediction(noisy: torch.Tensor, said: torch.Tensor, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The clean latents and the noise of a v-prediction `said`; `kept` is alpha-bar, one per image."""
    a, b = kept.sqrt().view(-1, 1, 1, 1), (1 - kept).sqrt().view(-1, 1, 1, 1)
    return a * noisy - b * said, b * noisy + a * said


def apply_boundary(noisy: torch.Tensor, clean: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """The consistency function's boundary condition: the input itself at level 0, the clean image far from it."""
    scaled = levels.float().view(-1, 1, 1, 1) * TIMESTEP_SCALING
    root = (scaled.square() + SIGMA_DATA**2).sqrt()
    return SIGMA_DATA**2 / root.square() * noisy + scaled / root * clean


def create_initial_student(run: Path, device: str, lora_rank: int = LORA_RANK, seed: int = 0) -> Any:
    """The trained UNet with an added LoRA that is initialised to have no effect."""
    torch.manual_seed(seed)
    student, _, _ = load_networks(run, device)
    student.requires_grad_(False)
    student.add_adapter(LoraConfig(r=lora_rank, lora_alpha=lora_rank, target_modules=TARGETS, init_lora_weights=True))
    return student


class Distillation:
    """One process of the distillation: the teacher, the student with its LoRA, optimiser and clock."""

    def __init__(self, run: Path, clock: Clock, device: str, student: Any, rank: int = 0, seed: int = 0) -> None:
        torch.manual_seed(seed + 1 + rank)
        self.run_folder, self.clock, self.device, self.rank, self.step = run, clock, device, rank, 0
        self.teacher, self.text_encoder, tokenizer = load_networks(run, device)
        self.nothing = tokenize(tokenizer, [""]).to(device)
        self.student = student
        self.parameters = [parameter for parameter in self.student.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=PEAK_RATE, weight_decay=1e-3)
        self.signal = create_scheduler().alphas_cumprod.to(device)

    def _predict(self, unet: Any, noisy: torch.Tensor, levels: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        with autocast(self.device):
            return unet(noisy, levels, text).sample.float()

    @torch.no_grad()
    def teacher_step(self, noisy: torch.Tensor, levels: torch.Tensor, before: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """One guided DDIM step (Song et al. 2021) from `levels` to the less noisy `before`; -1 means no noise."""
        nothing = self.text_encoder(self.nothing).last_hidden_state.float().expand(len(noisy), -1, -1)
        with_words, without = self._predict(
            self.teacher, noisy.repeat(2, 1, 1, 1), levels.repeat(2), torch.cat([text, nothing])
        ).chunk(2)
        said = without + GUIDANCE * (with_words - without)
        clean, noise = split_prediction(noisy, said, self.signal[levels])
        kept = torch.where(before < 0, torch.ones_like(self.signal[levels]), self.signal[before.clamp(min=0)]).view(-1, 1, 1, 1)
        return kept.sqrt() * clean + (1 - kept).sqrt() * noise

    def follow_path(self, noisy: torch.Tensor, levels: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """The image that the guided teacher reaches from `noisy` at `levels`."""
        places = torch.arange(PATH_STEPS, -1, -1, device=self.device)[:, None] * (levels + 1) // PATH_STEPS - 1
        for now, before in pairwise(places):
            noisy = self.teacher_step(noisy, now, before, text)
        return noisy

    def predict_image(self, noisy: torch.Tensor, levels: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        clean, _ = split_prediction(noisy, self._predict(self.student, noisy, levels, text), self.signal[levels])
        return apply_boundary(noisy, clean, levels)

    def loss(self, pool: LatentPool, batch: int) -> torch.Tensor:
        scenes = pool.draw(batch)
        latents = scenes.latents
        with torch.no_grad():
            text = self.text_encoder(scenes.ids).last_hidden_state.float()
        levels = torch.randint(1, LEVELS + 1, (batch,), device=self.device) * (len(self.signal) // LEVELS) - 1
        kept = self.signal[levels].view(-1, 1, 1, 1)
        noisy = kept.sqrt() * latents + (1 - kept).sqrt() * torch.randn_like(latents)
        said, wanted = self.predict_image(noisy, levels, text), self.follow_path(noisy, levels, text)
        return ((said - wanted).square() + HUBER**2).sqrt().mean() - HUBER

    def train_step(self, pool: LatentPool, batch: int) -> torch.Tensor:
        set_learning_rate(self.optimizer, self.clock.learning_rate(self.step, PEAK_RATE, warmup=50))
        loss = self.loss(pool, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        return loss.detach()

    def run(self, drawers: Source, pool: LatentPool, batch: int, first_fill: int) -> None:
        """Distils until the clock runs out, then saves in the first process."""
        while pool.filled < min(first_fill, pool.capacity):
            pool.add([drawers.next()])
        begun, supply = time.monotonic(), Supply(drawers, REUSE[self.device])
        while self.clock.share(self.step) < 1:
            if chunks := list(supply.take_due(self.step * batch)):
                pool.add(chunks)
            loss = self.train_step(pool, batch)
            if self.step % 50 == 0 and self.rank == 0:
                speed = self.step * batch / (time.monotonic() - begun)
                print(f"few steps: step {self.step} loss {float(loss):.4f} {speed:.0f} pictures/s", flush=True)
        if self.rank == 0:
            self.save()

    def save(self) -> Path:
        """Writes the LoRA under diffusers' names, in half precision."""
        layers: dict[str, Any] = {name: value.half().cpu() for name, value in get_peft_model_state_dict(self.student).items()}
        StableDiffusionPipeline.save_lora_weights(self.run_folder, unet_lora_layers=layers, weight_name=FILE)
        return self.run_folder / FILE


def train(rank: int, options: argparse.Namespace, networks: Sequence[nn.Module]) -> None:
    """The work of one process."""
    sizes = Sizes()
    prepare(options)
    training = Distillation(options.out, Clock(options.minutes), options.device, networks[0], rank)
    autoencoder = load_autoencoder(options.out / AUTOENCODER, options.device)
    pool = LatentPool(autoencoder, sizes, options.device, POOL[options.device])
    with open_source(options, rank, sizes.side, sizes.latent_side, SEEDS, options.out / FOLDER) as drawers:
        training.run(drawers, pool, options.batch, FIRST_FILL[options.device])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    options = read_flags(parser, minutes=20, batch={"cuda": 256, "cpu": 16}, resumes=False)
    run_processes(train, options, [create_initial_student(options.out, options.device)])


if __name__ == "__main__":
    main()
