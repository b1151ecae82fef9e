"""Text that UTF-8 can encode, for any file name or user input, and the conversion back to the exact file name.

A file name need not be UTF-8. Python decodes invalid bytes as lone surrogates (:func:`os.fsdecode`), which pages, JSON writers,
databases and terminals reject. Names are converted to safe text where folders are read, and back where files are opened.
"""

from __future__ import annotations

import io
import json
import re
import sys

_FIRST, _LAST = 0xD800, 0xDFFF
_SHIFT = 0x10F000 - _FIRST
_MARK = chr(_LAST + _SHIFT + 1)
"""Escapes a character of a name that is itself in the range that stands for lone surrogates."""

_STAND_INS = f"{chr(_FIRST + _SHIFT)}-{chr(_LAST + _SHIFT)}"
_UNSAFE = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}{_STAND_INS}{_MARK}]")
_WRITTEN = re.compile(f"{_MARK}[{_STAND_INS}{_MARK}]|[{_STAND_INS}]")
_LONE = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_REPLACEMENT = "\ufffd"

_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a surrogate pair
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\."  # any other escape, in particular an escaped backslash
)


def name_to_text(name: str) -> str:
    """A file name or path as safe text: each lone surrogate becomes one character of a private use area."""
    return _UNSAFE.sub(_write, name)


def text_to_name(text: str) -> str:
    """The name that :func:`name_to_text` converted to ``text``."""
    return _WRITTEN.sub(_restore, text)


def make_encodable(text: str) -> str:
    """``text`` with U+FFFD for each lone surrogate: for sentences and prompts, which do not name files."""
    return _LONE.sub(_REPLACEMENT, text)


def make_json_encodable(body: bytes) -> bytes:
    """JSON without lone surrogates, whether escaped or as bytes. Bytes that are not UTF-8 text are returned unchanged."""
    encoding = json.detect_encoding(body)
    if encoding == "utf-8" and b"\\u" not in body and b"\xed" not in body:
        return body
    try:
        text = body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return body
    return make_encodable(_ESCAPES.sub(lambda found: "\\ufffd" if found["lone"] else found[0], text)).encode()


def print_any_name() -> None:
    """Make ``print`` escape characters that the terminal's encoding lacks, instead of raising."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _write(found: re.Match[str]) -> str:
    character = found[0]
    return chr(ord(character) + _SHIFT) if _FIRST <= ord(character) <= _LAST else _MARK + character


def _restore(found: re.Match[str]) -> str:
    written = found[0]
    return written[1] if len(written) == 2 else chr(ord(written) - _SHIFT)
