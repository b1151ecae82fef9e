"""The user's favourites, as a text file beside the images: one file name per line.

It lies in the outputs folder and not in the index, because the index may be thrown away. A file's own name is unique, because it
holds the job, so an image stays marked when it is moved to another folder.
"""

from __future__ import annotations

from pathlib import Path

from engine.storage.atomic_files import lock_file, set_aside, translate_errors, write_file

FILE = "favourites.txt"


def read(outputs: Path) -> set[str]:
    """The names of the marked files; empty if there are none."""
    try:
        text = (outputs / FILE).read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return set()
    return {line.strip() for line in text.splitlines() if line.strip()}


def set_favourite(outputs: Path, name: str, marked: bool) -> None:
    """Mark the file called ``name`` (without folders), or take the mark away. Raises OutputError if it cannot be written."""
    path = outputs / FILE
    with translate_errors(outputs), lock_file(path):
        if path.exists() and not path.is_file():  # a folder of that name, say
            set_aside(path, "unreadable")
        names = read(outputs) | {name} if marked else read(outputs) - {name}
        write_file(path, "".join(f"{each}\n" for each in sorted(names)).encode("utf-8", "surrogateescape"))
