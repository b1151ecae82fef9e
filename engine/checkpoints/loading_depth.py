"""Depth estimators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.checkpoints.originals import Source


def folder_naming(name: str, config: Mapping[str, Any]) -> Source:
    return Source((name,))


def from_file(*_: Any) -> dict[str, Any]:
    return {}
