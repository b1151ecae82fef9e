"""What the Speed setting does to a run, one row per setting. Does not import torch: the page shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

LEAST_STEPS = 10
"""In runs with fewer steps each step is exact whatever the setting, because it changes too much for anything else."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """``full_every``: the whole UNet runs at every so-many-th step, its outermost layer alone between them. ``guided``: the
    share of the steps, from the first on, that are guided by the negative prompt. ``tiny_decoder``: whether a tiny autoencoder
    (TAESD) decodes the image, where there is one, however few steps it took."""

    full_every: int = 1
    guided: float = 1.0
    tiny_decoder: bool = False

    def guided_steps(self, steps: int) -> int:
        """How many of ``steps`` are guided."""
        return math.ceil(self.guided * steps)


EXACT = Speed()

FEW_STEPS = "few_steps"
"""The setting that draws with a LoRA for few steps, each of which is exact."""

SPEEDS: Mapping[str, Speed] = {
    "exact": EXACT,
    "balanced": Speed(full_every=2),
    "draft": Speed(full_every=3, guided=0.6, tiny_decoder=True),
    FEW_STEPS: Speed(),
}
"""Name of the setting, as in :data:`engine.requests.SPEEDS` -> its row."""


def speed_for(name: str, steps: int) -> Speed:
    """The speed row for a run of ``steps`` steps."""
    return SPEEDS[name] if steps >= LEAST_STEPS else EXACT
