"""Workers that still live, by locks that end with them however they end."""

from __future__ import annotations

import re
from pathlib import Path

from filelock import FileLock, Timeout

from engine.errors import OutputError

GOING_SECONDS = 60
"""How long a worker may take to notice that its Easel is gone: a write to a slow disk cannot be cut short."""


def hold(data: Path, device: str) -> FileLock:
    """The lock of the worker on ``device``. Waits while an earlier worker on it lives; held until this process ends."""
    folder = _folder(data)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{re.sub('[^a-z0-9]+', '-', device.lower())}.lock")
    lock.acquire()
    return lock


def wait_for_workers(data: Path, seconds: float = GOING_SECONDS) -> None:
    """Returns when no worker of a killed Easel lives any more: nothing half-written is anybody's now.

    Raises OutputError if one does not end in time.
    """
    for path in _folder(data).glob("*.lock"):
        try:
            with FileLock(path).acquire(timeout=seconds):
                pass
        except Timeout as error:
            raise OutputError(
                "An earlier Easel has not ended yet: one of its processes still works. Wait a minute and start again."
            ) from error


def _folder(data: Path) -> Path:
    return data / "workers"
