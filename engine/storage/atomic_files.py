"""Files that are whole or not there: written beside their place, synced, renamed. Disk errors in the user's words."""

from __future__ import annotations

import errno
import os
import secrets
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from engine.errors import DiskFull, OutputError

PART = ".part"
"""The ending of a file that is being written. One that is left behind by a crash is nobody's picture."""

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
    "Bring it back or start Easel with another folder (--outputs, --data).",
)
_NO_FOLDER = (
    OutputError,
    "“{folder}” is not a folder. Move that file away or start Easel with another one (--outputs, --data).",
)
_TOO_LONG = (
    OutputError,
    "The path of the folder “{folder}” is too long for this system. Start Easel with a shorter one (--outputs, --data).",
)
_BROKEN = (
    OutputError,
    "The drive that holds “{folder}” answers with errors. "
    "Check the drive or start Easel with another folder (--outputs, --data).",
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
_BY_ERRNO = {getattr(errno, name): sentence for sentence, names in _SENTENCES.items() for name in names if hasattr(errno, name)}
_BY_WINDOWS_CODE = {112: _FULL, 39: _FULL, 19: _READ_ONLY, 206: _TOO_LONG, 3: _GONE, 21: _GONE, 53: _GONE}
"""Windows' own codes, where they say more than the errno that Python maps them to."""


def translated(error: OSError, folder: Path) -> OutputError:
    """``error`` as the sentence for the user; ``folder`` is the one that they know."""
    code = getattr(error, "winerror", None)
    kind, sentence = _BY_WINDOWS_CODE.get(code or 0) or _BY_ERRNO.get(error.errno or 0, _OTHER)
    return kind(sentence.format(folder=folder, reason=error.strerror or error))


@contextmanager
def translating(folder: Path) -> Generator[None]:
    """Inside it an OSError becomes an OutputError about ``folder``."""
    try:
        yield
    except OSError as error:
        raise translated(error, folder) from error


@contextmanager
def replacing(path: Path) -> Generator[BinaryIO]:
    """A stream whose bytes become the file ``path`` when the block ends, all at once; on an error nothing is left.

    The order is: written, synced, renamed, folder synced. What the block raises, and OSError, passes through.
    """
    part = path.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        with part.open("xb") as stream:
            yield stream
            stream.flush()
            _sync(stream.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Makes ``folder`` and those above it, and syncs each folder that got a new entry."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Makes a rename in ``folder`` survive a power cut. Windows has no such call: NTFS journals its names itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _sync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # network and FUSE drives that cannot sync a folder
            raise
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    """fsync; on macOS with F_FULLFSYNC, because fsync there leaves the bytes in the drive's own cache."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # drives that do not know it get the plain fsync below
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)
