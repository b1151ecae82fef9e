"""Moves the weights of a network that another library has compiled out of RAM: into a file that is mapped to memory.

OpenVINO keeps the constants that it compiled from beside its own copy of them, and torch needs the weights again for LoRAs and
other sizes. In a mapped file they stay usable as they were, and the system may take their memory back at any time. The file has
no name where the system allows that, and is gone with the process.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import sys
import tempfile
import weakref
from pathlib import Path

import torch

from engine.plan.hardware.system import trim_heap
from engine.storage.atomic_files import make_private_folder

ALIGNMENT = 64
"""Bytes; processors load vectors of at most this size."""

DISK_RESERVE = 2**30
"""Bytes of the disk that stay free for images."""


class WeightsFile:
    """The weights of ``module`` in a file in ``folder``, and those that are not contiguous or not float32 a second time as they
    are then, which is what OpenVINO takes. Raises OSError if the file cannot be made; the module is then as it was.

    The module's parameters and buffers stay what they are; what is written into them is written into the file.
    """

    def __init__(self, module: torch.nn.Module, folder: Path) -> None:
        tensors = _list_tensors(module)
        own = sum(_align(tensor.nbytes) for tensor in tensors)
        more = sum(_align(4 * tensor.numel()) for tensor in tensors if _is_foreign(tensor))
        self._map, self._end = _map_new_file(folder, own + more), 0
        self._plain: dict[int, torch.Tensor] = {}
        with torch.inference_mode(False), torch.no_grad():
            for tensor in tensors:
                taken = self._take(tensor.numel(), tensor.dtype).as_strided(tensor.shape, tensor.stride())
                tensor.data = taken.copy_(tensor.data)
                if _is_foreign(tensor):
                    self._plain[tensor.data_ptr()] = self._take(tensor.numel(), torch.float32).view(tensor.shape)
        trim_heap()

    def read(self, weight: torch.Tensor) -> torch.Tensor:
        """``weight``, one of the module's, as OpenVINO takes it, with its numbers as they are now."""
        plain = self._plain.get(weight.data_ptr())
        return weight if plain is None else plain.copy_(weight)

    def leave_memory(self) -> None:
        """Have the system take the memory back; what is read again comes from the file."""
        if sys.platform == "linux":  # elsewhere the system does so by itself when memory is short
            self._map.madvise(mmap.MADV_DONTNEED)

    def _take(self, count: int, dtype: torch.dtype) -> torch.Tensor:
        """``count`` numbers in the next free bytes of the file."""
        offset = self._end
        self._end += _align(count * dtype.itemsize)
        return torch.frombuffer(self._map, dtype=dtype, count=count, offset=offset)


_FILES: weakref.WeakKeyDictionary[torch.nn.Module, WeightsFile] = weakref.WeakKeyDictionary()


def move_into_file(module: torch.nn.Module, folder: Path) -> WeightsFile:
    """The file of ``module``, made now if its weights are not in one. Raises OSError as :class:`WeightsFile`."""
    if module not in _FILES:
        _FILES[module] = WeightsFile(module, folder)
    return _FILES[module]


def _list_tensors(module: torch.nn.Module) -> list[torch.Tensor]:
    return [tensor for tensor in (*module.parameters(), *module.buffers()) if tensor.numel()]


def _is_foreign(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and (tensor.dtype != torch.float32 or not tensor.is_contiguous())


def _align(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _map_new_file(folder: Path, size: int) -> mmap.mmap:
    """A new file of ``size`` bytes, mapped; all of its room on the disk is taken now, so that writing cannot fail later."""
    make_private_folder(folder)
    if shutil.disk_usage(folder).free < size + DISK_RESERVE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    with tempfile.TemporaryFile(dir=folder) as file:
        if sys.platform == "linux":
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return mmap.mmap(file.fileno(), size)
