"""Atomic file writes: to a temporary file beside the target, synced, then renamed. Disk errors become sentences for the user."""

from __future__ import annotations

import errno
import itertools
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

from engine.errors import DiskFull, OutputError

PART = ".part"
"""The suffix of a file that is being written. One that a crash left behind is incomplete and can be removed."""

LOCK_SECONDS = 30
"""How long :func:`lock_file` waits for another thread or process."""

PRIVATE_FOLDER, PRIVATE_FILE, _OTHERS = 0o700, 0o600, 0o077
"""Permissions that leave out every other user, and the bits of theirs."""

_MARKS = frozenset({"easel.lock", "journal.db"})
_PRIVATE = re.compile(r".*\.(db|db-wal|db-shm|json|toml|lock)|blobs|uploads|drafts|thumbnails|logs|workers")
"""What a folder in which Easel has worked holds, and what of it no other user may read."""

_READ_ONLY = (
    OutputError,
    "Easel may not write to the folder “{folder}”: it is read-only. "
    "Allow writing there or start Easel with another folder (--outputs, --data).",
)
_FULL = (
    DiskFull,
    "The disk that holds “{folder}” is full. What is already saved is untouched. "
    "Free some space or start Easel with another folder (--outputs, --data).",
)
_GONE = (
    OutputError,
    "The folder “{folder}” is gone; was a drive unplugged or the folder moved? "
    "Restore it or start Easel with another folder (--outputs, --data).",
)
_NO_FOLDER = (
    OutputError,
    "“{folder}” is not a folder. Move that file away or start Easel with another folder (--outputs, --data).",
)
_TOO_LONG = (
    OutputError,
    "The path of the folder “{folder}” is too long for this system. Start Easel with a shorter path (--outputs, --data).",
)
_BROKEN = (
    OutputError,
    "The drive that holds “{folder}” reports errors. Check the drive or start Easel with another folder (--outputs, --data).",
)
_OTHER = (
    OutputError,
    "A file in “{folder}” could not be written ({reason}). Start Easel with another folder (--outputs, --data).",
)

_SENTENCES = {
    _FULL: ("ENOSPC", "EDQUOT", "EFBIG"),
    _READ_ONLY: ("EROFS", "EACCES", "EPERM"),
    _GONE: ("ENOENT", "ENODEV", "ENXIO", "ESTALE", "ENOTCONN", "EHOSTDOWN"),
    _NO_FOLDER: ("ENOTDIR", "EEXIST"),
    _TOO_LONG: ("ENAMETOOLONG",),
    _BROKEN: ("EIO",),
}
_NUMBERS = {name: number for number, name in errno.errorcode.items()}
_BY_ERRNO = {_NUMBERS[name]: sentence for sentence, names in _SENTENCES.items() for name in names if name in _NUMBERS}
_BY_WINDOWS_CODE = {112: _FULL, 39: _FULL, 19: _READ_ONLY, 206: _TOO_LONG, 3: _GONE, 21: _GONE, 53: _GONE}
"""Windows' own codes, where they say more than the errno that Python maps them to."""


def describe_disk_error(error: OSError, folder: Path) -> OutputError:
    """``error`` as a sentence for the user about ``folder``, the one that they chose."""
    code = getattr(error, "winerror", None)  # exists on Windows only
    kind, sentence = _BY_WINDOWS_CODE.get(code or 0) or _BY_ERRNO.get(error.errno or 0, _OTHER)
    return kind(sentence.format(folder=folder, reason=error.strerror or error))


@contextmanager
def translate_errors(folder: Path) -> Generator[None]:
    """Raises an OSError of the block as an OutputError about ``folder``."""
    try:
        yield
    except OSError as error:
        raise describe_disk_error(error, folder) from error


@contextmanager
def replace_file(path: Path) -> Generator[BinaryIO]:
    """A stream whose content replaces the file ``path`` at once when the block ends. If the block raises, nothing changes.

    The order is: write, sync, rename, sync the folder. A folder that was renamed or removed meanwhile is made again.
    Raises OSError; what the block raises passes through.
    """
    part = path.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        with part.open("x+b") as stream:
            if sys.platform != "win32" and is_private(path.parent):
                os.fchmod(stream.fileno(), PRIVATE_FILE)
            yield stream
            stream.flush()
            _sync(stream.fileno())
            if not part.exists():
                _write_again(stream, part)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def _write_again(stream: BinaryIO, part: Path) -> None:
    """The content of ``stream``, whose file moved away with its folder, as ``part`` in a new folder."""
    make_folder(part.parent)
    stream.seek(0)
    with part.open("xb") as again:
        shutil.copyfileobj(stream, again)
        again.flush()
        _sync(again.fileno())


def write_file(path: Path, content: str | bytes) -> None:
    """Replaces the file ``path``, text as UTF-8, and creates its folder. Raises OSError, and then leaves the old file."""
    make_folder(path.parent)
    with replace_file(path) as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)


def move_into_place(source: Path, target: Path) -> None:
    """Renames a complete, synced file or folder to ``target``, and makes the rename survive a power cut. Raises OSError."""
    os.replace(source, target)
    sync_folder(target.parent)


def set_aside(path: Path, reason: str) -> Path:
    """Renames ``path`` to a free name beside it that tells ``reason``, one word, and the time; returns it. Raises OSError."""
    free = find_free_name(path, reason)
    move_into_place(path, free)
    return free


def find_free_name(path: Path, reason: str) -> Path:
    """A name beside ``path`` that tells ``reason``, one word, and the time."""
    base = f"{path.stem}.{reason}-{datetime.now():%Y%m%d-%H%M%S}"
    endings = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    names = (path.with_name(f"{base}{ending}{path.suffix}") for ending in endings)
    return next(name for name in names if not name.exists())


@contextmanager
def lock_file(path: Path) -> Generator[None]:
    """Holds the lock of ``path`` against other threads and processes, to read, change and replace it without losing an update.

    A drive that knows no locks, as some network drives, gives none. Raises OSError where the folder cannot be written, or if
    another process holds the lock for :data:`LOCK_SECONDS`.
    """
    make_folder(path.parent)
    mode = PRIVATE_FILE if is_private(path.parent) else 0o644
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_SECONDS, mode=mode)
    with suppress(NotImplementedError):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def make_folder(folder: Path) -> None:
    """Creates ``folder`` and its parents, each as private as the one that it lies in, and syncs those that got a new entry.

    Raises OSError.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    if is_private(folder.parent):
        folder.chmod(PRIVATE_FOLDER)
    sync_folder(folder.parent)


def make_private_folder(folder: Path) -> None:
    """Creates Easel's data folder, and takes it and what Easel keeps in it from all other users. Raises OSError.

    A folder in which Easel has not worked yet, and which holds something, belongs to the person and stays as it is. Windows'
    own permissions inherit.
    """
    make_folder(folder)
    there = {path.name: path for path in folder.iterdir()}
    if sys.platform == "win32" or (there and not there.keys() & _MARKS):
        return
    for path in (folder, *(path for name, path in there.items() if _PRIVATE.fullmatch(name))):
        _make_private(path)


def is_private(folder: Path) -> bool:
    """Whether other users cannot look into ``folder``; what Easel makes in it is then as private."""
    return sys.platform != "win32" and not folder.stat().st_mode & _OTHERS


def _make_private(path: Path) -> None:
    status = path.lstat()
    if status.st_mode & _OTHERS and not stat.S_ISLNK(status.st_mode):
        with suppress(PermissionError):  # it belongs to somebody else
            path.chmod(stat.S_IMODE(status.st_mode) & ~_OTHERS)


def sync_folder(folder: Path) -> None:
    """Makes a rename in ``folder`` survive a power cut. Windows has no such call: NTFS journals names itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _sync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # network and FUSE drives cannot sync a folder
            raise
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    """fsync; on macOS F_FULLFSYNC, because fsync there leaves the bytes in the drive's own cache."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # drives that do not support it get the plain fsync below
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def create_private_file(path: Path) -> None:
    """Creates an empty file, if there is none, that is as private as its folder: for libraries that would fill a new one."""
    if not path.exists() and is_private(path.parent):
        path.touch(PRIVATE_FILE)
