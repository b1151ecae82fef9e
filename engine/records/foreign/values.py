"""Converts JSON values to the types of a record's fields; None for values of another type."""

from __future__ import annotations

import math

from engine.json_values import JsonObject, JsonValue, parse_object

_MOST_DIGITS = 400
"""Digits of a number. Longer ones are slow to parse, and no setting has them."""


def whole(value: JsonValue) -> int | None:
    """``value`` as an integer, exact where possible; None if it is not a number."""
    exact = number(value)
    try:
        return int(value) if isinstance(value, int | str) else None if exact is None else int(exact)
    except ValueError:
        return None if exact is None else int(exact)


def number(value: JsonValue) -> float | None:
    """``value`` as a finite number; None if it is none."""
    if (
        not isinstance(value, int | float | str)
        or isinstance(value, bool)
        or (isinstance(value, str) and len(value) > _MOST_DIGITS)
    ):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def text(value: JsonValue) -> str | None:
    """``value`` if it is a text that is not blank; else None."""
    return value if isinstance(value, str) and value.strip() not in ("", "None") else None


def json_object(written: str | None) -> JsonObject:
    """The JSON object in ``written``; empty if there is none."""
    try:
        return parse_object(written or "")
    except ValueError:
        return {}


def as_object(value: JsonValue) -> JsonObject:
    """``value`` if it is a JSON object; else an empty one."""
    return value if isinstance(value, dict) else {}
