"""Numbers, times and lists of words, as the page shows them."""

from __future__ import annotations

import time
from collections.abc import Sequence


def format_time_left(seconds: float) -> str:
    """How long it will still take, as coarse as it is known."""
    if seconds < 1.5:
        return "almost done"
    if seconds < 90:
        return f"about {round(seconds)} s left"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min left"
    return f"about {round(seconds / 3600)} h left"


def format_clock(seconds: float) -> str:
    """The time of day in so many seconds from now, on this computer's clock."""
    return time.strftime("%H:%M", time.localtime(time.time() + seconds))


def format_duration(seconds: float) -> str:
    """How long something took."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {round(seconds % 60)} s"


def format_percent(share: float) -> str:
    """A share (0..1) of the whole range."""
    return f"{100 * share:.1f} %"


def format_rough_duration(seconds: float) -> str:
    """Seconds as people estimate them."""
    if seconds < 2:
        return "a second or two"
    if seconds < 90:
        return f"about {round(seconds)} s"
    return f"about {round(seconds / 60)} min" if seconds < 2 * 3600 else f"about {round(seconds / 3600)} hours"


def format_gigabytes(count: int) -> str:
    """Bytes in gigabytes."""
    return f"{count / 2**30:.1f} GB"


def format_size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def format_count(number: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is 1."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def list_quoted(words: Sequence[str]) -> str:
    """The first words in quotes, and whether there are more."""
    return ", ".join(f"“{shorten(word, 30)}”" for word in words[:8]) + (" and more" if len(words) > 8 else "")


def shorten(written: str, most: int = 40) -> str:
    """A text, cut to at most ``most`` characters."""
    return written if len(written) <= most else written[: most - 1] + "…"
