"""File names from a pattern of the user's, such as ``{date}/{checkpoint}/{time} {prompt}``. Pure text; nothing is opened.

Whatever a pattern and its parts hold, the result is a relative path whose parts every operating system accepts, and ends with the
job's id, the image's number and its seed, so that no two images have one name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.errors import OutputError

DEFAULT = "{date}/{time}"
PARTS = (
    "date", "time", "year", "month", "day", "prompt", "negative_prompt", "checkpoint", "seed", "width", "height", "steps", "cfg",
    "sampler", "kind",
)  # fmt: skip
"""What may stand in braces in a pattern."""

LONGEST, MOST_FOLDERS = 200, 8
"""Characters of a pattern, and folders in it."""

MARK = "@"
"""Stands between what the user chose and the job's id, and nowhere else in a name."""

_ROOM = 120
"""Bytes of a folder's name, and of the chosen part of a file's: with the job, the number and the seed a name has at most 255."""

_PART = re.compile(r"\{([^{}]*)\}")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*@\u2028\u2029\ud800-\udfff]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
"""Names that are devices on Windows, with any ending."""

_PLAIN = re.compile(r"\d{6}")


def check_pattern(pattern: str) -> None:
    """Raises OutputError, a sentence that says what to do, for a pattern that cannot be used."""
    reason = _find_fault(pattern)
    if reason:
        raise OutputError(f"The pattern for file names cannot be used: {reason}. Without a pattern, names are {DEFAULT}.")


def _find_fault(pattern: str) -> str:
    *folders, name = pattern.split("/")
    unknown = next((part for part in _PART.findall(pattern) if part not in PARTS), None)
    if len(pattern) > LONGEST or len(folders) > MOST_FOLDERS:
        return f"it is longer than {LONGEST} characters, or has more than {MOST_FOLDERS} folders"
    if any(part.strip() in (".", "..") for part in (*folders, name)):
        return "“.” and “..” would lead out of the outputs folder. Write the names of folders in it"
    if pattern.startswith(("/", "~")) or re.match(r"[A-Za-z]:", pattern):
        return "it must begin inside the outputs folder. To save elsewhere, start Easel with --outputs"
    if any(not part.strip() for part in folders):
        return "between two slashes there must be the name of a folder"
    if unknown is not None:
        return f"there is no part “{{{unknown}}}”. The parts are {', '.join(f'{{{part}}}' for part in PARTS)}"
    if unsafe := _UNSAFE.search(_PART.sub("", pattern.replace("/", ""))):
        return f"“{unsafe[0] if unsafe[0].isprintable() else repr(unsafe[0])}” may not stand in a file name. Leave it out"
    if "{" in _PART.sub("", pattern) or "}" in _PART.sub("", pattern):
        return "a brace has no partner. Close it, or leave it out"
    return ""


def fill_pattern(pattern: str, values: Mapping[str, str], tail: str) -> str:
    """The relative path, with forward slashes and without an ending, of an image. ``values`` has every one of :data:`PARTS`;
    ``tail`` is the job's id, number and seed. A pattern that :func:`check_pattern` refuses counts as :data:`DEFAULT`."""
    used = pattern if pattern and not _find_fault(pattern) else DEFAULT
    *folders, name = (_make_safe(_PART.sub(lambda part: values[part[1]], each)) for each in used.split("/"))
    # A plain time needs no mark: that is how all images were called before there were patterns.
    return "/".join((*(folder or "_" for folder in folders), f"{name}{'-' if _PLAIN.fullmatch(name) else MARK}{tail}"))


def _make_safe(text: str) -> str:
    """``text`` as a name that every file system accepts: one line, no separators, not hidden, not a device, not too long."""
    safe = _UNSAFE.sub("_", " ".join(text.split()))
    safe = safe.encode()[:_ROOM].decode("utf-8", "ignore").strip(" .")
    return f"_{safe}" if _RESERVED.fullmatch(safe) else safe
