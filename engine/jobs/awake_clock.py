"""A clock that stands still while the computer sleeps or the process is stopped, so that a silent worker is not blamed for it."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_STEP = 2.0
"""Seconds that pass at most between two looks; whoever keeps time looks more often."""


class AwakeClock:
    """Seconds that this process was awake. One thread advances it; any thread may read :attr:`now`.

    Systems disagree on whether their monotonic clocks count sleep, and none leaves out the time that a stopped process was
    stopped. A look that comes far too late after the one before says so.
    """

    def __init__(self, read: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._last = read()
        self.now = 0.0

    def advance(self) -> float:
        """The time now."""
        last, self._last = self._last, self._read()
        self.now += min(max(self._last - last, 0.0), LONGEST_STEP)
        return self.now
