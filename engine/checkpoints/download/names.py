"""Converts the name of a repository, link or file to that of a new file or folder in the models folder."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from engine.checkpoints.families import FAMILIES
from engine.checkpoints.library.search_paths import PLACES, PROGRAMS, SKIPPED, SORTED, WEIGHTS
from engine.errors import DownloadError

MAX_BYTES = 150
"""The most bytes of a name in UTF-8. File systems allow 255, and the part-file's name is longer."""

FALLBACK = "download"

_BUNDLED = frozenset(family.name for family in FAMILIES if family.is_bundled)
"""Names of the checkpoints that come with Easel."""

_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
"""Names that Windows reserves for devices, whatever follows the first dot."""

_RESERVED = frozenset({*PLACES, *SORTED, *SKIPPED, *(name.casefold() for name in PROGRAMS)})
"""Folder names that affect how Easel searches the folder that contains them."""

_PART_OF_FOLDER = re.compile(r"[\w-][\w. +-]{0,99}", re.ASCII)


def make_safe_name(name: str) -> str:
    """The last part of ``name`` as a file name that every system accepts, without folders, devices and unusual characters."""
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name).rstrip("\\/"))[-1]
    plain = re.sub(r"[^\w .()\[\]-]", "_", last).rstrip(". ")
    ending = next((end for end in (*WEIGHTS, ".part") if plain.casefold().endswith(end)), "")
    stem = plain[: len(plain) - len(ending)] if ending else plain
    stem = stem.encode()[: MAX_BYTES - len(ending)].decode(errors="ignore").strip(". ")
    if ending == ".part":  # Easel's own extension for incomplete files
        stem, ending = f"{stem}_part", ""
    if _DEVICE.fullmatch(stem) or stem.casefold() in _BUNDLED or (not ending and stem.casefold() in _RESERVED):
        first, dot, rest = stem.partition(".")
        stem = f"{first}_{dot}{rest}"
    return f"{stem or FALLBACK}{ending}"


def is_weights(name: str) -> bool:
    """Whether ``name`` has the extension of a weights file."""
    return name.casefold().endswith(WEIGHTS)


def check_weights(name: str) -> None:
    """Raises DownloadError unless ``name`` has the extension of a weights file."""
    if not is_weights(name):
        raise DownloadError(
            f"“{name}” is not a checkpoint: Easel downloads files that end in {', '.join(WEIGHTS[:-1])} or {WEIGHTS[-1]}. Copy "
            "the link of such a file."
        )


def is_safe_inside(name: str) -> bool:
    """Whether a path in a repository can be created as it is inside a folder of its own."""
    parts = PurePosixPath(name).parts
    plain = "/".join(parts) == name and 0 < len(parts) <= 4
    return plain and all(
        _PART_OF_FOLDER.fullmatch(part) and not part.endswith((".", " ", ".part")) and not _DEVICE.fullmatch(part)
        for part in parts
    )
