"""Seeds: their range, and which values ask for a random one."""

from __future__ import annotations

import math
import secrets

MAX_SEED = 2**63 - 1
"""Seeds are 0 to this, both included: what torch's CPU generator takes."""

RANDOM_SEEDS = 2**32
"""Random seeds lie below this; other programs do not accept larger ones."""

_MOST_DIGITS = 400
"""Longer texts are not read as numbers: a seed has 19 digits, and reading many thousands takes long."""


def draw_seed() -> int:
    """A random seed for a request that leaves its seed open."""
    return secrets.randbelow(RANDOM_SEEDS)


def read_seed(value: str | float | None) -> int | None:
    """The seed that ``value``, from a user, a request or a record, stands for; None for a random one.

    Most programs write -1 for "random". So are all negative seeds, and those above :data:`MAX_SEED`, which cannot be used;
    so is an empty text. Raises ValueError for what is not a whole number.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a seed")
    if isinstance(value, str):
        value = _parse(value.strip())
    if value is None or not -1 < value <= MAX_SEED:
        return _refuse(value) if isinstance(value, float) and math.isnan(value) else None
    return int(value) if value == int(value) else _refuse(value)


def is_random(text: str) -> bool:
    """Whether ``text``, typed for a seed, asks for a random one. What is not a number does not."""
    try:
        return read_seed(text) is None
    except ValueError:
        return False


def _parse(text: str) -> float | None:
    """The number in ``text``, a whole one exactly; None for an empty text. Raises ValueError."""
    if not text or len(text) > _MOST_DIGITS:
        return None if not text else math.inf
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def _refuse(value: float) -> int:
    raise ValueError(f"{value} is not a whole number")
