"""Trains the built-in upscaler: two sets of weights for one compact network, in a layout that other tools load.

`clean` is trained to upscale sharp images. `cleaning` continues from its weights and is trained to undo blur, noise and JPEG as
well. The cleaning strength interpolates between the two (Wang et al. 2019, "Deep network interpolation").

    python -m training.upscaler clean --minutes 40 --out runs/x4 --resume
    python -m training.upscaler cleaning --minutes 30 --out runs/x4 --resume
    python -m training.upscaler export --out runs/x4 --to models/starter-x4
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from torch import nn

from training.common import Clock, MovingAverage, load_state, save_state, set_learning_rate
from training.dead_leaves import draw_image
from training.degrade import CLEAN, FACTOR, choose_degradation, degrade

FEATURES, CONVOLUTIONS = 48, 12
PATCH, BATCH = 24, 8  # side of a low-resolution patch in pixels; patches per step
PEAK_RATE = {"clean": 1e-3, "cleaning": 5e-4}
RESERVOIR, SIDE = 200, 512  # drawn images in memory, and their side
FRESH_EVERY = 25  # steps after which one image of the reservoir is replaced
SAVE_EVERY = 500  # steps
UNSEEN = 10_000_000  # seeds from here on are used for evaluation only


def create_network() -> Compact:
    """The untrained network; its random weights depend on torch's seed.

    He initialisation (He et al. 2015) preserves the variance from layer to layer; with torch's default the signal vanishes.
    """
    network = Compact(num_feat=FEATURES, num_conv=CONVOLUTIONS, upscale=FACTOR)
    convolutions = [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        nn.init.kaiming_normal_(layer.weight, a=0.25)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    convolutions[-1].weight.data.mul_(0.1)
    return network


class Reservoir:
    """Drawn images to crop patches from; one of them is replaced from time to time."""

    def __init__(self, size: int, first_seed: int, side: int = SIDE) -> None:
        self.side, self.next_seed = side, first_seed + size
        self.images = np.stack([np.asarray(draw_image(first_seed + i, side)) for i in range(size)])

    def refresh(self) -> None:
        self.images[self.next_seed % len(self.images)] = np.asarray(draw_image(self.next_seed, self.side))
        self.next_seed += 1

    def patch(self, side: int, rng: np.random.Generator) -> Image.Image:
        """A random square crop, randomly flipped and rotated."""
        image = self.images[rng.integers(len(self.images))]
        top, left = rng.integers(0, self.side - side + 1, 2)
        piece = np.rot90(image[top : top + side, left : left + side], int(rng.integers(4)))
        return Image.fromarray(np.ascontiguousarray(piece[:, :: rng.choice([-1, 1])]))


def to_tensor(images: list[Image.Image]) -> torch.Tensor:
    """(n, 3, height, width) in 0..1, in channels-last memory format."""
    stacked = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)
    return stacked.float().div_(255)


def charbonnier_loss(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The Charbonnier loss: the mean absolute error, smoothed near zero."""
    return torch.sqrt((made - wanted) ** 2 + 1e-6).mean()


class UpscalerTraining:
    """One stage ("clean" or "cleaning"), which continues from its last saved weights."""

    def __init__(self, stage: str, run: Path, clock: Clock) -> None:
        torch.manual_seed(11)
        self.stage, self.run_folder, self.clock, self.step = stage, run, clock, 0
        self.network = create_network().to(memory_format=torch.channels_last)
        if stage == "cleaning":
            self.network.load_state_dict(load_state(run / "clean.pt")["average"])  # type: ignore[arg-type]
        self.optimizer = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.99))
        self.average = MovingAverage(self.network, 0.999)

    @property
    def file(self) -> Path:
        return self.run_folder / f"{self.stage}.pt"

    def save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.weights(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.clock.used_seconds(),
        }
        save_state(state, self.file)

    def resume(self) -> None:
        state = load_state(self.file)
        self.network.load_state_dict(state["network"])  # type: ignore[arg-type]
        self.optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        self.step = int(state["step"])  # type: ignore[call-overload]
        self.average.take(state["average"], self.step)  # type: ignore[arg-type]
        self.clock = Clock(self.clock.seconds / 60, float(state["seconds"]), self.clock.steps)  # type: ignore[arg-type]

    def cut_pairs(self, reservoir: Reservoir, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of low-resolution patches and the patches that they were made from."""
        large = [reservoir.patch(PATCH * FACTOR, rng) for _ in range(BATCH)]
        amounts = [CLEAN if self.stage == "clean" else choose_degradation(rng) for _ in large]
        return to_tensor([degrade(*each, rng) for each in zip(large, amounts, strict=True)]), to_tensor(large)

    def take_step(self, small: torch.Tensor, large: torch.Tensor) -> float:
        set_learning_rate(self.optimizer, self.clock.learning_rate(self.step, PEAK_RATE[self.stage], decay_from=0.3))
        with torch.autocast("cpu", torch.bfloat16):
            made = self.network(small)
        loss = charbonnier_loss(made.float(), large)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        return float(loss.detach())

    def train(self, reservoir: Reservoir) -> None:
        """Trains until the clock runs out."""
        losses: list[float] = []
        while self.clock.share(self.step) < 1:
            losses.append(self.take_step(*self.cut_pairs(reservoir, np.random.default_rng([self.step, len(self.stage)]))))
            if self.step % FRESH_EVERY == 0:
                reservoir.refresh()
            if self.step % SAVE_EVERY == 0:
                self.save()
                print(f"{self.stage} step {self.step}, {self.clock.share(self.step):.0%}, loss {np.mean(losses):.5f}, "
                      f"{self.measure_gain():+.2f} dB over bicubic on unseen drawn pictures", flush=True)  # fmt: skip
                losses.clear()
        self.save()

    @torch.no_grad()
    def measure_gain(self, images: int = 12) -> float:
        """The gain in PSNR (dB) of the averaged weights over bicubic, on drawn images never trained on."""
        network, rng = create_network().eval(), np.random.default_rng(5)
        network.load_state_dict(self.average.weights())
        ours, bicubic = [], []
        for number in range(images):
            large = draw_image(UNSEEN + number, 256)
            small = degrade(large, CLEAN if self.stage == "clean" else choose_degradation(rng), rng)
            made = network(to_tensor([small])).clamp(0, 1)
            plain = to_tensor([small.resize(large.size, Image.Resampling.BICUBIC)])
            for errors, each in ((ours, made), (bicubic, plain)):
                errors.append(float(((each - to_tensor([large])) ** 2).mean()))
        return float(np.mean(10 * np.log10(np.divide(bicubic, ours))))


def export(run: Path, folder: Path) -> None:
    """Writes both sets of averaged weights as fp16 safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    for stage in PEAK_RATE:
        weights = load_state(run / f"{stage}.pt")["average"]
        halves = {name: value.half().contiguous() for name, value in weights.items()}  # type: ignore[attr-defined]
        save_file(halves, folder / f"{stage}.safetensors", {"format": "pt", "title": f"Easel starter-x4, {stage}"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=(*PEAK_RATE, "export"))
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--to", type=Path, default=Path("models/starter-x4"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    if options.stage == "export":
        return export(options.out, options.to)
    torch.set_num_threads(options.threads)
    training = UpscalerTraining(options.stage, options.out, Clock(options.minutes))
    if options.resume and training.file.exists():
        training.resume()
    reservoir = Reservoir(RESERVOIR, first_seed=training.step + (0 if options.stage == "clean" else 1_000_000))
    training.train(reservoir)


if __name__ == "__main__":
    main()
