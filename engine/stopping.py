"""How a run is asked to end."""

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
        """Ask the run to end. Asking twice is asking once."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def raise_if_set(self) -> None:
        """Raises CancelledError if somebody asked."""
        if self._event.is_set():
            raise CancelledError
