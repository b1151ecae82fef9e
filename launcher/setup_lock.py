"""One set-up per folder at a time. The operating system releases the lock when the process ends, for whatever reason."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO

from launcher.folder import Folder, read_json, write_json
from launcher.progress_page import is_listening

if os.name == "nt":
    import msvcrt

    def lock_file(file: IO[bytes]) -> None:
        """Raises OSError when another process holds it."""
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def lock_file(file: IO[bytes]) -> None:
        """Raises OSError when another process holds it."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class SetupLock:
    """Held from :meth:`acquire` until :meth:`release` or the end of the process. A file beside it holds the address of the
    holder's page."""

    def __init__(self, folder: Folder, name: str = "") -> None:
        self._place: Path = folder.state / name
        self._file: IO[bytes] | None = None

    @property
    def _page(self) -> Path:
        return self._place / "page.json"

    def acquire(self) -> bool:
        """False when another process has it. Raises OSError when the folder cannot be written to."""
        self._place.mkdir(parents=True, exist_ok=True)
        file = (self._place / "lock").open("ab")
        try:
            lock_file(file)
        except OSError:
            file.close()
            return False
        self._file = file
        self._page.unlink(missing_ok=True)
        return True

    def wait(self) -> None:
        """Wait until the other process is done."""
        while not self.acquire():
            time.sleep(0.5)

    def publish_page(self, url: str) -> None:
        """Record the address of this process's page."""
        if self._file is not None:
            write_json(self._page, {"url": url, "pid": os.getpid()})

    def find_other_page(self) -> str | None:
        """The address of the page of the process that holds the lock, if it has one that answers."""
        url = read_json(self._page).get("url")
        return url if isinstance(url, str) and is_listening(url) else None

    def release(self) -> None:
        if self._file is not None:
            self._page.unlink(missing_ok=True)
            self._file.close()
            self._file = None
