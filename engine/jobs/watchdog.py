"""How long a worker may be silent before it counts as hung: what a step takes is learnt, the rest is given."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

from engine.events import Event, Step


@dataclass(frozen=True, kw_only=True)
class Watchdog:
    """Seconds without a sign of life after which a worker counts as hung.

    ``start``: import torch and look at the machine; ``load``: a checkpoint from a slow disk, the first step, a decode.
    Between steps it is ``factor`` times this machine's own median step, and at least ``least``. ``stop``: from a press on Stop
    to the end of the run.
    """

    start: float = 600.0
    load: float = 900.0
    factor: float = 20.0
    least: float = 120.0
    stop: float = 30.0


class Pace:
    """What this machine's own steps take."""

    def __init__(self, patience: Watchdog) -> None:
        self._patience = patience
        self._steps: deque[float] = deque(maxlen=50)

    def allowed(self, event: Event, seconds: float) -> float:
        """Seconds that may pass after ``event``, which came ``seconds`` after the one before it."""
        if not isinstance(event, Step):
            return self._patience.load
        self._steps.append(seconds)
        if event.step == event.steps or len(self._steps) < 3:
            return self._patience.load
        return max(self._patience.least, self._patience.factor * statistics.median(self._steps))
