"""The judge: a small network that detects what is in an image and where. Trained separately, on drawn scenes only.

`python -m training.judge --minutes 40 --out DIR` trains it and writes DIR/judge.safetensors (half precision); `--resume`
continues from it and saves the mean of the weights before and after.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from zlib import crc32

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from training.common import Clock, set_learning_rate
from training.drawers import CHUNK, SceneChunk, Source, Supply, open_source
from training.drawing.backgrounds import BACKGROUND_NAMES
from training.drawing.styles import STYLE_NAMES
from training.drawing.things import THING_BY_NAME, THING_NAMES
from training.machine import autocast, prepare, read_flags, run_processes, to_images
from training.painting import render
from training.scenes import COLOUR_NAMES, FRESH_SEEDS, NATIVE_SIZE, Scene, create_scene

FILE = "judge.safetensors"
WEIGHTS = Path(__file__).parent / FILE
"""The weights of the judge in this repository."""
JUDGE_SEEDS = 500_000_000
"""First seed of the judge's scenes, which no other trainer uses."""
PEAK_RATE = 2e-3
CELLS = 8
"""The image is divided into this many cells across and down; each predicts which thing has its centre there."""
BORDER = 3
"""Side in cells of the neighbourhood over which probabilities are summed: a centre near a border is shared between cells."""
MOST, GUESSES = 4, 8
HEADS = {"background": len(BACKGROUND_NAMES), "style": len(STYLE_NAMES), "colour": len(COLOUR_NAMES), "count": MOST + 1}
ROWS = ("one thing", "two things", "counting", "colour", "position", "background", "style")
IGNORE_INDEX = -100
"""The label of a head without a right answer, which cross entropy ignores."""
EMPTY_WEIGHT = 0.1
"""Weight of a cell without a thing's centre, relative to one with it."""
BATCH, POOL, REUSE = 32, 6144, 6
"""Images per step; images kept in memory; how often each is used, with a different degradation each time."""


def halve(images: torch.Tensor) -> torch.Tensor:
    """Images at half the side, the judge's input resolution."""
    return F.avg_pool2d(images, 2)


class Block(nn.Module):
    """Halves the resolution, followed by a residual block of two convolutions."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.more = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, groups=4, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        smaller = self.down(images)
        return F.relu(smaller + self.more(smaller))


def _pool(cells: torch.Tensor) -> torch.Tensor:
    """The mean and the maximum of each channel: (n, 2 x channels)."""
    return torch.cat([cells.mean((2, 3)), cells.amax((2, 3))], 1)


class Judge(nn.Module):
    """Images (n, 3, 256, 256) in -1..1 to `where` and the logits of each head.

    `where` is (n, things + 1, CELLS, CELLS): the log-probability that a thing has its centre in a cell, and last that none has.
    """

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96, 160)) -> None:
        super().__init__()
        self.body = nn.Sequential(*(Block(before, width) for before, width in zip((3, *widths), widths, strict=False)))
        last = widths[-1]
        self.around = nn.Linear(2 * last, last)
        self.where = nn.Conv2d(last, len(THING_NAMES) + 1, 1)
        self.heads = nn.Linear(3 * last, sum(HEADS.values()))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The image's features (n, 2 x the last width), used for distances between images."""
        return _pool(self.body(halve(images)))

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return self.judge_halved(halve(images))

    def judge_halved(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Like forward, for images that are already halved."""
        cells = self.body(images)
        known = _pool(cells)
        around = F.relu(self.around(known))
        said = dict(zip(HEADS, self.heads(torch.cat([known, around], 1)).split(list(HEADS.values()), 1), strict=True))
        return {"where": self.where(cells + around[..., None, None]).float().log_softmax(1), **said}


@dataclass(frozen=True)
class Judgement:
    """What an image shows: things, most likely first, each with its centre in shares of the side; and the answer of each head.

    If two things compete for one place, only the more likely one is listed.
    """

    things: tuple[tuple[str, float, float], ...]
    background: str
    style: str
    colour: str | None
    count: int

    def place(self, name: str) -> tuple[float, float] | None:
        return next(((x, y) for found, x, y in self.things if found == name), None)

    def first(self, count: int) -> set[str]:
        return {name for name, _, _ in self.things[:count]}


def _create_targets(scenes: Sequence[Scene]) -> dict[str, torch.Tensor]:
    where = torch.zeros(len(scenes), len(THING_NAMES) + 1, CELLS, CELLS)
    for row, scene in enumerate(scenes):
        for thing in scene.things:
            down, across = (min(CELLS - 1, int(share * CELLS)) for share in (thing.y, thing.x))
            where[row, THING_NAMES.index(thing.name), down, across] = 1.0
    where[:, -1] = (where.sum(1) == 0).float()
    return {
        "where": where / where.sum(1, keepdim=True),
        "background": torch.tensor([IGNORE_INDEX if scene.far else BACKGROUND_NAMES.index(scene.background) for scene in scenes]),
        "style": torch.tensor([STYLE_NAMES.index(scene.style) for scene in scenes]),
        "colour": torch.tensor(
            [COLOUR_NAMES.index(colour) if (colour := find_single_colour(scene)) else IGNORE_INDEX for scene in scenes]
        ),
        "count": torch.tensor([len(scene.things) for scene in scenes]),
    }


def find_single_colour(scene: Scene) -> str | None:
    """The colour of the scene's things, if they all have one and the style preserves it; else None."""
    colours = {thing.colour for thing in scene.things}
    return colours.pop() if len(colours) == 1 and scene.style == STYLE_NAMES[0] else None


def compute_loss(said: dict[str, torch.Tensor], truth: dict[str, torch.Tensor]) -> torch.Tensor:
    """Cross entropy of each cell, and of the heads that have a label."""
    wanted = truth["where"]
    weights = 1 - (1 - EMPTY_WEIGHT) * wanted[:, -1]
    loss = -((wanted * said["where"]).sum(1) * weights).sum((1, 2)).mean()
    for head in HEADS:
        if (truth[head] != IGNORE_INDEX).any():
            loss = loss + F.cross_entropy(said[head].float(), truth[head], ignore_index=IGNORE_INDEX)
    return loss


def roughen(images: torch.Tensor) -> torch.Tensor:
    """Augmentation: half of the halved images slightly blurred, all with a little noise, since generated images are softer."""
    soft = F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    some, most = (torch.rand(len(images), 1, 1, 1, device=images.device) for _ in range(2))
    chosen = (some < 0.5).float() * most
    return images * (1 - chosen) + soft * chosen + 0.04 * torch.randn_like(images)


class JudgeTraining:
    """One process of the training: network, optimiser, clock, and the most recent images with their scenes."""

    def __init__(self, clock: Clock, device: str, network: Judge, rank: int = 0, seed: int = 0) -> None:
        torch.manual_seed(seed + rank)
        self.clock, self.device, self.rank, self.step = clock, device, rank, 0
        self.network = network
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=PEAK_RATE, weight_decay=0.01)
        self.images = torch.empty(POOL, NATIVE_SIZE // 2, NATIVE_SIZE // 2, 3, dtype=torch.uint8, device=device)
        self.scenes: list[Scene] = []
        self._next = 0

    def add(self, drawn: SceneChunk) -> None:
        """Adds a chunk, which replaces the oldest."""
        small = halve(drawn.images.to(self.device).permute(0, 3, 1, 2).float()).round().byte()
        self.images[self._next : self._next + CHUNK] = small.permute(0, 2, 3, 1)
        self.scenes[self._next : self._next + CHUNK] = [create_scene(seed) for seed in drawn.seeds.tolist()]
        self._next = (self._next + CHUNK) % POOL

    def train_step(self, batch: int = BATCH) -> torch.Tensor:
        chosen = torch.randint(0, len(self.scenes), (batch,))
        truth = {head: value.to(self.device) for head, value in _create_targets([self.scenes[place] for place in chosen]).items()}
        images = to_images(self.images[chosen.to(self.device)], self.device)
        set_learning_rate(self.optimizer, self.clock.learning_rate(self.step, PEAK_RATE, warmup=50, decay_from=0.3))
        with autocast(self.device):
            said = self.network.judge_halved(roughen(images))
        loss = compute_loss(said, truth)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return loss.detach()

    def run(self, drawers: Source, batch: int) -> None:
        """Trains until the clock runs out."""
        self.add(drawers.next())
        supply, begun = Supply(drawers, REUSE), time.monotonic()
        while self.clock.share(self.step) < 1:
            for drawn in supply.take_due(self.step * batch):
                self.add(drawn)
            loss = self.train_step(batch)
            if self.step % 100 == 0 and self.rank == 0:
                speed = self.step * batch / (time.monotonic() - begun)
                print(f"judge step {self.step} loss {float(loss):.3f} {speed:.0f} pictures/s", flush=True)


@torch.no_grad()
def judge_images(network: Judge, images: Sequence[np.ndarray]) -> list[Judgement]:
    """The judge's answers for uint8 images."""
    said = network(to_images(torch.from_numpy(np.stack(images)), "cpu"))
    return [_find_things({head: value[row] for head, value in said.items()}) for row in range(len(images))]


@torch.no_grad()
def detect_things(network: Judge, images: Sequence[np.ndarray]) -> list[frozenset[str]]:
    """The things detected in each uint8 image: those that are the most likely answer of some cell, "none" included.

    Any number of things can be detected, also none. Empty cells have a tenth of the weight in training, so the judge tends
    to detect things that it is unsure of.
    """
    cells = network(to_images(torch.from_numpy(np.stack(images)), "cpu"))["where"].argmax(1).flatten(1)
    return [frozenset(THING_NAMES[answer] for answer in row if answer < len(THING_NAMES)) for row in cells.tolist()]


def _find_things(said: dict[str, torch.Tensor]) -> Judgement:
    cells = said["where"][:-1].exp()
    around = F.avg_pool2d(cells, BORDER, stride=1, padding=BORDER // 2, divisor_override=1)
    things, taken = list[tuple[str, float, float]](), list[tuple[int, int]]()
    for index in around.amax((1, 2)).topk(GUESSES).indices.tolist():
        down, across = divmod(int(cells[index].argmax()), CELLS)
        if all(max(abs(down - y), abs(across - x)) > BORDER // 2 for y, x in taken):
            taken.append((down, across))
            things.append((THING_NAMES[index], (across + 0.5) / CELLS, (down + 0.5) / CELLS))
    answers = {head: int(said[head].argmax()) for head in HEADS}
    return Judgement(
        tuple(things), BACKGROUND_NAMES[answers["background"]], STYLE_NAMES[answers["style"]],
        COLOUR_NAMES[answers["colour"]], answers["count"],
    )  # fmt: skip


def measure_accuracy(network: Judge, count: int = 1000) -> dict[str, float]:
    """Accuracy on scenes not trained on. Things, colours and numbers are tested on unstyled scenes, styles on all."""
    marks: dict[str, list[bool]] = {row: [] for row in ROWS}
    for first in range(FRESH_SEEDS, FRESH_SEEDS + count, 50):
        scenes = [create_scene(seed) for seed in range(first, first + min(50, count))]
        for scene, seen in zip(scenes, judge_images(network, [render(scene) for scene in scenes]), strict=True):
            for row, right in _check_answers(scene, seen):
                marks[row].append(right)
    return {row: float(np.mean(found)) for row, found in marks.items() if found}


def _check_answers(scene: Scene, seen: Judgement) -> list[tuple[str, bool]]:
    verdicts = [("style", seen.style == scene.style)]
    if scene.style != STYLE_NAMES[0]:
        return verdicts
    if not scene.far:
        verdicts.append(("background", seen.background == scene.background))
    names = {thing.name for thing in scene.things}
    if len(scene.things) == 1:
        verdicts.append(("one thing", seen.first(1) == names))
    if len(names) == 2 and scene.relation in ("left", None):
        verdicts.append(("two things", seen.first(2) == names))
    if scene.relation in POSITIONS:
        verdicts.append(("position", POSITIONS[scene.relation](seen, *(thing.name for thing in scene.in_order()))))
    if len(names) == 1 and len(scene.things):
        verdicts.append(("counting", seen.count == len(scene.things)))
    colour = find_single_colour(scene)
    if colour and THING_BY_NAME[scene.things[0].name].recolour:
        verdicts.append(("colour", seen.colour == colour))
    return verdicts


def is_left_of(seen: Judgement, first: str, second: str) -> bool:
    """Whether both are detected, the first farther to the left."""
    a, b = seen.place(first), seen.place(second)
    return seen.first(2) == {first, second} and a is not None and b is not None and a[0] < b[0]


def is_above(seen: Judgement, first: str, second: str) -> bool:
    """Whether both are detected, the first higher up."""
    a, b = seen.place(first), seen.place(second)
    return seen.first(2) == {first, second} and a is not None and b is not None and a[1] < b[1]


POSITIONS = {"left": is_left_of, "above": is_above}
"""Relation -> the function that tests it."""


def save_judge(network: Judge, path: Path, before: Judge | None = None) -> None:
    """Saves the weights, or their mean with those of `before`, which makes fewer errors than either (Izmailov et al. 2018)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: value.float().cpu() for name, value in network.state_dict().items() if value.is_floating_point()}
    if before:
        weights = {name: (value + before.state_dict()[name]) / 2 for name, value in weights.items()}
    save_file({name: value.half().contiguous() for name, value in weights.items()}, path)


def load_judge(path: Path) -> Judge:
    network = Judge()
    # Batch counters are left out: they are needed for training only.
    network.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=False)
    return network.eval()


def train(rank: int, options: argparse.Namespace, networks: Sequence[nn.Module]) -> None:
    """The work of one process; the first one saves."""
    prepare(options)
    path = options.out / FILE
    training = JudgeTraining(Clock(options.minutes), options.device, cast(Judge, networks[0]), rank)
    with open_source(options, rank, NATIVE_SIZE, 1, options.first_seed) as drawers:
        training.run(drawers, options.batch)
    if rank == 0:
        save_judge(training.network, path, load_judge(path) if options.resume and path.exists() else None)


def main() -> None:
    options = read_flags(argparse.ArgumentParser(description=__doc__), minutes=40, batch={"cuda": BATCH, "cpu": BATCH})
    torch.manual_seed(0)
    network, path, options.first_seed = Judge(), options.out / FILE, JUDGE_SEEDS
    if options.resume and path.exists():
        network = load_judge(path).train()
        options.first_seed += crc32(path.read_bytes()) % 1000 * 100_000  # a resumed run trains on other scenes
    # To channels last before sharing: converted later, each process would hold a copy of its own.
    network = network.to(options.device, memory_format=torch.channels_last)  # type: ignore[call-overload] torch's stub lacks it
    run_processes(train, options, [network])
    for row, share in measure_accuracy(load_judge(path)).items():
        print(f"judge on fresh drawn scenes: {row:<12} {share:.1%}", flush=True)


if __name__ == "__main__":
    main()
