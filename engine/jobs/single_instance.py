"""One running Easel per data folder: two would conflict over the journal, and a second launch shows the page of the first."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from engine.errors import OutputError
from engine.json_values import parse_object
from engine.storage.atomic_files import PRIVATE_FILE, make_private_folder, set_aside, write_file
from engine.storage.regular_files import read_regular_file

_MOST_BYTES = 10_000
_ADDRESS = re.compile(r"https?://[\w.:\[\]-]{1,300}(/[\w./-]*)?", re.ASCII)
"""What a browser may be sent to: another program may have written the file."""


@dataclass(frozen=True)
class SingleInstance:
    """``url`` is the page of the Easel that already runs on this data folder, or None when the folder is ours."""

    note: Path
    url: str | None = None

    def publish_url(self, url: str) -> None:
        """Leave the address of our page for later launches."""
        if self.note.is_dir() and not self.note.is_symlink():
            set_aside(self.note, "unreadable")
        write_file(self.note, json.dumps({"url": url, "pid": os.getpid()}))


@contextmanager
def claim(data: Path) -> Generator[SingleInstance]:
    """Hold the data folder while this is open. The operating system releases the lock when the process ends, for whatever reason.

    Raises OutputError if the folder cannot be written, or is held by an Easel that has not published its address yet.
    """
    note = data / "running.json"
    try:
        make_private_folder(data)
        lock = FileLock(data / "easel.lock", mode=PRIVATE_FILE)
        lock.acquire(timeout=0)
    except Timeout:
        yield SingleInstance(note, _read_url(note))
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutputError(f"Easel cannot store its queue in “{data}”: {reason}. Choose another folder with --data.") from error
    try:
        yield SingleInstance(note)
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)
        lock.release()


def _read_url(note: Path) -> str:
    try:
        url = parse_object(read_regular_file(note, _MOST_BYTES)).get("url")
        if not isinstance(url, str) or not _ADDRESS.fullmatch(url):
            raise ValueError("it holds no address")
        return url
    except (OSError, ValueError) as error:
        raise OutputError(
            f"Another Easel is just starting on “{note.parent}”. Wait a few seconds and start again, or choose another --data."
        ) from error
