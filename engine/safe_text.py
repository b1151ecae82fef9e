"""Text that UTF-8 can hold, whatever a file is called or somebody types, and the way back to the exact name of a file.

A file name need not be UTF-8. Python hands what is not over as lone surrogates (:func:`os.fsdecode`), which no page, JSON writer,
database or terminal takes. Names are turned into safe text where folders are read, and back where files are opened.
"""

from __future__ import annotations

import io
import json
import re
import sys

_FIRST, _LAST = 0xD800, 0xDFFF
_SHIFT = 0x10F000 - _FIRST
_MARK = chr(_LAST + _SHIFT + 1)
"""Stands before a character that a name holds itself although it is one of those that stand for lone surrogates."""

_STAND_INS = f"{chr(_FIRST + _SHIFT)}-{chr(_LAST + _SHIFT)}"
_UNSAFE = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}{_STAND_INS}{_MARK}]")
_WRITTEN = re.compile(f"{_MARK}[{_STAND_INS}{_MARK}]|[{_STAND_INS}]")
_LONE = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_REPLACEMENT = "\ufffd"

_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\."  # any other escape, an escaped backslash above all
)


def name_to_text(name: str) -> str:
    """The name or path of a file as safe text. Each lone surrogate becomes one character of a private use area."""
    return _UNSAFE.sub(_write, name)


def text_to_name(text: str) -> str:
    """The name that :func:`name_to_text` turned into ``text``."""
    return _WRITTEN.sub(_restore, text)


def make_encodable(text: str) -> str:
    """``text`` with a replacement character for each lone surrogate: for sentences and prompts, which name no file."""
    return _LONE.sub(_REPLACEMENT, text)


def make_json_encodable(body: bytes) -> bytes:
    """JSON that holds no lone surrogate, neither escaped nor as bytes. What is not text comes back as it is."""
    encoding = json.detect_encoding(body)
    if encoding == "utf-8" and b"\\u" not in body and b"\xed" not in body:
        return body
    try:
        text = body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return body
    return make_encodable(_ESCAPES.sub(lambda found: "\\ufffd" if found["lone"] else found[0], text)).encode()


def print_any_name() -> None:
    """Let ``print`` escape what the terminal's encoding cannot hold, instead of ending the program."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _write(found: re.Match[str]) -> str:
    character = found[0]
    return chr(ord(character) + _SHIFT) if _FIRST <= ord(character) <= _LAST else _MARK + character


def _restore(found: re.Match[str]) -> str:
    written = found[0]
    return written[1] if len(written) == 2 else chr(ord(written) - _SHIFT)
