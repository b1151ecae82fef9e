"""When a silent worker counts as hung: the time that a step takes is learned, the other limits are fixed."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

from engine.events import Event, Step

MIN_STEPS = 3
"""Steps that are measured before a limit is derived from them."""


@dataclass(frozen=True, kw_only=True)
class TimeLimits:
    """Seconds without a message after which a worker counts as hung.

    ``start``: to import torch and examine the machine; ``load``: for a checkpoint from a slow disk, the first step, a decode.
    Between steps it is ``factor`` times this machine's own median step, and at least ``least``. ``stop``: from a press on Stop
    to the end of the job.
    """

    start: float = 600.0
    load: float = 900.0
    factor: float = 20.0
    least: float = 120.0
    stop: float = 30.0


class Watchdog:
    """Watches one worker. Times are seconds of one clock, such as time.monotonic."""

    def __init__(self, limits: TimeLimits) -> None:
        self._limits = limits
        self._steps: deque[float] = deque(maxlen=50)
        self._last = 0.0
        self.limit = limits.load

    def start_job(self, now: float) -> None:
        """Note that the worker got a job."""
        self._last, self.limit = now, self._limits.load

    def hear(self, event: Event, now: float) -> None:
        """Note that the worker sent an event of the job."""
        self.limit = self._limit_after(event, now - self._last)
        self._last = now

    def is_hung(self, now: float, stopped: float | None) -> bool:
        """Whether the worker has been silent too long, or has not ended the job that was stopped at ``stopped``."""
        ignores_stop = stopped is not None and now - stopped > self._limits.stop
        return ignores_stop or now - self._last > self.limit

    def _limit_after(self, event: Event, seconds: float) -> float:
        if not isinstance(event, Step):
            return self._limits.load
        self._steps.append(seconds)
        if event.step == event.steps or len(self._steps) < MIN_STEPS:
            return self._limits.load
        return max(self._limits.least, self._limits.factor * statistics.median(self._steps))
