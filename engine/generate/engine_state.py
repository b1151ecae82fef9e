"""State shared by all runs: loaded checkpoints, encodings and what was learned about the machine."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec

import engine.preferences as preferences
from engine.checkpoints.cache import CheckpointCache
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.search_paths import find_wildcard_folders
from engine.checkpoints.library.sha256 import Hasher
from engine.generate.estimate import Circumstances
from engine.plan import Budget, Hardware, find_budget
from engine.plan.hardware.probe import refresh
from engine.plan.learned import LearnedFacts
from engine.prompt.encoding.text_encoders import EncodingCache
from engine.prompt.wildcards import Wildcards
from engine.settings import Settings


@dataclass(frozen=True, kw_only=True)
class EngineState:
    """Everything that a run needs besides its request. One per process that runs torch.

    ``sparing``: an earlier attempt at the job ended its process, so one more memory measure is taken than seems needed.
    ``measured`` is as in :func:`engine.plan.precision.choose`; ``notes`` store what runs have learned,
    ``hashes`` the SHA-256 of whole files.
    """

    settings: Settings
    hardware: Hardware
    catalogue: Catalogue
    cache: CheckpointCache
    encodings: EncodingCache
    threads: int
    notes: LearnedFacts
    hashes: Hasher
    measured: Mapping[str, float] = field(default_factory=dict)
    sparing: bool = False

    def use_memory_sparingly(self) -> EngineState:
        """A copy of this state for a run whose earlier attempt ended its process."""
        return dataclasses.replace(self, hardware=self.hardware.with_half_the_memory, sparing=True)

    @property
    def keeps_computer_usable(self) -> bool:
        """Whether the user wants images to be made at low priority, with one CPU core less."""
        return preferences.read(self.settings.data).keep_usable

    @property
    def wildcards(self) -> Wildcards:
        """The wildcards as they are now, read when the first one is asked for."""
        return Wildcards(find_wildcard_folders(self.settings))

    @property
    def budget(self) -> Budget:
        """What a run may use: what was free when the job began, and what checkpoints in memory hold."""
        return find_budget(self.hardware, self.cache.bytes_on(self.hardware.device.torch))

    def look_at_memory(self) -> EngineState:
        """A copy of this state that knows how much memory is free now."""
        return dataclasses.replace(self, hardware=refresh(self.hardware))

    @property
    def circumstances(self) -> Circumstances:
        """The part from which a plan is made."""
        return Circumstances(settings=self.settings, hardware=self.hardware, notes=self.notes, measured=self.measured)


@cache
def environment(device_name: str) -> dict[str, str]:
    """The versions and the device, which can cause differences between images."""
    parts = {name: version(name) for name in ("torch", "diffusers", "transformers", "openvino") if find_spec(name)}
    return {**parts, "device": device_name, "attention": "scaled_dot_product", "system": platform.system()}
