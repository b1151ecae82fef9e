"""Decodes image files without letting any of them, however large, exhaust the memory of this process.

Small images of simple formats are decoded in this process. All others are decoded one at a time in a separate process, whose
memory is limited if the operating system supports it. It is started on first use and kept.
"""

from __future__ import annotations

import math
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Generic, TypeVar, TypeVarTuple

from engine.errors import ImageError
from engine.records.images.open_image import open_header
from engine.settings import HOUSE
from engine.storage.regular_files import open_regular_file

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SMALL_PIXELS = 2**22
SMALL_BYTES = 2**24
"""The most pixels, and bytes of the file, of images that are decoded in this process."""

_PLAIN = re.compile(rb"\x89PNG|\xff\xd8\xff|RIFF....WEBP|GIF8|BM|P[1-7]\s", re.DOTALL)
"""The first bytes of formats whose header determines how much memory decoding takes. An ICO can contain a PNG of another size and
a TIFF tiles of any size, and Pillow decodes the former and reads all tags of the latter when it opens them."""

AT_ONCE = 4
"""How many small images are decoded at the same time; further ones wait."""

SECONDS = 300.0
"""Timeout in seconds for one image in the decoding process."""

_TOO_MUCH = "There is not enough memory or time to open a picture of this size. Choose a smaller one."

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from engine.records.images.decoder_process import main; main()"


@dataclass(frozen=True)
class Work(Generic[T, *Ts]):
    """A function of an importable module, and its arguments, for the decoding process."""

    function: Callable[[*Ts], T]
    arguments: tuple[*Ts]


@dataclass(frozen=True)
class Done(Generic[T]):
    """The function returned."""

    value: T


@dataclass(frozen=True)
class Raised:
    """The function raised an exception."""

    error: Exception


class DecoderProcess:
    """The separate process. Thread-safe; requests are served one after the other."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, work: Work[T, *Ts]) -> T:
        """Run ``work``; returns its result or raises its exception. Raises ImageError if it takes too much memory or time."""
        with self._turn:
            process = self._process = self._process or _start()
            assert process.stdin is not None and process.stdout is not None
            clock = threading.Timer(SECONDS, process.kill)
            clock.start()
            try:
                send(process.stdin, work)
                answer: Done[T] | Raised = pickle.load(process.stdout)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                self._end(process)
                raise ImageError(_TOO_MUCH) from error
            finally:
                clock.cancel()
        if isinstance(answer, Raised):
            raise answer.error
        return answer.value

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End the process; the next image starts a new one."""
        self._process = None
        process.kill()
        process.communicate()


def decode(sources: Sequence[Path], function: Callable[[*Ts], T], *arguments: *Ts) -> T:
    """``function(*arguments)``, which opens the image files ``sources``, in this process or the decoding process.

    The function must be in a module that does not import torch; its arguments and result are pickled and should be small. Raises
    ImageError for images that take too much memory or time, and what the function raises.
    """
    if _place.decoding:
        return function(*arguments)
    if not all(is_small(source) for source in sources):
        return _apart.run(Work(function, arguments))
    with _here:
        _place.decoding = True
        try:
            return function(*arguments)
        finally:
            _place.decoding = False


def decode_everything_here() -> None:
    """Let this thread decode every image itself: used in the decoding process."""
    _place.decoding = True


def read_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header. Raises ImageError."""
    if _place.decoding or _has_plain_head(path):
        return _read_size(path)
    return _apart.run(Work(_read_size, (path,)))


def is_small(source: Path) -> bool:
    """Whether an image is decoded in this process. True for a missing file, since opening it reports that."""
    try:
        return _has_plain_head(source) and math.prod(_read_size(source)) <= SMALL_PIXELS
    except ImageError:
        return True


def _read_size(path: Path) -> tuple[int, int]:
    with open_header(path) as opened:
        return opened.size


def _has_plain_head(path: Path) -> bool:
    """Whether it is safe to open a file in this process to read its header."""
    try:
        with open_regular_file(path) as stream:
            start = stream.read(16)
            return os.fstat(stream.fileno()).st_size <= SMALL_BYTES and (not start or _PLAIN.match(start) is not None)
    except OSError:
        return True


def send(stream: IO[bytes], message: Work[T, *Ts] | Done[T] | Raised) -> None:
    """Send one complete message."""
    pickle.dump(message, stream)
    stream.flush()


def _start() -> subprocess.Popen[bytes]:
    """Start the decoding process. It ends when its standard input does, so not later than this process."""
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(HOUSE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # libtiff and others print warnings about damaged files
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each thread would count as tens of MB
    )


class _Place(threading.local):
    """Whether this thread is decoding already, so that nested calls run directly."""

    decoding = False


_place = _Place()
_here = threading.BoundedSemaphore(AT_ONCE)
_apart = DecoderProcess()
