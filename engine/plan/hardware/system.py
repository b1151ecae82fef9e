"""Asks the operating system for memory, cores, container limits and plugged-in cards. No torch."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

from engine.plan.hardware.facts import Cpu, Machine

VENDORS: dict[str, str] = {"0x10de": "nvidia", "0x1002": "amd"}
"""PCI numbers of the makers of graphics cards that torch can compute on."""

LEAST_VRAM = 3 * 2**30
"""AMD graphics with less memory of their own are a part of the processor."""

ARCHES: dict[str, str] = {"amd64": "x86_64", "aarch64": "arm64"}
"""Other systems' names for the same processor architecture."""

EXTRAS = ("openvino",)
"""Optional libraries that change the plan where they are installed."""

LOW_PRIORITY = 10
"""The niceness of what gives way to other programs; 0 is usual and 19 the lowest."""

UNLIMITED = 2**60
"""cgroup v1 writes a number above this where it means "no limit"."""


def read_machine(features: frozenset[str] = frozenset(), root: Path = Path("/")) -> Machine:
    """The facts of this machine. ``features`` are the CPU's instruction sets; ``root`` is where /proc and /sys lie."""
    total, available = read_memory(root)
    arch = platform.machine().lower()
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    cpu = Cpu(
        name=read_cpu_name(root),
        arch=ARCHES.get(arch, arch),
        features=features,
        physical_cores=physical,
        usable_cores=count_usable_cores(physical, root),
    )
    return Machine(
        cpu=cpu,
        ram_total=total,
        ram_available=available,
        system=platform.system(),
        system_version=read_system_version(),
        cards=find_cards(root),
        extras=frozenset(name for name in EXTRAS if find_spec(name)),
        setup_note=read_setup_note(Path(sys.prefix)),
    )


def trim_heap() -> None:
    """Have glibc give the free pages of its heap back. Other systems' libraries do that themselves, or have no such call."""
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # another C library than glibc
        return


def lower_priority() -> None:
    """Let this process give way to other programs. Systems do not let a user take that back."""
    process = psutil.Process()
    with suppress(psutil.Error, OSError):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        elif sys.platform == "linux":  # where each thread has a priority of its own
            for thread in process.threads():
                os.setpriority(os.PRIO_PROCESS, thread.id, max(LOW_PRIORITY, os.getpriority(os.PRIO_PROCESS, thread.id)))
        else:
            process.nice(max(LOW_PRIORITY, process.nice()))


def read_setup_note(environment: Path) -> str:
    """Why the graphics card cannot be used, as the launcher recorded it when it made this Python ``environment``; "" if it can
    or if Easel was set up in another way."""
    try:
        stamp = json.loads((environment / "easel-stamp.json").read_text("utf-8"))
        return str(stamp.get("note", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def read_memory(root: Path = Path("/")) -> tuple[int | None, int | None]:
    """Total and available bytes of RAM: the machine's, or the container's where that is less. None if unknown."""
    try:
        ram = psutil.virtual_memory()
        total, available = ram.total, ram.available
    except (OSError, RuntimeError, ValueError):
        return None, None
    for limit, used in _memory_limits(root):
        total, available = min(total, limit), min(available, max(0, limit - used))
    return total, available


def count_usable_cores(physical: int, root: Path = Path("/")) -> int:
    """Physical cores that this process may keep busy: by its affinity and by the container's quota. At least 1."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    by_affinity = len({_core_of(cpu, root) for cpu in allowed}) or physical
    quotas = [int(quota) for quota in _cpu_quotas(root)]
    return max(1, min(_fast_cores(), physical, by_affinity, *quotas))


def find_cards(root: Path = Path("/")) -> frozenset[str]:
    """Makers of graphics cards that are plugged in. Empty where the system has no cheap way to tell."""
    if shutil.which("nvidia-smi"):
        return frozenset({"nvidia"}) | _pci_cards(root)
    return _pci_cards(root)


def read_cpu_name(root: Path = Path("/")) -> str:
    """The processor's name as people know it."""
    lines = (_read(root / "proc/cpuinfo") or "").splitlines()
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def read_system_version() -> tuple[int, ...]:
    """The version of the system in numbers: macOS 14.5 is ``(14, 5)``, others give their kernel's."""
    written = platform.mac_ver()[0] or platform.release()
    return tuple(int(part) for part in written.split("-")[0].split(".") if part.isdigit())


def _pci_cards(root: Path) -> frozenset[str]:
    found = set()
    for device in (root / "sys/bus/pci/devices").glob("*"):
        vram = _number(device / "mem_info_vram_total")
        if (_read(device / "class") or "").startswith("0x03") and (vram is None or vram >= LEAST_VRAM):
            found.add(VENDORS.get((_read(device / "vendor") or "").strip(), ""))
    return frozenset(found - {""})


def _fast_cores() -> int:
    """Apple's performance cores. Efficiency cores would slow them down, because torch gives every thread an equal share."""
    if platform.system() != "Darwin":
        return os.cpu_count() or 1
    try:
        said = subprocess.run(["sysctl", "-n", "hw.perflevel0.physicalcpu"], capture_output=True, text=True, timeout=5)
        return int(said.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return os.cpu_count() or 1


def _core_of(cpu: int, root: Path) -> str:
    """A name for the physical core of a logical CPU."""
    siblings = _read(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    return siblings.strip() if siblings else str(cpu)


def _memory_limits(root: Path) -> Iterator[tuple[int, int]]:
    """(limit, used) bytes of every control group above this process that limits memory. File cache is not counted as used."""
    for folder in _groups("memory", root):
        for limit_file, used_file, cache_key in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, used = _number(folder / limit_file), _number(folder / used_file)
            if limit is not None and limit < UNLIMITED:
                yield limit, max(0, (used or 0) - _from_stat(folder / "memory.stat", cache_key))


def _cpu_quotas(root: Path) -> Iterator[float]:
    """Cores that each control group above this process lets it keep busy."""
    for folder in _groups("cpu", root):
        quota, _, period = (_read(folder / "cpu.max") or "").partition(" ")
        pair = (quota, period) if quota else (_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))
        if all(part and part.strip().isdigit() for part in pair):
            yield int(pair[0] or 0) / int(pair[1] or 1)


def _groups(controller: str, root: Path) -> list[Path]:
    """Folders of this process's control groups, from its own up. Inside a container its own may lie at the mount's top."""
    folders: list[Path] = []
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        own = top / path.lstrip("/")
        folders += [own, *(p for p in own.parents if p.is_relative_to(top))]
    return list(dict.fromkeys(folders))


def _from_stat(path: Path, key: str) -> int:
    lines = (_read(path) or "").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(key + " ")), 0)


def _number(path: Path) -> int | None:
    text = (_read(path) or "").strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
