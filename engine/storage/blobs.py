"""A folder of files named by a hash of their content, each stored once."""

from __future__ import annotations

import math
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from engine.storage.atomic_files import PART, lock_file, make_folder, replace_file, translate_errors, write_file
from engine.storage.regular_files import open_regular_file

SECONDS_KEPT = 24 * 3600
"""How long :meth:`BlobFolder.sweep` leaves what was not used: its request may still be filled in."""

_HASH = re.compile(r"[0-9a-f]{64}")


def find_hashes(text: str) -> set[str]:
    """Everything in ``text`` that may be the name of a blob."""
    return set(_HASH.findall(text))


class BlobFolder:
    """Blobs below ``folder``. Several processes may use it at once. Raises OutputError where it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def store(self, hash: str, content: bytes) -> None:
        """Store ``content`` under ``hash``, 64 hexadecimal digits. Storing it again only marks it as used."""
        with translate_errors(self._folder):
            make_folder(self._folder)
            with lock_file(self._folder):
                if not self._touch(hash):
                    write_file(self._place(hash), content)

    def store_file(self, hash: str, path: Path) -> None:
        """:meth:`store` for the content of a file, which is copied."""
        with translate_errors(self._folder):
            make_folder(self._folder)
            with lock_file(self._folder):
                if self._touch(hash):
                    return
            # Without the lock, for a large file takes a while: the sweep removes none that is new.
            place = self._place(hash)
            make_folder(place.parent)
            with open_regular_file(path) as source, replace_file(place) as target:
                shutil.copyfileobj(source, target)

    def find(self, hash: str) -> Path | None:
        """The file of a blob, None if there is none."""
        path = self._place(hash)
        return path if _HASH.fullmatch(hash) and path.is_file() else None

    def touch(self, hashes: Iterable[str]) -> None:
        """Mark these blobs as used, so that :meth:`sweep` keeps them as long as new ones."""
        with translate_errors(self._folder), lock_file(self._folder):
            for hash in hashes:
                self._touch(hash)

    def sweep(self, find_needed: Callable[[], Collection[str]], seconds_kept: float = SECONDS_KEPT) -> int:
        """Remove the blobs that were not used for ``seconds_kept`` and are not needed; returns how many.

        ``find_needed`` is called only if there are such blobs. Half-written files of that age go too.
        """
        before = time.time() - seconds_kept
        with translate_errors(self._folder):
            old = [path for path in self._files() if _read_mtime(path) < before]
            if not old:
                return 0
            needed = find_needed()
            with lock_file(self._folder):
                unused = [path for path in old if path.name not in needed and _read_mtime(path) < before]
                for path in unused:
                    path.unlink(missing_ok=True)
        return sum(path.suffix != PART for path in unused)

    def _touch(self, hash: str) -> bool:
        """Whether the blob is there; it now counts as just used."""
        path = self.find(hash)
        if path is not None:
            path.touch()
        return path is not None

    def _place(self, hash: str) -> Path:
        return self._folder / hash[:2] / hash

    def _files(self) -> Iterator[Path]:
        if self._folder.is_dir():
            for folder in self._folder.iterdir():
                yield from folder.iterdir() if folder.is_dir() else ()


def _read_mtime(path: Path) -> float:
    """When ``path`` was last used, in seconds since 1970; never, if it has just been renamed or removed."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf
