"""Random seeds."""

from __future__ import annotations

import secrets

RANDOM_SEEDS = 2**32
"""Random seeds lie below this; other programs do not accept larger ones."""


def draw_seed() -> int:
    """A random seed for a request that leaves its seed open."""
    return secrets.randbelow(RANDOM_SEEDS)
