"""The directions of a grid, and their values as somebody writes them in a line."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.errors import RequestError
from engine.seeds import draw_seed

MOST_AXES = 3

MOST_CELLS = 10_000
"""The most images that a grid may have."""

WHOLE = ("seed", "variation_seed", "steps", "hires_steps", "clip_skip")
"""Fields of axes whose values are whole numbers."""

FRACTIONS = (
    "guidance_scale", "guidance_rescale", "variation_strength", "refiner_start", "strength", "hires_strength",
    "hires_guidance_scale", "lora_weight",
)  # fmt: skip
"""Fields of axes whose values are numbers."""

_SEEDS = ("seed", "variation_seed")

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_RANGE = re.compile(
    rf"(?P<first>{_NUMBER})\s*-\s*(?P<last>{_NUMBER})\s*(?:\(\s*(?P<step>{_NUMBER})\s*\)|\[\s*(?P<count>\d+)\s*\])?"
)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One direction of a grid: what varies along it (a name in :data:`engine.requests.cells.AXES`), and the values as text, in
    order."""

    field: str
    values: tuple[str, ...] = ()


def count_cells(axes: Sequence[Axis]) -> int:
    """How many images a grid has."""
    return math.prod(len(axis.values) for axis in axes)


def read_values(field: str, text: str) -> tuple[str, ...]:
    """The values that ``text`` lists, with commas or lines between them; one with a comma stands in double quotes.

    Numbers may be ranges as in AUTOMATIC1111's X/Y/Z plot: ``1-5``, ``1-9 (+2)``, ``0-1 [5]`` for five values. A seed below 0 is
    drawn. Raises RequestError for a range that cannot be read or has too many values.
    """
    rows = csv.reader(io.StringIO(text.strip()), skipinitialspace=True)
    try:
        values = [value.strip() for row in rows for value in row]
    except csv.Error as error:
        raise RequestError(f"The values “{text[:60]}” cannot be read ({error}). Write them with commas between them.") from error
    if field not in (*WHOLE, *FRACTIONS):
        return tuple(values)
    read = [number for value in values if value for number in _read_range(field, value)]
    return tuple(str(draw_seed()) if field in _SEEDS and number.startswith("-") else number for number in read)


def write_values(values: Sequence[str]) -> str:
    """The line from which :func:`read_values` reads ``values``."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(values)
    return stream.getvalue().replace(",", ", ") if not any("," in value for value in values) else stream.getvalue()


def _read_range(field: str, value: str) -> list[str]:
    """The numbers of a range, or ``value`` itself if it is none."""
    found = _RANGE.fullmatch(value)
    if found is None:
        return [value]
    first, last = Decimal(found["first"]), Decimal(found["last"])
    step = Decimal(found["step"] or (1 if last >= first else -1))
    count = int(found["count"]) if found["count"] else math.floor((last - first) / step) + 1 if step else 0
    if not 0 < count <= MOST_CELLS:
        raise RequestError(f"The range “{value}” has {max(0, count):,} values. It can have 1 to {MOST_CELLS:,}.")
    if found["count"]:
        step = (last - first) / (count - 1) if count > 1 else Decimal(0)
    numbers = [first + number * step for number in range(count)]
    return [str(round(number)) if field in WHOLE else f"{round(number, 6).normalize():f}" for number in numbers]
