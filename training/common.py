"""What every trainer uses: a moving average of weights, a learning-rate schedule by time, saving and loading weights."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn


class MovingAverage:
    """An exponential moving average of a network's weights, on its device; the decay is lower during the first steps."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self._live = [value for value in network.state_dict().values() if value.is_floating_point()]
        self._names = [name for name, value in network.state_dict().items() if value.is_floating_point()]
        self._kept = [value.detach().clone() for value in self._live]

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        torch._foreach_lerp_(self._kept, self._live, 1 - min(self.decay, (1 + self.steps) / (10 + self.steps)))

    def weights(self) -> dict[str, torch.Tensor]:
        return dict(zip(self._names, self._kept, strict=True))

    @torch.no_grad()
    def take(self, weights: Mapping[str, Any], steps: int) -> None:
        """Continues from saved weights."""
        self.steps = steps
        for kept, name in zip(self._kept, self._names, strict=True):
            kept.copy_(weights[name])


class Clock:
    """The share of the time budget that is used. It sets the learning rate, so that training of any length ends with a decay."""

    def __init__(self, minutes: float, used_seconds: float = 0.0, steps: int | None = None) -> None:
        self.seconds, self.steps = minutes * 60, steps
        self._start = time.monotonic() - used_seconds

    def used_seconds(self) -> float:
        return time.monotonic() - self._start

    def share(self, step: int) -> float:
        """Progress from 0 to 1, in steps if their number was given, else in time."""
        return step / self.steps if self.steps else self.used_seconds() / self.seconds

    def learning_rate(self, step: int, peak: float, warmup: int = 200, decay_from: float = 0.6) -> float:
        """Linear warm-up, then constant `peak`, then cosine decay to a fiftieth of it."""
        late = max(0.0, min(1.0, (self.share(step) - decay_from) / (1 - decay_from)))
        return peak * min(1.0, (step + 1) / warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * late)))


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = value


def save_state(state: dict[str, object], path: Path) -> None:
    """Writes to a temporary file and renames it, so an interrupted save leaves the last state intact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    os.replace(beside, path)


def load_state(path: Path) -> dict[str, object]:
    return torch.load(path, map_location="cpu", weights_only=True)


def count_millions(networks: Iterable[nn.Module]) -> float:
    return sum(parameter.numel() for network in networks for parameter in network.parameters()) / 1e6
