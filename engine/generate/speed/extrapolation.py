"""Steps without the network: what it would predict is extrapolated from what it predicted at earlier steps.

A prediction says which image the noise hides. From step to step this image changes little, and almost along a line; TaylorSeer
(Liu et al. 2025, arXiv 2503.06923) continues the features of layers in this way, here it is the network's guided output. So a
skipped step needs neither the layers nor torch, and a network that a compiler computes stays compiled.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from engine.compat.schedulers import Scheduler, describe_prediction
from engine.plan.speed import Speed

SLOPE = 0.5
"""The share of the line's slope that is followed. With the starter, half of it is nearer to Exact than all of it or none."""


@dataclass
class Extrapolation:
    """The last two predictions of a run of ``steps`` steps, and what follows from them for the steps that ``speed`` skips."""

    speed: Speed
    steps: int
    scheduler: Scheduler
    _known: list[tuple[float, torch.Tensor]] = field(default_factory=list[tuple[float, torch.Tensor]], init=False)
    """Timesteps, and the images that were predicted at them."""

    def extrapolate(self, step: int, sample: torch.Tensor, timestep: float) -> torch.Tensor | None:
        """The prediction for ``sample``, the network's input at ``step``; None if the network must run."""
        if len(self._known) < 2 or self.speed.runs_network(step, self.steps):
            return None
        (before, first), (after, last) = self._known
        image = last + SLOPE * (timestep - after) / (after - before) * (last - first)
        line = describe_prediction(self.scheduler, timestep)
        return line.of_sample * sample - line.of_image * image

    def keep(self, sample: torch.Tensor, timestep: float, prediction: torch.Tensor) -> None:
        """Note what the network predicted for ``sample``. Of two predictions at one timestep, as Heun's method makes, the later
        one counts."""
        line = describe_prediction(self.scheduler, timestep)
        image = (line.of_sample * sample - prediction) / line.of_image
        earlier = [known for known in self._known if known[0] != timestep]
        self._known = [*earlier[-1:], (timestep, image)]

    def forget(self) -> None:
        """Drop what is known, as it was predicted for other words."""
        self._known.clear()
