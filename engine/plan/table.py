"""The precision table as Markdown, for docs/plan.md: ``python -m engine.plan --table``."""

from __future__ import annotations

from engine.plan.precision import ROWS, Row

HEAD = ("Hardware", "Precision, the best first", "Decoder (VAE)", "Why")


def markdown() -> str:
    """The rows of the precision table, in order."""
    lines = [HEAD, ("---",) * len(HEAD), *(_cells(row) for row in ROWS)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    return row.name, ", ".join(row.dtypes), ", ".join(row.decoder) or "the same", row.reason
