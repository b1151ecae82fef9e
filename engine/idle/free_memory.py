"""Gives memory back to the system: what is not used, or the checkpoints too."""

from __future__ import annotations

import gc

import psutil
import torch

from engine.checkpoints.cache import give_back_device_memory
from engine.descriptions import FreedMemory
from engine.generate.engine_state import EngineState
from engine.plan.hardware.system import trim_heap


def give_back_unused(state: EngineState) -> FreedMemory:
    """Give back what torch's and C's allocators hold for later; checkpoints stay in memory."""
    before = _count_held(state)
    gc.collect()
    give_back_device_memory()
    trim_heap()
    return _count_freed(before, state)


def unload_checkpoints(state: EngineState) -> FreedMemory:
    """Unload every checkpoint, and give back what it took and what else is not used."""
    names, before = state.cache.names, _count_held(state)
    state.encodings.clear()
    state.cache.release()
    give_back_unused(state)
    return _count_freed(before, state, names)


def _count_held(state: EngineState) -> tuple[int, int]:
    """Bytes that this process holds of the device, beyond the RAM, and of the RAM."""
    return _COUNTERS[state.hardware.device.kind](state.hardware.device.index), psutil.Process().memory_info().rss


def _count_freed(before: tuple[int, int], state: EngineState, names: tuple[str, ...] = ()) -> FreedMemory:
    device, ram = (max(0, then - now) for then, now in zip(before, _count_held(state), strict=True))
    return FreedMemory(device=device, ram=ram, checkpoints=names)


_COUNTERS = {
    "cuda": torch.cuda.memory_reserved,
    "rocm": torch.cuda.memory_reserved,
    "xpu": torch.xpu.memory_reserved,
    "mps": lambda _index: torch.mps.driver_allocated_memory(),
    "cpu": lambda _index: 0,
}
"""Kind of device -> bytes that this process holds of device number so-and-so."""
