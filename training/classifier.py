"""A small network that says what is in a picture. It sees drawn scenes only and is apart from the generator: the judge.

`python -m training.classifier --minutes 8` trains it and writes training/classifier.safetensors (fp16, about 1 MB).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from training.autoencoder import FRESH_SEEDS, pictures_to_tensor
from training.backgrounds import BACKGROUND_NAMES
from training.common import Clock, set_learning_rate
from training.scenes import Scene, random_scene, render
from training.things import COLOURS, THING_BY_NAME, THING_NAMES

WEIGHTS = Path(__file__).parent / "classifier.safetensors"
CLASSIFIER_SEEDS = 500_000_000  # scenes of its own, met by neither trainer
COLOUR_NAMES = tuple(COLOURS)
HEADS = {"things": len(THING_NAMES), "left": len(THING_NAMES), "right": len(THING_NAMES)} | {
    "background": len(BACKGROUND_NAMES),
    "colour": len(COLOUR_NAMES),
}
ONE_OF = ("background", "colour")  # heads with one answer; the others answer yes or no for each thing


class Classifier(nn.Module):
    """Pictures (n, 3, 64, 64) in -1..1 to one tensor of logits a head."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 96, 112)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in zip((3, *widths), widths, strict=False):
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()] if width < 96 else []
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.1))
        self.head = nn.Linear(widths[-1] * 16, sum(HEADS.values()))

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        pieces = self.head(self.body(pictures)).split(list(HEADS.values()), dim=1)
        return dict(zip(HEADS, pieces, strict=True))


@dataclass(frozen=True)
class Answers:
    """What a picture shows: names, the things left and right of its middle, and the colour of a single thing."""

    things: frozenset[str]
    left: frozenset[str]
    right: frozenset[str]
    background: str
    colour: str | None

    @classmethod
    def of(cls, scene: Scene) -> Answers:
        return cls(
            things=frozenset(thing.name for thing in scene.things),
            left=frozenset(thing.name for thing in scene.things if thing.x < 0.4),
            right=frozenset(thing.name for thing in scene.things if thing.x > 0.6),
            background=scene.background,
            colour=scene.things[0].colour if len(scene.things) == 1 else None,
        )


def _marks(answers: list[Answers], head: str) -> torch.Tensor:
    rows = [[float(name in getattr(answer, head)) for name in THING_NAMES] for answer in answers]
    return torch.tensor(rows)


def loss_of(said: dict[str, torch.Tensor], answers: list[Answers]) -> torch.Tensor:
    """Yes-or-no loss for the heads of things; cross entropy for the background and, where one is named, the colour."""
    loss = sum(F.binary_cross_entropy_with_logits(said[h], _marks(answers, h)) * 20 for h in ("things", "left", "right"))
    backgrounds = torch.tensor([BACKGROUND_NAMES.index(answer.background) for answer in answers])
    colours = torch.tensor([COLOUR_NAMES.index(a.colour) if a.colour else -100 for a in answers])
    loss = loss + F.cross_entropy(said["background"], backgrounds)
    named = (colours >= 0).any()
    return loss + F.cross_entropy(said["colour"], colours, ignore_index=-100) if named else loss  # type: ignore[return-value]


def roughened(pictures: torch.Tensor) -> torch.Tensor:
    """Half of the pictures a little blurred, all a little noisy: a generated picture is softer than a drawn one."""
    soft = F.interpolate(F.avg_pool2d(pictures, 2), scale_factor=2, mode="bilinear")
    some, most = (torch.rand(len(pictures), 1, 1, 1, device=pictures.device) for _ in range(2))
    chosen = (some < 0.5).float() * most
    return pictures * (1 - chosen) + soft * chosen + 0.06 * torch.randn_like(pictures)


def _batch(first_seed: int, count: int) -> tuple[torch.Tensor, list[Answers]]:
    scenes = [random_scene(seed) for seed in range(first_seed, first_seed + count)]
    return pictures_to_tensor([render(scene) for scene in scenes]), [Answers.of(scene) for scene in scenes]


def train_classifier(clock: Clock, batch: int = 32, peak_rate: float = 2e-3, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    network = Classifier().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=peak_rate, weight_decay=0.01)
    step, begun = 0, time.monotonic()
    while clock.share(step) < 1:
        pictures, answers = _batch(CLASSIFIER_SEEDS + step * batch, batch)
        set_learning_rate(optimizer, clock.learning_rate(step, peak_rate, warmup=50, decay_from=0.3))
        loss = loss_of(network(roughened(pictures)), answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 100 == 0:
            rate = step * batch / (time.monotonic() - begun)
            print(f"classifier step {step} loss {float(loss.detach()):.3f} {rate:.0f} pictures/s", flush=True)
    return network.eval()


@torch.no_grad()
def judged(network: Classifier, pictures: list[np.ndarray], count: int = 1) -> list[Answers]:
    """What the classifier sees in uint8 pictures; `count`: how many things it names in each."""
    said = network(pictures_to_tensor(pictures))
    answers = []
    for row in range(len(pictures)):
        best = said["things"][row].topk(count).indices.tolist()
        names = {head: frozenset({THING_NAMES[int(said[head][row].argmax())]}) for head in ("left", "right")}
        background = BACKGROUND_NAMES[int(said["background"][row].argmax())]
        colour = COLOUR_NAMES[int(said["colour"][row].argmax())]
        answers.append(Answers(frozenset(THING_NAMES[i] for i in best), names["left"], names["right"], background, colour))
    return answers


def accuracy(network: Classifier, count: int = 1000) -> dict[str, float]:
    """Shares right on fresh drawn scenes: the single thing, the background, both sides of a pair, the colour."""
    right: dict[str, list[bool]] = {"one thing": [], "background": [], "left/right": [], "colour": []}
    for first in range(FRESH_SEEDS, FRESH_SEEDS + count, 100):
        scenes = [random_scene(seed) for seed in range(first, first + min(count, 100))]
        for scene, seen in zip(scenes, judged(network, [render(scene) for scene in scenes]), strict=True):
            truth = Answers.of(scene)
            right["background"].append(seen.background == truth.background)
            if len(scene.things) == 1:
                right["one thing"].append(seen.things == truth.things)
            if scene.relation == "left":
                right["left/right"].append(seen.left == truth.left and seen.right == truth.right)
            if truth.colour and THING_BY_NAME[scene.things[0].name].recolour:
                right["colour"].append(seen.colour == truth.colour)
    return {name: float(np.mean(marks)) for name, marks in right.items()}


def save_classifier(network: Classifier, path: Path = WEIGHTS) -> None:
    halves = {name: value.half().contiguous() for name, value in network.state_dict().items() if value.is_floating_point()}
    save_file(halves, path)


def load_classifier(path: Path = WEIGHTS) -> Classifier:
    network = Classifier()
    weights = {name: value.float() for name, value in load_file(path).items()}
    network.load_state_dict(weights, strict=False)  # batch counters are left out: they matter in training only
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = train_classifier(Clock(options.minutes))
    save_classifier(network)
    for name, share in accuracy(load_classifier()).items():
        print(f"classifier on fresh drawn scenes: {name} {share:.1%}")


if __name__ == "__main__":
    main()
