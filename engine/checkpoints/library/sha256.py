"""The SHA-256 of whole files, by which sites and other programs name checkpoints: computed in the background and stored.

A file of several gigabytes takes seconds to read, so nothing waits for it. Without torch: the page reads what the worker found.
"""

from __future__ import annotations

import hashlib
import os
import queue
import re
import threading
from pathlib import Path

from engine.json_values import JsonValue
from engine.storage.file_version import Version, read_version
from engine.storage.json_store import JsonStore
from engine.storage.regular_files import open_regular_file

FILE = "checkpoint-hashes.json"
PIECE = 4 * 2**20
"""Bytes that are read at a time."""

_SHA256 = re.compile("[0-9a-f]{64}")

Stamp = tuple[int, int]
"""Size and modification time in nanoseconds: a hash counts as long as they stay, and the file's version where it was noted."""

_Entry = tuple[Stamp, str, Version | None]


def read(folder: Path) -> dict[str, tuple[Stamp, str]]:
    """Path of a file -> its stamp and SHA-256, as kept in ``folder``. Where that cannot be read they are taken again."""
    return {path: (stamp, sha256) for path, (stamp, sha256, version) in _read(folder).items() if _is_current(path, version)}


def sha256_of(path: Path, stop: threading.Event) -> str:
    """SHA-256 of a whole file in hexadecimal, "" if ``stop`` is set meanwhile. Raises OSError."""
    digest = hashlib.sha256()
    with open_regular_file(path) as file:
        while piece := file.read(PIECE):
            if stop.is_set():
                return ""
            digest.update(piece)
    return digest.hexdigest()


class Hasher:
    """Hashes the files that it is asked for, one after the other in a thread of its own, and keeps the hashes in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = _read(folder)
        self._wanted: queue.SimpleQueue[tuple[Path, Stamp]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def want(self, path: Path, stamp: Stamp) -> None:
        """Have a file hashed soon, unless it is known already. Folders have no hash."""
        if not os.path.isfile(path) or self.find(path, stamp):
            return
        self._wanted.put((path, stamp))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="easel-hasher", daemon=True)
            self._thread.start()

    def find(self, path: Path, stamp: Stamp) -> str:
        """The SHA-256 of a file in hexadecimal, "" while it is not known."""
        kept = self._known.get(str(path))
        return kept[1] if kept is not None and kept[0] == stamp and _is_current(str(path), kept[2]) else ""

    def close(self) -> None:
        """End the thread; a file that is half read is taken up another time."""
        self._stop.set()
        if self._thread is not None:
            self._wanted.put((Path(), (0, 0)))
            self._thread.join(10)

    def _work(self) -> None:
        while not self._stop.is_set():
            path, stamp = self._wanted.get()
            try:
                if not self._stop.is_set() and not self.find(path, stamp):
                    self._hash(path, stamp)
            except (OSError, ValueError) as error:
                print(f"the hash of {path} could not be taken or kept: {error}", flush=True)

    def _hash(self, path: Path, stamp: Stamp) -> None:
        """Hash a file and keep the hash, unless it changes meanwhile."""
        version = read_version(path)
        sha256 = sha256_of(path, self._stop)
        if not sha256 or version[:2] != stamp or read_version(path) != version:
            return
        entry = stamp, sha256, version
        _open_store(self._folder).update(lambda stored: {str(path): entry})
        self._known = {**_read(self._folder), str(path): entry}


def _read(folder: Path) -> dict[str, _Entry]:
    return _open_store(folder).read_or_empty()


def _is_current(path: str, version: Version | None) -> bool:
    """Whether the file still has the version that was noted; earlier versions of Easel noted none."""
    try:
        return version is None or read_version(Path(path)) == version
    except (OSError, ValueError):
        return True  # gone for now, as on a drive that is not there; its stamp will tell


def _open_store(folder: Path) -> JsonStore[_Entry]:
    return JsonStore(folder / FILE, _parse_entry, lambda entry: [*entry[0], entry[1], *(entry[2] or ())[2:]])


def _parse_entry(value: JsonValue) -> _Entry:
    match value:
        case [int(size), int(changed), str(sha256)] if _SHA256.fullmatch(sha256):
            return (size, changed), sha256, None
        case [int(size), int(changed), str(sha256), int(noted), int(inode)] if _SHA256.fullmatch(sha256):
            return (size, changed), sha256, (size, changed, noted, inode)
        case _:
            raise ValueError("not a size, a time and a hash")
