"""Finds the graphics cards of this computer, from what their drivers' tools and the operating system say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from launcher.commands import read_answer, read_output

VENDORS = {"10de": "nvidia", "1002": "amd", "8086": "intel"}
"""PCI numbers of the makers."""

NVIDIA_SMI = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi", "C:/Program Files/NVIDIA Corporation/NVSMI/nvidia-smi.exe")
NVIDIA_QUERIES = ("name,driver_version,compute_cap", "name,driver_version")
"""Drivers before 495 do not know ``compute_cap``, and answer with an error."""

AMD_TOOLS = (
    ("rocm_agent_enumerator", r"^\s*(gfx\w+)\s*$"),
    ("/opt/rocm/bin/rocm_agent_enumerator", r"^\s*(gfx\w+)\s*$"),
    ("rocminfo", r"^\s*Name:\s+(gfx\w+)\s*$"),
    ("/opt/rocm/bin/rocminfo", r"^\s*Name:\s+(gfx\w+)\s*$"),
)
"""ROCm's tools, which are missing where only the kernel's driver is installed, and how their output names an architecture."""

LEAST_AMD_MEMORY = 3 * 2**30
"""AMD graphics with less memory of their own are a part of the processor."""

WINDOWS_ADAPTERS = (
    "powershell",
    "-NoProfile",
    "-NonInteractive",
    "-Command",
    "Get-CimInstance Win32_VideoController | ForEach-Object { $_.PNPDeviceID + '|' + $_.Name }",
)


@dataclass(frozen=True)
class Card:
    """A graphics card. What is not known is empty.

    ``architecture`` says what its code is compiled for: CUDA's compute capability as ``sm_86``, AMD's ``gfx1030``, and the PCI
    number of Intel's (``0x56a0``). ``driver`` is NVIDIA's driver version, ``trouble`` the error message of NVIDIA's tool.
    ``integrated``: it is a part of the processor, and nobody expects it to compute.
    """

    maker: str
    name: str = ""
    architecture: str = ""
    driver: str = ""
    trouble: str = ""
    integrated: bool = False


def find_cards(system: str, root: Path = Path("/")) -> list[Card]:
    """The cards as far as anything knows of them; ``root`` is where /sys lies."""
    adapters = list(list_adapters(system, root))
    plugged = {adapter.maker for adapter in adapters}
    nvidia = ask_nvidia()
    if "nvidia" not in plugged and can_list_all(system, root):
        nvidia = [card for card in nvidia if not card.trouble]  # the tool was left behind without a card
    known = [*nvidia, *(ask_amd(root) if "amd" in plugged else [])]
    makers = {card.maker for card in known}
    return [*known, *(adapter for adapter in adapters if adapter.maker not in makers and not adapter.integrated)]


def can_list_all(system: str, root: Path) -> bool:
    """Whether no card is hidden from :func:`list_adapters`, as Windows hides its own from the Linux that runs in it."""
    return system == "Linux" and (root / "sys/bus/pci/devices").is_dir() and not (root / "dev/dxg").exists()


def list_adapters(system: str, root: Path) -> Iterator[Card]:
    """What the operating system lists; of NVIDIA's and AMD's cards it does not say the architecture."""
    for vendor, device, name, integrated in _list_windows() if system == "Windows" else _list_linux(root):
        if vendor in VENDORS:
            architecture = f"0x{device}" if VENDORS[vendor] == "intel" else ""
            yield Card(VENDORS[vendor], name, architecture, integrated=integrated)


def _list_linux(root: Path) -> Iterator[tuple[str, str, str, bool]]:
    for place in sorted((root / "sys/bus/pci/devices").glob("*")):
        memory = _read(place / "mem_info_vram_total")
        if _read(place / "class").startswith("0x03"):
            integrated = memory.isdigit() and int(memory) < LEAST_AMD_MEMORY
            yield _read(place / "vendor")[2:], _read(place / "device")[2:], "", integrated


def _list_windows() -> Iterator[tuple[str, str, str, bool]]:
    for line in (read_output(WINDOWS_ADAPTERS) or "").splitlines():
        identity, _, name = line.partition("|")
        found = re.search(r"VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})", identity, re.I)
        if found:
            yield found.group(1).lower(), found.group(2).lower(), name.strip(), False


def ask_nvidia() -> list[Card]:
    """What nvidia-smi says: the cards, or one with its error message. Empty if there is no such tool or no card."""
    failed = ""
    for tool in NVIDIA_SMI:
        for query in NVIDIA_QUERIES:
            answer = read_answer([tool, f"--query-gpu={query}", "--format=csv,noheader"])
            if answer is None:
                continue
            if "no devices were found" in answer.text.lower():
                return []
            if answer.succeeded:
                return [_read_nvidia(line) for line in answer.text.splitlines() if line.strip()]
            failed = answer.text
    first = next((line.strip() for line in failed.splitlines() if line.strip()), "")
    return [Card("nvidia", trouble=first)] if first else []


def _read_nvidia(line: str) -> Card:
    name, driver, capability = [*(part.strip() for part in line.split(",")), "", ""][:3]
    known = re.fullmatch(r"(\d+)\.(\d+)", capability)
    return Card("nvidia", name, f"sm_{known.group(1)}{known.group(2)}" if known else "", driver)


def ask_amd(root: Path) -> list[Card]:
    """What ROCm's tools say, or else the kernel's driver."""
    for tool, pattern in AMD_TOOLS:
        found = re.findall(pattern, read_output([tool]) or "", re.M)
        names = [name for name in found if name != "gfx000"]  # the processor's
        if names:
            return [Card("amd", architecture=name) for name in names]
    return list(_read_kernel(root))


def _read_kernel(root: Path) -> Iterator[Card]:
    for place in sorted((root / "sys/class/kfd/kfd/topology/nodes").glob("*/properties")):
        found = re.search(r"^gfx_target_version (\d+)$", _read(place), re.M)
        if found and int(found.group(1)):
            yield Card("amd", architecture=name_architecture(int(found.group(1))))


def name_architecture(version: int) -> str:
    """The kernel's number of an architecture as ROCm spells it: 100301 is ``gfx1031``, 90010 is ``gfx90a``."""
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
