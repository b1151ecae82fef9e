"""What is added to a checkpoint for one use: LoRAs, textual inversion embeddings, another VAE. Taken off again after it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.checkpoints.catalogue import CheckpointEntry
from engine.checkpoints.loading import Asked
from engine.requests import ExecutionPlan


@dataclass(frozen=True, kw_only=True)
class Additions:
    """``loras``: files with the weight that each is given. ``embeddings``: textual inversions. ``vae``: a separate VAE."""

    loras: tuple[tuple[CheckpointEntry, float], ...] = ()
    embeddings: tuple[CheckpointEntry, ...] = ()
    vae: CheckpointEntry | None = None


NOTHING = Additions()


@contextlib.contextmanager
def applied(additions: Additions, pipeline: Any, entry: CheckpointEntry, plan: ExecutionPlan, cancelled: Asked) -> Iterator[None]:
    """``pipeline`` with ``additions`` within the block, and as it was after it."""
    yield
