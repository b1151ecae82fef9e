"""What is due after how long without a job, as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import engine.preferences as preferences
from engine.errors import CancelledError
from engine.preferences import Preferences
from engine.stopping import Stop

SELF_TEST_SECONDS = 30.0
"""Seconds without a job before a device is tested: whoever makes several images is not idle between them."""

GIVE_BACK_SECONDS = 300.0
"""Seconds without a job before unused memory is given back: taking it again costs less than a second."""


@dataclass(frozen=True)
class Duty:
    """``do`` is called once when ``after(preferences)`` seconds have passed without a job; None is never.

    It raises CancelledError soon after its stop is set, and is then due again.
    """

    name: str
    after: Callable[[Preferences], float | None]
    do: Callable[[Stop], None]


class Duties:
    """The duties of a process between two jobs, in order. ``folder`` is the one of the preferences, which are read each time."""

    def __init__(self, folder: Path, duties: Sequence[Duty]) -> None:
        self._folder, self._duties = folder, duties
        self._done: set[str] = set()

    def restart(self) -> None:
        """A job begins: after it everything is due again."""
        self._done.clear()

    def perform(self, seconds: float, stop: Stop) -> float | None:
        """Do what is due after ``seconds`` without a job. Returns after how many seconds the next is due; None if nothing is.

        Errors of a duty are printed, and it is not tried again before the next job. Raises CancelledError as the duties do.
        """
        for duty, after in self._list_open():
            if after <= seconds:
                stop.raise_if_set()
                self._done.add(duty.name)
                self._do(duty, stop)
        return min((after for _, after in self._list_open()), default=None)

    def _list_open(self) -> list[tuple[Duty, float]]:
        chosen = preferences.read(self._folder)
        due = [(duty, duty.after(chosen)) for duty in self._duties if duty.name not in self._done]
        return [(duty, after) for duty, after in due if after is not None]

    def _do(self, duty: Duty, stop: Stop) -> None:
        try:
            duty.do(stop)
        except Exception as error:
            if stop.is_set():
                self._done.discard(duty.name)
                raise CancelledError from error  # a library may have wrapped it
            print(f"{duty.name}: {type(error).__name__}: {error}", flush=True)


def unload_seconds(chosen: Preferences) -> float | None:
    """After how many seconds without a job checkpoints are unloaded; None for never."""
    return chosen.unload_minutes * 60.0 or None
