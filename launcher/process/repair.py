"""How the studio asks the launcher to repair the set-up: it ends with an exit status of its own."""

from __future__ import annotations

EXIT_STATUS = 75
"""Easel's own; Python ends with 0, 1 or 2, and what a signal ends with more than 128."""
