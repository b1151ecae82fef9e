"""Which workers are still running: each holds a lock that the system releases when the process ends."""

from __future__ import annotations

import re
from pathlib import Path

from filelock import FileLock, Timeout

from engine.errors import OutputError
from engine.storage.atomic_files import PRIVATE_FILE, make_folder

EXIT_SECONDS = 60
"""How long a worker may take to notice that its Easel is gone: a write to a slow disk cannot be cut short."""


def lock_device(data: Path, device: str) -> FileLock:
    """Take the lock of the worker on ``device``, until this process ends. Waits while an earlier worker on it still runs."""
    folder = _find_lock_folder(data)
    make_folder(folder)
    lock = FileLock(folder / f"{re.sub('[^a-z0-9]+', '-', device.lower())}.lock", mode=PRIVATE_FILE)
    lock.acquire()
    return lock


def wait_for_workers(data: Path, seconds: float = EXIT_SECONDS) -> None:
    """Returns when no worker of a killed Easel runs any more: what is half written now is abandoned.

    Raises OutputError if one does not end in time.
    """
    for path in _find_lock_folder(data).glob("*.lock"):
        try:
            with FileLock(path).acquire(timeout=seconds):
                pass
        except Timeout as error:
            raise OutputError(
                "An earlier Easel has not quite ended: one of its processes is still working. Wait a minute and start again."
            ) from error


def _find_lock_folder(data: Path) -> Path:
    return data / "workers"
