"""The version of a device's driver, where the system tells it. No torch, whose versions are of the libraries it brings along."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.plan.hardware.facts import Device


def read_driver_version(device: Device, root: Path = Path("/")) -> str:
    """The driver's version, or that of the system that brings the driver; "" for the CPU. ``root`` is where /sys lies."""
    read = _READERS.get(device.kind)
    return "" if read is None else read(root) or platform.release()


def _read_nvidia(root: Path) -> str:
    """From the driver's own file, or from nvidia-smi where there is no such file (Windows)."""
    told = _read_text(root / "sys/module/nvidia/version")
    if told:
        return told
    try:
        question = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        said = subprocess.run(question, capture_output=True, text=True, timeout=20)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return next(iter(said.stdout.split()), "") if said.returncode == 0 else ""


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""


_READERS: Mapping[str, Callable[[Path], str]] = {
    "cuda": _read_nvidia,
    "rocm": lambda root: _read_text(root / "sys/module/amdgpu/version"),
    "xpu": lambda root: _read_text(root / "sys/module/xe/version"),
    "mps": lambda root: platform.mac_ver()[0],
}
"""Kind of device -> what tells its driver's version, "" if nothing does."""
