"""Prompt matrix: every combination of the parts of a prompt after a bar, as AUTOMATIC1111's script of that name makes them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from engine.errors import RequestError
from engine.requests import MOST_CELLS, Axis

_OPENING, _CLOSING = "([{<", ")]}>"


def read_matrix(prompt: str) -> tuple[str, tuple[Axis, ...]]:
    """What stands before the first bar of ``prompt``, and the axes that add each combination of the parts after it.

    Bars inside of brackets belong to them. Raises RequestError if there is none, or too many.
    """
    base, *options = (part.strip() for part in _split(prompt))
    options = [option for option in options if option]
    if not options:
        raise RequestError("A prompt matrix needs parts after a bar, such as “a cat | at night | in the snow”. Write some.")
    if 2 ** len(options) > MOST_CELLS:
        raise RequestError(
            f"{len(options)} parts make {2 ** len(options):,} combinations; a grid can have {MOST_CELLS:,}. Take out some parts."
        )
    half = (len(options) + 1) // 2
    sides = [side for side in (options[:half], options[half:]) if side]
    return base, tuple(Axis(field="append", values=_combine(side)) for side in sides)


def _combine(options: Sequence[str]) -> tuple[str, ...]:
    """Each selection of ``options`` in their order, from none to all."""
    counts = range(len(options) + 1)
    return tuple(", ".join(chosen) for count in counts for chosen in itertools.combinations(options, count))


def _split(prompt: str) -> list[str]:
    parts, depth = [""], 0
    for sign in prompt:
        depth = max(0, depth + (sign in _OPENING) - (sign in _CLOSING))
        if sign == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
