"""Measures whether a lower precision is faster on the device, once, in under a second. Imports torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from engine.plan.hardware.facts import Hardware
from engine.plan.learned import LearnedFacts, read_numbers
from engine.plan.precision_table import find_row

SECONDS = 0.1
"""How long each of the four measurements takes; the fastest round is used."""


def measure_gain(hardware: Hardware, path: Path) -> dict[str, float]:
    """Precision -> how many times as fast as float32 it is on ``hardware.device``: empty if the table does not need it.

    Kept in the file ``path`` by device, threads and torch version, so a machine is measured once.
    """
    asked = find_row(hardware).if_faster
    if not asked:
        return {}
    notes = LearnedFacts(path)
    key = f"{hardware.device.name or hardware.device.kind}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    kept = read_numbers(notes.get(key))
    if asked not in kept:
        kept = {**kept, asked: time_gain(hardware.device.torch, asked)}
        notes.put(key, kept)
    return kept


def time_gain(device: str, dtype: str) -> float:
    """How many times as fast as float32 a matrix product and a convolution run in ``dtype``; 0 if they do not run at all."""
    try:
        slow, fast = (_seconds(device, getattr(torch, name)) for name in ("float32", dtype))
    except (RuntimeError, AssertionError):
        return 0.0
    return round(slow / fast, 2)


def _seconds(device: str, dtype: torch.dtype) -> float:
    """Seconds of one product and one convolution, of sizes as in a U-Net."""
    matrix = torch.full((512, 640), 0.01, device=device, dtype=dtype)
    image = torch.full((2, 160, 32, 32), 0.01, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    kernel = torch.full((160, 160, 3, 3), 0.01, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    calls = (lambda: matrix @ matrix.T, lambda: torch.nn.functional.conv2d(image, kernel, padding=1))
    with torch.no_grad():
        return sum(_fastest(call) for call in calls)


def _fastest(call: Callable[[], torch.Tensor]) -> float:
    """Seconds of the fastest of as many rounds as fit into :data:`SECONDS`, not counting the first."""
    call()
    end, best = time.perf_counter() + SECONDS, float("inf")
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        call()[..., 0].sum().item()
        best = min(best, time.perf_counter() - start)
    return best
