"""Free disk space, and messages for downloads that cannot be written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import DownloadError
from engine.storage.atomic_files import make_folder, move_into_place

SPARE = 256 << 20
"""Bytes that stay free on the disk."""

_FULL = "The disk that holds “{folder}” is full. Free some space, then try again."
_READ_ONLY = (
    "Easel may not write to “{folder}”. Allow writing there, or start Easel with another folder (--models), then try again."
)
_TOO_LARGE = (
    "The drive that holds “{folder}” cannot store a file as large as “{name}”. Start Easel with a folder on another drive "
    "(--models)."
)
_TAKEN = "“{name}” is in “{folder}” already. Delete or rename it to download it again."
_OTHER = "“{name}” cannot be written into “{folder}” ({reason}). Check the drive, or start Easel with another folder (--models)."

_SENTENCES = {
    _FULL: ("ENOSPC", "EDQUOT"),
    _READ_ONLY: ("EACCES", "EPERM", "EROFS"),
    _TOO_LARGE: ("EFBIG",),
    _TAKEN: ("ENOTEMPTY",),
}
_NUMBERS = {name: number for number, name in errno.errorcode.items()}
_BY_ERRNO = {_NUMBERS[name]: sentence for sentence, names in _SENTENCES.items() for name in names if name in _NUMBERS}


class DiskFullError(DownloadError):
    """There is not enough disk space for the download."""

    kind = DownloadError.kind


@contextmanager
def translate_disk_errors(target: Path) -> Generator[None]:
    """Raises an OSError of the block as a DownloadError about ``target``."""
    try:
        yield
    except OSError as error:
        sentence = _BY_ERRNO.get(error.errno or 0, _OTHER)
        kind = DiskFullError if sentence == _FULL else DownloadError
        raise kind(sentence.format(name=target.name, folder=target.parent, reason=error.strerror or error)) from error


def check_room(folder: Path, size: int, name: str) -> None:
    """Raises DiskFullError unless ``size`` more bytes fit on the disk of ``folder``, which is created. Also raises OSError."""
    make_folder(folder)
    free = shutil.disk_usage(folder).free
    if size + SPARE > free:
        needs = f"needs {size / 1e9:.1f} GB and" if size else "is not complete, and"
        raise DiskFullError(
            f"“{name}” {needs} the disk has {free / 1e9:.1f} GB left. Free some space, or start Easel with another folder "
            "(--models), then try again."
        )


def measure_free(folder: Path) -> int:
    """Free bytes on the disk of ``folder``; 0 if that cannot be determined."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        return shutil.disk_usage(there).free
    except (OSError, StopIteration):
        return 0


def check_free_name(target: Path) -> None:
    """Raises DownloadError if ``target`` exists. Also raises OSError."""
    if os.path.lexists(target):
        raise DownloadError(_TAKEN.format(name=target.name, folder=target.parent))


def move_to_free_name(source: Path, target: Path) -> None:
    """Rename a complete, synced file or folder to ``target``, which must not exist. Raises DownloadError, OSError."""
    check_free_name(target)
    if source.is_file():
        try:
            os.link(source, target)  # unlike a rename, it never replaces what another program has created meanwhile
        except FileExistsError:
            check_free_name(target)
            raise
        except OSError:  # file systems without hard links, such as FAT
            move_into_place(source, target)
        else:
            source.unlink()
    else:
        move_into_place(source, target)
