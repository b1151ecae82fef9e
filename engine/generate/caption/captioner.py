"""What every captioner can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from PIL import Image

from engine.requests import ExecutionPlan


class Captioner(Protocol):
    """A captioner in memory. ``notices`` are sentences on what was left out when it was loaded, ``environment`` the versions on
    which its words depend beside those of :func:`~engine.generate.engine_state.environment`."""

    @property
    def plan(self) -> ExecutionPlan: ...
    @property
    def notices(self) -> tuple[str, ...]: ...
    @property
    def environment(self) -> Mapping[str, str]: ...

    def describe(self, image: Image.Image, threshold: float) -> str:
        """The words for an image in RGB. ``threshold`` is the least confidence of a tag. Raises CancelledError."""
        ...
