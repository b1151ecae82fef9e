"""Trains the built-in upscaler: two sets of weights for one compact network, in a layout that other tools load.

`clean` learns to upscale sharp images. `cleaning` goes on from there and learns to undo blur, noise and JPEG as well. Between
the two the weights can be mixed, which is what the strength for cleaning does (Wang et al. 2019, "Deep network interpolation").

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
from training.degrade import CLEAN, FACTOR, degrade, random_degradation
from training.leaves import draw_image

FEATURES, CONVOLUTIONS = 48, 12
PATCH, BATCH = 24, 8  # side of a small patch in pixels; patches a step
PEAK_RATE = {"clean": 1e-3, "cleaning": 5e-4}
RESERVOIR, SIDE = 200, 512  # drawn images kept, and their side
FRESH_EVERY = 25  # steps after which one image of the reservoir is drawn anew
SAVE_EVERY = 500  # steps
UNSEEN = 10_000_000  # seeds from here on are never trained on


def new_network() -> Compact:
    """The network that is trained; its random weights come from torch's seed.

    They keep the size of a signal from layer to layer (He et al. 2015): with torch's own, hardly anything gets through.
    """
    network = Compact(num_feat=FEATURES, num_conv=CONVOLUTIONS, upscale=FACTOR)
    convolutions = [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        nn.init.kaiming_normal_(layer.weight, a=0.25)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    convolutions[-1].weight.data.mul_(0.1)
    return network


class Reservoir:
    """Drawn images to cut patches from; one of them is drawn anew now and then."""

    def __init__(self, size: int, first_seed: int, side: int = SIDE) -> None:
        self.side, self.next_seed = side, first_seed + size
        self.images = np.stack([np.asarray(draw_image(first_seed + i, side)) for i in range(size)])

    def refresh(self) -> None:
        self.images[self.next_seed % len(self.images)] = np.asarray(draw_image(self.next_seed, self.side))
        self.next_seed += 1

    def patch(self, side: int, rng: np.random.Generator) -> Image.Image:
        """A random square, flipped and turned at random."""
        image = self.images[rng.integers(len(self.images))]
        top, left = rng.integers(0, self.side - side + 1, 2)
        piece = np.rot90(image[top : top + side, left : left + side], int(rng.integers(4)))
        return Image.fromarray(np.ascontiguousarray(piece[:, :: rng.choice([-1, 1])]))


def as_tensor(images: list[Image.Image]) -> torch.Tensor:
    """(n, 3, height, width) in 0..1, channels last in memory."""
    stacked = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)
    return stacked.float().div_(255)


def charbonnier(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The mean absolute difference, rounded off near zero."""
    return torch.sqrt((made - wanted) ** 2 + 1e-6).mean()


class UpscalerTraining:
    """One stage ("clean" or "cleaning"), which goes on from its last saved weights."""

    def __init__(self, stage: str, run: Path, clock: Clock) -> None:
        torch.manual_seed(11)
        self.stage, self.run_folder, self.clock, self.step = stage, run, clock, 0
        self.network = new_network().to(memory_format=torch.channels_last)
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

    def pairs(self, reservoir: Reservoir, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of small patches and the large ones that they were made from."""
        large = [reservoir.patch(PATCH * FACTOR, rng) for _ in range(BATCH)]
        amounts = [CLEAN if self.stage == "clean" else random_degradation(rng) for _ in large]
        return as_tensor([degrade(*each, rng) for each in zip(large, amounts, strict=True)]), as_tensor(large)

    def take_step(self, small: torch.Tensor, large: torch.Tensor) -> float:
        set_learning_rate(self.optimizer, self.clock.learning_rate(self.step, PEAK_RATE[self.stage], decay_from=0.3))
        with torch.autocast("cpu", torch.bfloat16):
            made = self.network(small)
        loss = charbonnier(made.float(), large)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        return float(loss.detach())

    def train(self, reservoir: Reservoir) -> None:
        """Steps until the clock says that the time is used."""
        losses: list[float] = []
        while self.clock.share(self.step) < 1:
            losses.append(self.take_step(*self.pairs(reservoir, np.random.default_rng([self.step, len(self.stage)]))))
            if self.step % FRESH_EVERY == 0:
                reservoir.refresh()
            if self.step % SAVE_EVERY == 0:
                self.save()
                print(f"{self.stage} step {self.step}, {self.clock.share(self.step):.0%}, loss {np.mean(losses):.5f}, "
                      f"{self.gain():+.2f} dB over bicubic on unseen drawn pictures", flush=True)  # fmt: skip
                losses.clear()
        self.save()

    @torch.no_grad()
    def gain(self, images: int = 12) -> float:
        """How much nearer (PSNR, dB) than bicubic the average weights come on drawn images never trained on."""
        network, rng = new_network().eval(), np.random.default_rng(5)
        network.load_state_dict(self.average.weights())
        ours, bicubic = [], []
        for number in range(images):
            large = draw_image(UNSEEN + number, 256)
            small = degrade(large, CLEAN if self.stage == "clean" else random_degradation(rng), rng)
            made = network(as_tensor([small])).clamp(0, 1)
            plain = as_tensor([small.resize(large.size, Image.Resampling.BICUBIC)])
            for errors, each in ((ours, made), (bicubic, plain)):
                errors.append(float(((each - as_tensor([large])) ** 2).mean()))
        return float(np.mean(10 * np.log10(np.divide(bicubic, ours))))


def export(run: Path, folder: Path) -> None:
    """Both sets of average weights as fp16 safetensors."""
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
