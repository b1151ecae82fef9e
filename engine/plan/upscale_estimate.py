"""What upscaling an image will take, before it starts: pixels, memory and time. Does not import torch: the page uses it too."""

from __future__ import annotations

from dataclasses import dataclass

from engine.plan.learned import LearnedFacts, read_numbers
from engine.plan.memory import MIB

OPERATIONS = 1e11
"""Multiplications and additions a second, where nothing was measured yet: two cores with 16-bit arithmetic."""

PIXELS = 1e7
"""Pixels of the result a second that are resized, packed and written."""

ATTENDED = 0.25
"""The share of a denoiser's parameters that work on a pixel of the source, most of them lying at lower resolutions."""

FIXED = 300 * MIB
"""Memory that a run takes whatever the size, beside the weights."""


@dataclass(frozen=True, kw_only=True)
class UpscaleWork:
    """One image to be upscaled. ``width`` and ``height`` are the source's.

    ``parameters`` is what the upscaler computes with, 0 for Lanczos; ``steps`` how often a diffusion upscaler looks at each
    pixel, 0 for others; ``checkpoint_hash`` is the key of the upscaler's measured speed.
    """

    width: int
    height: int
    factor: float
    parameters: int = 0
    steps: int = 0
    checkpoint_hash: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the result in pixels."""
        return max(1, round(self.width * self.factor)), max(1, round(self.height * self.factor))

    @property
    def pixels(self) -> int:
        """Pixels of the result."""
        return self.size[0] * self.size[1]


@dataclass(frozen=True, kw_only=True)
class UpscaleEstimate:
    """``seconds``, and bytes of memory. ``measured``: whether the time goes by earlier runs on this machine."""

    seconds: float
    bytes: int
    measured: bool


def estimate_upscale(work: UpscaleWork, notes: LearnedFacts) -> UpscaleEstimate:
    """The cost of ``work``. Without an earlier run of the same upscaler the time is a rough guess."""
    looked = work.width * work.height * max(1, work.steps)
    kept = read_numbers(notes.get(_key(work.checkpoint_hash))).get("seconds_a_megapixel") if work.checkpoint_hash else None
    share = 2 * ATTENDED if work.steps else 1.0  # guidance runs the UNet twice
    guess = 2 * work.parameters * share / OPERATIONS * 1e6
    seconds = looked / 1e6 * (guess if kept is None else kept) + work.pixels / PIXELS
    return UpscaleEstimate(seconds=seconds, bytes=_bytes(work), measured=kept is not None)


def learn_upscale_speed(work: UpscaleWork, seconds: float, notes: LearnedFacts) -> None:
    """Store how long ``work`` took, for the next estimate."""
    looked = work.width * work.height * max(1, work.steps) / 1e6
    if work.checkpoint_hash and looked >= 0.01:
        own = max(0.0, seconds - work.pixels / PIXELS)
        notes.put(_key(work.checkpoint_hash), {"seconds_a_megapixel": own / looked})


def _bytes(work: UpscaleWork) -> int:
    """The source and its copies, a band of the result in 32-bit floats, and the weights."""
    source, latents = 3 * 2 * work.width * work.height, 4 * 4 * 3 * work.width * work.height if work.steps else 0
    band = 1024 * work.size[0] * 3 * 4 * 2
    return FIXED + source + latents + band + 4 * work.parameters


def _key(checkpoint_hash: str) -> str:
    return f"upscaling by {checkpoint_hash}"
