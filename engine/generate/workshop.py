"""What a run works with. It outlives the run: pipelines, encodings and what was learnt stay for the next one."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version

from engine.checkpoints.cache import PipelineCache
from engine.checkpoints.catalogue import Catalogue
from engine.plan.hardware import Hardware
from engine.prompt.encode import EncodingCache
from engine.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Everything that a run needs beside its request. One per process that runs torch.

    ``unsafe`` remembers which components of which checkpoint gave invalid numbers, so the next plan starts them in float32.
    """

    settings: Settings
    hardware: Hardware
    catalogue: Catalogue
    cache: PipelineCache
    encodings: EncodingCache
    threads: int
    unsafe: dict[str, set[str]] = field(default_factory=dict)


@cache
def environment(device_name: str) -> dict[str, str]:
    """The versions and the device that a difference between two pictures can come from."""
    parts = {name: version(name) for name in ("torch", "diffusers", "transformers")}
    return {**parts, "device": device_name, "attention": "scaled_dot_product", "system": platform.system()}
