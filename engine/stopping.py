"""Stops a run."""

from __future__ import annotations

import threading

from engine.errors import CancelledError


class Stop:
    """One run's wish to stop. Set from any thread, read by the run between small pieces of work.

    There is one per job, so that one page's Stop never ends another's run.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the run to end. A second call has no further effect."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether the run was asked to end."""
        return self._event.is_set()

    def raise_if_set(self) -> None:
        """Raises CancelledError if the run was asked to end."""
        if self._event.is_set():
            raise CancelledError
