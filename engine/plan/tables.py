"""The tables as Markdown, for docs/plan.md: ``python -m engine.plan --tables`` prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.plan.ladder import RUNGS
from engine.plan.precision import ROWS


def precision_table() -> str:
    """The rows of the precision table, in order."""
    cells = ((row.name, ", ".join(row.dtypes), ", ".join(row.decoder) or "the same", row.reason) for row in ROWS)
    return _markdown(("Hardware", "Precision, the best first", "Decoder (VAE)", "Why"), cells)


def ladder_table() -> str:
    """The rungs of the memory ladder, in order."""
    cells = ((rung.name, rung.words, "the same" if rung.exact else "slightly different") for rung in RUNGS)
    return _markdown(("Measure", "What is done", "The picture"), cells)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (head, ["---"] * len(head), *rows))
