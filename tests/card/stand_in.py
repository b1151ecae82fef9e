"""A graphics card that is not there: torch's CUDA build over libraries that reserve memory, compute nothing and count.

Torch's dispatcher, device checks, allocator, streams and out-of-memory errors are the real ones. It shows placement, dtypes,
memory, traffic and recovery. It shows no pixel: what is read back from the card is zeros, and the answer to "is all finite?" yes.
The libraries must be there before torch is imported, so everything on the card runs in a child process.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from unittest.mock import patch

from engine.jobs.worker_environment import DEVICE_MEMORY

SOURCES = Path(__file__).parent / "cuda"
NVIDIA = Path(sysconfig.get_paths()["purelib"]) / "nvidia"
GIB = 1024
"""MB of a GB."""

P = ParamSpec("P")
T = TypeVar("T")


def find_obstacle() -> str:
    """Why the stand-in cannot be built here; empty if it can."""
    if sys.platform != "linux":
        return "The stand-in for a graphics card is built on Linux only."
    if shutil.which("cc") is None:
        return "The stand-in for a graphics card needs a C compiler: install the package that brings cc."
    if find_headers() is None:
        return "The stand-in for a graphics card needs torch's CUDA build, and this one is for the CPU."
    return ""


def find_headers() -> Path | None:
    """The headers of the CUDA runtime that torch's CUDA build brings along."""
    return next((path.parent for path in NVIDIA.rglob("cuda_runtime_api.h")), None)


def build(folder: Path) -> None:
    """Compile the libraries into ``folder``."""
    libraries = {"libcard.so": ("runtime.c", "libraries.c"), "libcuda.so.1": ("driver.c",)}
    for name, sources in libraries.items():
        files = [str(SOURCES / source) for source in sources]
        headers = [f"-I{SOURCES}", f"-I{find_headers()}"]
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", *headers, "-o", str(folder / name), *files], check=True)


class Card:
    """A child process in which torch sees a card with ``memory`` MB, ``other`` of them taken by other programs.

    ``settings`` are those at the top of ``cuda/runtime.c``, without their prefix and in lower case.
    """

    def __init__(self, folder: Path, memory: int = 8 * GIB, other: int = 600, **settings: str | int) -> None:
        self._environment = {
            "LD_PRELOAD": str(folder / "libcard.so"),
            "LD_LIBRARY_PATH": str(folder),
            "PYTORCH_ALLOC_CONF": DEVICE_MEMORY["win32"],  # Linux' way takes addresses without memory, which they lack
            "TORCH_CUDNN_V8_API_DISABLED": "1",  # its plans come from inside cuDNN; the older functions can be stood in for
            **{f"CARD_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.memory, self.other = memory, other
        self._child = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _say_that_nothing_computes)

    def run(self, function: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """The result of ``function``, a function of a module, called in the child. Both must be picklable."""
        with patch.dict(os.environ, self._environment):
            return self._child.submit(_resize_and_call, self.memory, self.other, function, args, named).result()

    def close(self) -> None:
        """End the child."""
        self._child.shutdown()


COUNTED = (
    "launches", "synchronisations", "event_synchronisations", "copies_to_card", "bytes_to_card", "copies_to_host",
    "bytes_to_host", "waiting_copies", "allocations", "out_of_memory", "used", "peak", "used_on_second", "convolutions",
    "products", "page_locked", "contexts",
)  # fmt: skip


class Counts(ctypes.Structure):
    """What the card has counted since :func:`reset`; as in ``cuda/runtime.c``.

    ``waiting_copies`` are those to memory of the host that is not page-locked, for which the driver waits; ``contexts`` are cards
    that something was done on, ever; ``used`` and ``page_locked`` are bytes that are held now.
    """

    _fields_ = tuple((name, ctypes.c_uint64) for name in COUNTED)


def read_counts() -> dict[str, int]:
    """In the child: what was counted since :func:`reset`."""
    counts = Counts()
    ctypes.CDLL(None).card_read(ctypes.byref(counts))
    return {name: getattr(counts, name) for name in COUNTED}


def reset() -> None:
    """In the child: count from nothing again, but for contexts."""
    ctypes.CDLL(None).card_reset()


def resize(memory: int, other: int) -> None:
    """In the child: the card has ``memory`` MB from now on, ``other`` of them taken by other programs."""
    ctypes.CDLL(None).card_resize(ctypes.c_long(memory), ctypes.c_long(other))


@contextmanager
def failing(times: int, status: int) -> Iterator[None]:
    """In the child: the next ``times`` convolutions and matrix products answer ``status`` of cuDNN or cuBLAS."""
    library = ctypes.CDLL(None)
    library.card_fail(times, status)
    yield
    library.card_fail(0, 0)


def _say_that_nothing_computes() -> None:
    """What computes numbers when the engine starts believes the card."""
    import torch

    from engine.checkpoints.load import checkpoint
    from engine.plan.hardware import precision_trial, probe

    patch.object(probe, "_kernels", lambda device: torch.ones(4, device=device).shape == (4,)).start()
    patch.object(precision_trial, "time_gain", lambda device, dtype: 1.5).start()
    torch.set_num_threads(1)
    import_module("engine.local")
    # Reading the same vocabulary for each checkpoint would take most of the time.
    patch.object(checkpoint, "load_preprocessor", cache(checkpoint.load_preprocessor)).start()
    gc.freeze()  # what is imported stays; looking through it takes most of a second


def _resize_and_call(memory: int, other: int, function: Callable[..., T], args: tuple[Any, ...], named: Mapping[str, Any]) -> T:
    resize(memory, other)
    return function(*args, **named)
