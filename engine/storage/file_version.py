"""Whether a file is still the one that was read: caches keep what they read under its version."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

Version = tuple[int, int, int, int]
"""Size, times of the last change of content and of the entry (or of creation on Windows) in nanoseconds, and inode."""


def read_version(path: Path) -> Version:
    """The version of a file, another one after every write or replacement, also where size and time were kept. Raises OSError."""
    return describe_version(os.stat(path))


def describe_version(found: os.stat_result) -> Version:
    """The version of the file that ``os.stat`` found."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def digest_versions(found: Iterable[os.stat_result]) -> str:
    """A text for the versions of several files together, in any order."""
    return hashlib.sha256(repr(sorted(map(describe_version, found))).encode()).hexdigest()[:32]
