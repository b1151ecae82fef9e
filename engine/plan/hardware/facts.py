"""A machine's hardware as plain values, without any probing or deciding."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Device:
    """One thing that can run a checkpoint.

    ``kind`` is ``"cuda"`` (NVIDIA), ``"rocm"`` (AMD), ``"xpu"`` (Intel), ``"mps"`` (Apple) or ``"cpu"``. ``capability`` is
    CUDA's compute capability; ``architecture`` AMD's name for the chip (``"gfx1100"``); ``features`` what the driver says that
    the chip can do. Bytes are None where the driver does not tell.
    """

    kind: str = "cpu"
    index: int = 0
    name: str = ""
    capability: tuple[int, int] = (0, 0)
    architecture: str = ""
    features: frozenset[str] = frozenset()
    total_bytes: int | None = None
    free_bytes: int | None = None

    @property
    def torch(self) -> str:
        """The device string for torch. AMD cards answer to CUDA's name there."""
        names = {"cuda": f"cuda:{self.index}", "rocm": f"cuda:{self.index}", "xpu": f"xpu:{self.index}"}
        return names.get(self.kind, self.kind)

    @property
    def shares_ram(self) -> bool:
        """Whether it shares the computer's RAM."""
        return self.kind in ("cpu", "mps")


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """The processor. ``features`` are torch's names for instruction sets (``avx2``, ``avx512_bf16``, ``amx_bf16``).

    ``physical_cores`` is what the machine has, ``usable_cores`` how many of them this process may keep busy.
    """

    name: str = ""
    arch: str = "x86_64"
    features: frozenset[str] = frozenset()
    physical_cores: int = 1
    usable_cores: int = 1


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Everything except the accelerators, as the operating system reports it. Bytes are None where it does not tell.

    ``cards`` are makers of graphics cards that are plugged in (``"nvidia"``, ``"amd"``), usable or not. ``extras`` are
    optional libraries that are installed (``"openvino"``). ``setup_note`` is the set-up's sentence on why the graphics card
    cannot be used; "" if it can or if nothing is known.
    """

    cpu: Cpu = field(default_factory=Cpu)
    ram_total: int | None = None
    ram_available: int | None = None
    system: str = "Linux"
    system_version: tuple[int, ...] = ()
    cards: frozenset[str] = frozenset()
    extras: frozenset[str] = frozenset()
    setup_note: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What torch said about one device: the device, or ``trouble`` in the words of the driver, or both."""

    kind: str
    device: Device | None = None
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """The facts that a plan is made from. ``device`` is the one to use, ``devices`` all that work, the CPU last. ``notes``
    are sentences on devices that were requested or plugged in and are not used, and why. ``extras`` as in
    :class:`Machine`.
    """

    device: Device = field(default_factory=Device)
    devices: tuple[Device, ...] = ()
    cpu: Cpu = field(default_factory=Cpu)
    ram_total: int | None = None
    ram_available: int | None = None
    system: str = "Linux"
    system_version: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    extras: frozenset[str] = frozenset()

    def on(self, device: Device, *notes: str) -> Hardware:
        """The same machine with another device chosen, and why."""
        return dataclasses.replace(self, device=device, notes=self.notes + notes)

    @property
    def on_cpu(self) -> Hardware:
        """The same machine with the CPU chosen."""
        return self.on(next((d for d in self.devices if d.kind == "cpu"), Device(name=self.cpu.name)))

    @property
    def with_half_the_memory(self) -> Hardware:
        """The same machine with half of its free memory, for a more careful plan."""

        def half(count: int | None) -> int | None:
            return None if count is None else count // 2

        device = dataclasses.replace(self.device, free_bytes=half(self.device.free_bytes))
        return dataclasses.replace(self, device=device, ram_available=half(self.ram_available))


def count_threads(hardware: Hardware) -> int:
    """How many threads torch gets: the physical cores that this process may use. A second thread per core makes it slower."""
    return max(1, min(hardware.cpu.physical_cores, hardware.cpu.usable_cores))


def to_text(hardware: Hardware) -> str:
    """``hardware`` as JSON, for a process that does not import torch and cannot probe it."""
    return json.dumps(dataclasses.asdict(hardware), default=sorted)


def from_text(text: str) -> Hardware:
    """What :func:`to_text` wrote."""
    stored: dict[str, Any] = json.loads(text)
    return Hardware(
        device=_read_device(stored["device"]),
        devices=tuple(_read_device(each) for each in stored["devices"]),
        cpu=_read_cpu(stored["cpu"]),
        ram_total=stored["ram_total"],
        ram_available=stored["ram_available"],
        system=stored["system"],
        system_version=tuple(stored["system_version"]),
        notes=tuple(stored["notes"]),
        extras=frozenset(stored["extras"]),
    )


def _read_cpu(stored: dict[str, Any]) -> Cpu:
    features: frozenset[str] = frozenset(stored.pop("features"))
    return Cpu(features=features, **stored)


def _read_device(stored: dict[str, Any]) -> Device:
    features: frozenset[str] = frozenset(stored.pop("features"))
    major, minor = stored.pop("capability")
    return Device(features=features, capability=(major, minor), **stored)
