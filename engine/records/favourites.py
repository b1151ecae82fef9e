"""The pictures that a person marked, as a text file beside them: one file name a line.

It lies in the outputs folder and not in the index, because the index may be thrown away. A file's own name is unique, because it
holds the job, so a picture stays marked when it is moved to another folder.
"""

from __future__ import annotations

from pathlib import Path

from engine.storage.atomic_files import replace_file, translate_errors

FILE = "favourites.txt"


def read(outputs: Path) -> set[str]:
    """The names of the marked files; empty if there are none."""
    try:
        return {line.strip() for line in (outputs / FILE).read_text("utf-8").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError):
        return set()


def mark(outputs: Path, name: str, marked: bool) -> None:
    """Mark the file called ``name`` (without folders), or take the mark away. Raises OutputError if it cannot be written."""
    names = read(outputs) | {name} if marked else read(outputs) - {name}
    with translate_errors(outputs), replace_file(outputs / FILE) as stream:
        stream.write("".join(f"{each}\n" for each in sorted(names)).encode("utf-8"))
