"""How long an image takes here, estimated from earlier ones. Does not import torch: the page uses it too."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.json_values import JsonObject, JsonValue
from engine.plan.hardware.facts import Device
from engine.plan.learned import LearnedFacts, is_number

CONTROL_SHARE = 0.4
"""What a control network, which is half a UNet, adds to the time of a step, as a share of it."""

NEWEST = 0.5
"""Weight of the newest image in the running mean, which follows lasting changes and smooths out single slow images."""


@dataclass(frozen=True, kw_only=True)
class TimingKey:
    """What one image's time depends on: pixels, how many ``steps`` run, whether they are guided, how many ``parts`` the prompt
    has, how many ``controls`` run, the Speed setting."""

    width: int
    height: int
    steps: int
    guided: bool = True
    speed: str = "exact"
    parts: int = 1
    controls: int = 0

    @property
    def work(self) -> float:
        """How many steps of a prompt with one part take as long as these."""
        return self.steps * (self.parts + self.guided) / (1 + self.guided) * (1 + CONTROL_SHARE * self.controls)

    @property
    def kind(self) -> str:
        """The part that must be equal for times to be comparable."""
        return self.speed if self.guided else f"{self.speed} unguided"

    @property
    def name(self) -> str:
        """The name under which its times are kept."""
        return f"{self.width}x{self.height} {self.kind}"


def learn_timing(
    notes: LearnedFacts, checkpoint_hash: str, device: Device, course: TimingKey, *, stepping: float, rest: float
) -> None:
    """Store how long an image took: ``stepping`` seconds in its steps, ``rest`` from there to the file."""
    now = [stepping / max(1, course.work), rest]

    def add(stored: JsonObject) -> JsonObject:
        before = _read_times(stored.get(course.name)) or now
        return {**stored, course.name: [NEWEST * n + (1 - NEWEST) * b for n, b in zip(now, before, strict=True)]}

    notes.change(_key(checkpoint_hash, device), add)


def estimate_seconds(notes: LearnedFacts, checkpoint_hash: str, device: Device, course: TimingKey) -> float | None:
    """Seconds for an image with this key, from earlier ones of the same checkpoint on the same device; None without any.
    Times of other sizes are scaled by pixels. A lossy speed that was never used is estimated like the exact one.
    """
    kept = notes.get(_key(checkpoint_hash, device))
    pixels = course.width * course.height
    for kind in (course.kind, course.kind.replace(course.speed, "exact")):
        found = {_pixels(name): _read_times(times) for name, times in kept.items() if name.partition(" ")[2] == kind}
        alike = {count: times for count, times in found.items() if count and times}
        if alike:
            nearest = min(alike, key=lambda count: abs(count - pixels))
            step, rest = (seconds * pixels / nearest for seconds in alike[nearest])
            return course.work * step + rest
    return None


def _key(checkpoint_hash: str, device: Device) -> str:
    return f"pace of {checkpoint_hash} on {device.name or device.kind}"


def _read_times(value: JsonValue) -> list[float]:
    """Seconds of a step and of the rest; empty for anything else."""
    if not isinstance(value, list) or len(value) != 2:
        return []
    times = [float(each) for each in value if is_number(each)]
    return times if len(times) == 2 else []


def _pixels(name: str) -> int:
    """The pixels of a size such as ``512x768``; 0 for anything else."""
    found = _SIZE.match(name)
    return int(found[1]) * int(found[2]) if found else 0


_SIZE = re.compile(r"(\d{1,6})x(\d{1,6}) ", re.ASCII)
