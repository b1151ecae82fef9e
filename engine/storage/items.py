"""The rule for every list: an item that cannot be read becomes a sentence about itself, and the others are read.

What a user's folder holds is not under Easel's control: any reader of it may fail in any way. So the readers of one item do
not list all possible errors; this module catches them in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TypeVar

from engine.errors import CancelledError, EaselError

K = TypeVar("K")
V = TypeVar("V")

_REASONS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((PermissionError,), "Easel may not read it. Allow reading it, or move it elsewhere"),
    ((FileNotFoundError, NotADirectoryError), "it is gone. Was it moved, or a drive unplugged?"),
    ((RecursionError,), "it is nested too deeply, so it is damaged. Remove it, or fetch it again"),
    ((MemoryError,), "it does not fit into memory, so it is damaged. Remove it, or fetch it again"),
    ((UnicodeError,), "it holds text that is not UTF-8, so it is damaged. Remove it, or fetch it again"),
)
"""Exceptions -> what they mean for the item, and what to do."""


def read_each(items: Iterable[K], read: Callable[[K], V], describe: Callable[[K], str] = str) -> tuple[dict[K, V], dict[K, str]]:
    """The result of ``read`` for each item, and a sentence for each item for which it raises.

    ``describe`` names an item in a sentence. The text of an EaselError is used unchanged. CancelledError passes through.
    """
    found: dict[K, V] = {}
    troubles: dict[K, str] = {}
    for item in items:
        try:
            with translate_any_error(EaselError, describe(item)):
                found[item] = read(item)
        except CancelledError:
            raise
        except EaselError as error:
            troubles[item] = str(error)
    return found, troubles


@contextmanager
def translate_any_error(kind: type[EaselError], name: str) -> Generator[None]:
    """Raises whatever the block raises as a ``kind`` with a sentence about ``name``. An EaselError passes through."""
    try:
        yield
    except EaselError:
        raise
    except Exception as error:
        raise kind(explain_error(error, name)) from error


def explain_error(error: Exception, name: str) -> str:
    """A sentence for the user on what ``error`` means for the item called ``name``, and what to do."""
    reason = next((text for kinds, text in _REASONS if isinstance(error, kinds)), None)
    if reason is None and isinstance(error, OSError):
        reason = f"{error.strerror or 'it cannot be read'}. Check the file, or the drive that it lies on"
    if reason is None:
        reason = f"it is damaged, or of a kind that Easel does not know ({type(error).__name__}). Remove it, or fetch it again"
    return f"“{name}” was left out: {reason}{'' if reason.endswith('?') else '.'}"
