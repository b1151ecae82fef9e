"""What an engine says of itself: of the machine that it runs on, and of the memory that it gave back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class EngineDescription:
    """``device`` is the name of the device in use, ``notes`` are sentences on why it is not another one.

    ``threads`` are the CPU threads in use. ``measured`` is as in :func:`engine.plan.precision.choose`. ``compiler`` is the
    library that computes networks, "" for torch, and ``kept_graphs`` how many of its graphs were on disk when the engine started.
    ``hardware`` is the JSON of :class:`engine.plan.hardware.facts.Hardware`, "" for an engine that does not know it.
    """

    device: str
    notes: str = ""
    threads: int = 1
    measured: Mapping[str, float] = field(default_factory=dict[str, float])
    compiler: str = ""
    kept_graphs: int = 0
    hardware: str = ""


@dataclass(frozen=True, kw_only=True)
class FreedMemory:
    """Memory that was given back to the system: bytes of the ``device``, beyond the RAM, and of the ``ram``. ``checkpoints`` are
    the names of those that were unloaded."""

    device: int = 0
    ram: int = 0
    checkpoints: tuple[str, ...] = ()

    def __add__(self, other: FreedMemory) -> FreedMemory:
        return FreedMemory(
            device=self.device + other.device,
            ram=self.ram + other.ram,
            checkpoints=tuple(dict.fromkeys((*self.checkpoints, *other.checkpoints))),
        )
