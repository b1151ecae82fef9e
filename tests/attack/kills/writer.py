"""An engine whose process is sometimes killed while it writes a file."""

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
"""The file in the data folder to which each death appends a byte."""

EVERY = 5
"""On average one of so many writes kills the process."""

LONGEST = 0.004
"""The longest time in seconds from the beginning of a write to the kill; a small image takes about half of it."""


class KilledWriter(ScriptedEngine):
    """Dies at random moments between the creation of a file and the sync of its folder."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._data = settings.data
        self._dice = random.Random()
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        """An audit hook, which Python calls before it opens or renames a file."""
        if event in ("open", "os.rename") and str(arguments[0]).endswith(PART) and self._dice.random() * EVERY < 1:
            threading.Timer(self._dice.uniform(0, LONGEST), self._die).start()

    def _die(self) -> None:
        with (self._data / DEATHS).open("ab") as deaths:
            deaths.write(b".")
        os.kill(os.getpid(), signal.SIGKILL)


def count_deaths(data: Path) -> int:
    """How many processes died in the data folder ``data``."""
    deaths = data / DEATHS
    return deaths.stat().st_size if deaths.exists() else 0
