"""The user's favourites, as a text file beside the images: one file name per line.

It is in the outputs folder and not in the index, because the index may be deleted. File names are unique, because they contain
the job's id, so an image stays marked when it is moved to another folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import OutputError
from engine.storage.atomic_files import lock_file, set_aside, translate_errors, write_file
from engine.storage.regular_files import read_regular_file

FILE = "favourites.txt"

_MOST_BYTES = 64 * 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read(outputs: Path) -> set[str]:
    """The names of the marked files; empty if there are none, or if the file cannot be read: the next mark moves it aside."""
    try:
        lines = _read_lines(outputs / FILE)
    except (OSError, ValueError):
        return set()
    return {_decode(name) for line in lines for name in (line, line.strip()) if name}


def set_favourite(outputs: Path, name: str, marked: bool) -> None:
    """Mark the file called ``name`` (without folders), or remove the mark. All other lines of the file stay unchanged.

    Raises OutputError if it cannot be written.
    """
    if "\n" in name or "\r" in name:
        raise OutputError("A picture with a line break in its name cannot be a favourite. Rename the file and mark it again.")
    path, line = outputs / FILE, _encode(name)
    with translate_errors(outputs), lock_file(path):
        others = [other for other in _read_lines_or_set_aside(path) if line not in (other, other.strip())]
        write_file(path, b"".join(each + b"\n" for each in (*others, *([line] if marked else []))))


def _read_lines(path: Path) -> list[bytes]:
    """The lines of the file. Raises OSError or ValueError."""
    content = read_regular_file(path, _MOST_BYTES).removeprefix(_BYTE_ORDER_MARK)
    lines = content.split(b"\n")
    return [line.removesuffix(b"\r") for line in (lines if lines[-1] else lines[:-1])]


def _read_lines_or_set_aside(path: Path) -> list[bytes]:
    """The lines of the file, none if there is no file. One that cannot be read is moved aside. Raises OSError."""
    try:
        return _read_lines(path)
    except (OSError, ValueError):
        if os.path.lexists(path):
            set_aside(path, "unreadable")
        return []


def _encode(name: str) -> bytes:
    """A file's name in the file system's encoding; on Windows including lone surrogates."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return line.decode("utf-8", "surrogateescape")
