"""What the Speed setting does to a run, one row per setting. Does not import torch: the page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEAST_STEPS = 10
"""In runs with fewer steps each step is exact whatever the setting, because it changes too much for anything else."""

FIRST_STEPS = 3
"""The network runs at this many steps at the beginning of every run: they decide what is where."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """``run_every``: after the first steps the network runs at every so-many-th step and at the last one; between those its
    prediction is extrapolated. ``tiny_decoder``: whether a tiny autoencoder (TAESD) decodes the image, where there is one,
    however few steps it took."""

    run_every: int = 1
    tiny_decoder: bool = False

    def runs_network(self, step: int, steps: int) -> bool:
        """Whether step ``step`` of ``steps``, from 0, runs the network."""
        later = step - FIRST_STEPS
        return later < 0 or (later + 1) % self.run_every == 0 or step == steps - 1

    def count_runs(self, steps: int) -> int:
        """How many of ``steps`` steps run the network."""
        return sum(self.runs_network(step, steps) for step in range(steps))


EXACT = Speed()

FEW_STEPS = "few_steps"
"""The setting that draws with a LoRA for few steps, each of which is exact."""

SPEEDS: Mapping[str, Speed] = {
    "exact": EXACT,
    "balanced": Speed(run_every=4),
    "draft": Speed(run_every=6, tiny_decoder=True),
    FEW_STEPS: Speed(),
}
"""Name of the setting, as in :data:`engine.requests.SPEEDS` -> its row."""


def speed_for(name: str, steps: int) -> Speed:
    """The speed row for a run of ``steps`` steps."""
    return SPEEDS[name] if steps >= LEAST_STEPS else EXACT
