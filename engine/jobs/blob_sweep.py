"""Removes blobs that are no longer needed, such as the sketches of drafts, in the background."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from engine.errors import CancelledError, EaselError, RequestError
from engine.jobs.journal import Journal
from engine.records import metadata
from engine.records.outputs import SUFFIXES, read_job
from engine.records.record import to_text
from engine.settings import Settings
from engine.storage.blobs import SECONDS_KEPT, BlobFolder, find_hashes
from engine.storage.regular_files import NotRegular, open_regular_file

PAUSE_SECONDS = 3600.0
"""The least time between two sweeps."""


class BlobSweeper:
    """Sweeps the blobs of one data folder, one sweep at a time."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings, self._journal = settings, journal
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._started = -PAUSE_SECONDS

    def start(self) -> None:
        """Sweep in a thread, unless that was done in the last :data:`PAUSE_SECONDS`."""
        if self._stop.is_set() or time.monotonic() - self._started < PAUSE_SECONDS:
            return
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._sweep, name="easel-blob-sweep", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End a sweep that runs."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def _sweep(self) -> None:
        try:
            sweep_blobs(self._settings, self._journal, self._stop)
        except CancelledError:
            return
        except (EaselError, OSError) as error:
            print(f"Unused sketches could not be removed: {error}", flush=True)


def sweep_blobs(settings: Settings, journal: Journal, stop: threading.Event, seconds_kept: float = SECONDS_KEPT) -> int:
    """Remove the blobs that no job and no image's record names and that were not used for ``seconds_kept``; returns how many.

    Nothing is removed while the outputs folder is missing, because its images may need any blob. Raises OutputError or
    OSError if something cannot be read, CancelledError once ``stop`` is set.
    """
    if not settings.outputs.is_dir():
        return 0

    def find_needed() -> set[str]:
        jobs = journal.read_ids()
        return journal.find_blobs() | {hash for text in _read_records(settings.outputs, jobs, stop) for hash in find_hashes(text)}

    return BlobFolder(settings.data / "blobs").sweep(find_needed, seconds_kept)


def _read_records(outputs: Path, known: set[str], stop: threading.Event) -> Iterator[str]:
    """The records of all images that are not of a job in ``known``, as texts."""
    for folder, _, names in os.walk(outputs, onerror=_raise):
        for name in names:
            if stop.is_set():
                raise CancelledError
            if name.endswith(tuple(SUFFIXES.values())) and read_job(name) not in known:
                yield _read_record(Path(folder, name))


def _read_record(path: Path) -> str:
    try:
        record = metadata.read(path)
    except (FileNotFoundError, NotRegular):
        return ""
    except RequestError:  # written by a newer version, for example: everything that looks like a blob's name is kept
        with open_regular_file(path) as file:
            return file.read().decode("latin-1")
    return to_text(record) if record else ""


def _raise(error: OSError) -> None:
    raise error
