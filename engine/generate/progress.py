"""How far a job is and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.events import Step

_SMOOTHING = 0.3
"""Weight of the newest step in the running mean: follows a machine that slows down, forgives one slow step."""

_PREVIEW_EVERY_SECONDS = 0.25
_PREVIEW_SHARE = 0.1
"""Previews may take this share of the time, whatever they cost on this machine."""


class Progress:
    """Turns finished steps into :class:`Step` events with an estimate of the seconds left for the whole job.

    ``unit``: what a step is, as in :class:`Step`.
    """

    def __init__(self, job: str, pictures: int, unit: str = "step") -> None:
        self._job = job
        self._pictures = pictures
        self._unit = unit
        self._per_step: float | None = None
        self._last = self._shown = time.monotonic()
        self._preview_took = 0.0

    def start_picture(self) -> None:
        """The time between pictures (decode, save) is not a step's."""
        self._last = time.monotonic()

    @property
    def preview_is_due(self) -> bool:
        """Whether it is time for a preview again."""
        return time.monotonic() - self._shown >= max(_PREVIEW_EVERY_SECONDS, self._preview_took / _PREVIEW_SHARE)

    def preview(self, draw: Callable[[], bytes | None]) -> bytes | None:
        """What ``draw`` gives; what it takes counts."""
        now = time.monotonic()
        drawn, self._shown = draw(), time.monotonic()
        self._preview_took = self._shown - now
        return drawn

    def step(self, picture: int, step: int, steps: int, preview: bytes | None) -> Step:
        """Step ``step`` (1-based) of ``steps`` of picture ``picture`` (0-based) is done."""
        now = time.monotonic()
        took, self._last = now - self._last, now
        if self._per_step is None:
            self._per_step = took
        else:
            self._per_step += _SMOOTHING * (took - self._per_step)
        left = (steps - step) + (self._pictures - picture - 1) * steps
        return Step(
            job=self._job,
            picture=picture,
            pictures=self._pictures,
            step=step,
            steps=steps,
            seconds_left=self._per_step * left,
            preview=preview,
            unit=self._unit,
        )
