"""Settings of the libraries under torch, for a process that makes images beside a person's other work.

They hold for the whole process, and threads must wait as chosen from the start: set them before torch is imported.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

THREAD_WAITING: dict[str, str] = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
"""How torch's threads wait for each other. By default they spin, and beside a busy program, where one of two threads is often
not running, the other burns a core for it: an image was seen to take ten times as long. Threads that sleep at once are woken
thousands of times an image, which doubled the time of a small one. So they spin for less than a millisecond, then sleep. GNU's
library, which torch for Linux brings, reads the second name (in turns of its loop); Intel's and LLVM's, which torch for Windows
and macOS bring, read the third (in milliseconds); each ignores the other's."""

DEVICE_MEMORY: dict[str, str] = {"linux": "expandable_segments:True", "win32": "max_split_size_mb:128"}
"""System -> how torch gives out a card's memory. On Linux in pieces that grow, so that pictures of changing sizes leave no holes
between them that are too small for anything. Drivers for Windows cannot do this: there, what a large tensor left is not cut for
smaller ones, which would keep the next large one from it."""

DEVICE_MEMORY_VARIABLES = "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"
"""Where torch reads :data:`DEVICE_MEMORY`: the versions for NVIDIA cards before Turing know the second name alone."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Names of glibc's ``malloc.h``."""


def set_thread_waiting() -> None:
    """Apply :data:`THREAD_WAITING`. Where the user's environment says something else, that stands."""
    for name, value in THREAD_WAITING.items():
        os.environ.setdefault(name, value)


def set_device_memory() -> None:
    """Apply :data:`DEVICE_MEMORY`. Where the user's environment says something else under either name, that stands."""
    if sys.platform in DEVICE_MEMORY and not any(name in os.environ for name in DEVICE_MEMORY_VARIABLES):
        os.environ.update(dict.fromkeys(DEVICE_MEMORY_VARIABLES, DEVICE_MEMORY[sys.platform]))


def keep_freed_memory() -> bool:
    """Let glibc keep memory that is freed for the next tensor. By default each large tensor is taken from the kernel, which
    clears its pages, and given back: a tenth of a step. ``malloc_trim`` gives back what is free. False if there is no glibc."""
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # The thresholds cannot be set as high by mallopt, which takes an int.
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
