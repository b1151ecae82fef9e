"""What another program's request means here."""

from __future__ import annotations

from dataclasses import dataclass

from engine.requests import GenerationRequest


@dataclass(frozen=True)
class Translation:
    """The request, and a sentence for each thing that is left out or replaced."""

    request: GenerationRequest
    notes: tuple[str, ...]
