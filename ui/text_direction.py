"""Keeps the direction of a text to itself: a name or prompt that is written from right to left does not turn the page around it.

A text may hold marks that change the direction of all that follows, or simply be in Arabic or Hebrew. ``<bdi>`` isolates it; but
a mark that closes an isolate (PDI) would close that one too, and one that opens an isolate would swallow its end, so the marks
inside are balanced first (Unicode Standard Annex 9, X5a to X6a).
"""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup

OPENING, CLOSING = "\u2066\u2067\u2068", "\u2069"
"""The marks that open an isolate (LRI, RLI, FSI), and the one that closes it (PDI)."""

_DIRECTED = frozenset({"R", "AL", "AN", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Classes of characters that can change the order of their neighbours in a page that is read from left to right."""

_QUOTED = re.compile("(?<=“)([^“”]+)(?=”)")
"""A name in a sentence."""


Shown = str | float | None
"""What a template shows between tags."""


def isolate(value: Shown) -> Shown:
    """``value`` as a template shows it: in ``<bdi>`` if its direction could reach beyond it, and so each quotation in it.

    Markup was isolated when it was made, and comes back unchanged, like everything in plain left-to-right text.
    """
    if isinstance(value, Markup):
        return value
    text = str(value)
    if text.isascii() or not any(unicodedata.bidirectional(character) in _DIRECTED for character in text):
        return value
    parts = _QUOTED.split(text)
    return _wrap(Markup("").join(_wrap(part) if number % 2 else close_isolates(part) for number, part in enumerate(parts)))


def close_isolates(text: str) -> str:
    """``text`` without marks that close what it did not open, and with marks that close what it left open."""
    kept: list[str] = []
    depth = 0
    for character in text:
        if character == CLOSING and not depth:
            continue
        depth += (character in OPENING) - (character == CLOSING)
        kept.append(character)
    return "".join(kept) + depth * CLOSING


def _wrap(text: str) -> Markup:
    return Markup("<bdi>{}</bdi>").format(text if isinstance(text, Markup) else close_isolates(text))
