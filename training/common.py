"""What both trainers need: an average of weights, a schedule by the clock, weights saved and taken up again."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn


class MovingAverage:
    """Keeps an exponential moving average of a network's weights; young averages forget faster."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - decay)


class Clock:
    """How much of the allowed time is used; it decides the learning rate, so that any length of run ends gently."""

    def __init__(self, minutes: float, used_seconds: float = 0.0, steps: int | None = None) -> None:
        self.seconds, self.steps = minutes * 60, steps
        self._start = time.monotonic() - used_seconds

    def used_seconds(self) -> float:
        return time.monotonic() - self._start

    def share(self, step: int) -> float:
        """0 at the start, 1 at the end; counted in steps where a number of steps was given."""
        return step / self.steps if self.steps else self.used_seconds() / self.seconds

    def learning_rate(self, step: int, peak: float, warmup: int = 200, decay_from: float = 0.6) -> float:
        """Linear warm-up, then `peak`, then a cosine down to a fiftieth of it."""
        late = max(0.0, min(1.0, (self.share(step) - decay_from) / (1 - decay_from)))
        return peak * min(1.0, (step + 1) / warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * late)))


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = value


def save_state(state: dict[str, object], path: Path) -> None:
    """Writes beside the file and renames, so that a stop in the middle leaves the last good one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    os.replace(beside, path)


def load_state(path: Path) -> dict[str, object]:
    return torch.load(path, map_location="cpu", weights_only=True)


def millions(networks: Iterable[nn.Module]) -> float:
    return sum(parameter.numel() for network in networks for parameter in network.parameters()) / 1e6
