"""An engine whose process is now and then killed while it writes a file."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from pathlib import Path

from engine.settings import Settings
from engine.storage.atomic_files import PART
from engine.testing import ScriptedEngine

DEATHS = "deaths"
"""The file in the data folder that gets a byte for each death."""

EVERY = 5
"""One of so many writes kills, on average."""

LONGEST = 0.004
"""Seconds from the beginning of a write until the kill, at most; a small image takes about half of that."""


class KilledWriter(ScriptedEngine):
    """Dies at random moments between the creation of a file and the time when its folder is synced."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._data = settings.data
        self._dice = random.Random()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Python calls this before it opens or renames a file."""
        if event in ("open", "os.rename") and str(arguments[0]).endswith(PART) and self._dice.random() * EVERY < 1:
            threading.Timer(self._dice.uniform(0, LONGEST), self._die).start()

    def _die(self) -> None:
        with (self._data / DEATHS).open("ab") as deaths:
            deaths.write(b".")
        os.kill(os.getpid(), signal.SIGKILL)


def count_deaths(data: Path) -> int:
    """How many have died over the data folder ``data``."""
    deaths = data / DEATHS
    return deaths.stat().st_size if deaths.exists() else 0
