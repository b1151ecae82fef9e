"""The SHA-256 of whole files, by which websites and other programs identify checkpoints: computed in the background and stored.

A file of several gigabytes takes seconds to read, so nothing waits for it. Does not import torch: the page reads what the worker
computed.
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
"""Size and modification time in nanoseconds: a hash is valid while they, and the file's version if stored, are unchanged."""

_Entry = tuple[Stamp, str, Version | None]


def read(folder: Path) -> dict[str, tuple[Stamp, str]]:
    """Path of a file -> its stamp and SHA-256, as stored in ``folder``. Empty if that cannot be read: all are recomputed."""
    return {path: (stamp, sha256) for path, (stamp, sha256, version) in _read(folder).items() if _is_current(path, version)}


def sha256_of(path: Path, stop: threading.Event) -> str:
    """The SHA-256 of a whole file in hexadecimal; "" if ``stop`` was set meanwhile. Raises OSError."""
    digest = hashlib.sha256()
    with open_regular_file(path) as file:
        while piece := file.read(PIECE):
            if stop.is_set():
                return ""
            digest.update(piece)
    return digest.hexdigest()


class Hasher:
    """Hashes files one after the other in a thread, and stores the hashes in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = _read(folder)
        self._wanted: queue.SimpleQueue[tuple[Path, Stamp]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def want(self, path: Path, stamp: Stamp) -> None:
        """Queue a file for hashing, unless its hash is known. Folders have no hash."""
        if not os.path.isfile(path) or self.find(path, stamp):
            return
        self._wanted.put((path, stamp))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="easel-hasher", daemon=True)
            self._thread.start()

    def find(self, path: Path, stamp: Stamp) -> str:
        """The SHA-256 of a file in hexadecimal; "" while it is not known."""
        kept = self._known.get(str(path))
        return kept[1] if kept is not None and kept[0] == stamp and _is_current(str(path), kept[2]) else ""

    def close(self) -> None:
        """Stop the thread; a file that is being hashed is hashed again after the next start."""
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
                print(f"the hash of {path} could not be computed or stored: {error}", flush=True)

    def _hash(self, path: Path, stamp: Stamp) -> None:
        """Hash a file and store the hash, unless the file changes meanwhile."""
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
    """Whether the file still has the stored version; earlier versions of Easel stored none."""
    try:
        return version is None or read_version(Path(path)) == version
    except (OSError, ValueError):
        return True  # not found, as on a disconnected drive; its stamp decides later


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
