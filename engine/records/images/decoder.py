"""Decodes image files so that none, however large it becomes, takes the memory of this process.

Small ones of plain formats are decoded here. All others are decoded one at a time in a process of their own, whose memory is
limited where the system can do that. It is started for the first of them and stays.
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

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SMALL_PIXELS = 2**22
SMALL_BYTES = 2**24
"""Images of up to so many pixels, in files of up to so many bytes, are decoded in this process."""

_PLAIN = re.compile(rb"\x89PNG|\xff\xd8\xff|RIFF....WEBP|GIF8|BM|P[1-7]\s", re.DOTALL)
"""How files begin whose head says how much memory their pixels take. An ICO may hold a PNG of another size, a TIFF tiles of any,
and Pillow decodes the one and reads all tags of the other as soon as they are opened."""

AT_ONCE = 4
"""Small images that are decoded at the same time; further ones wait."""

SECONDS = 300.0
"""How long one image may take in the process of its own."""

_TOO_MUCH = "There is not enough memory or time to open a picture of this size. Choose a smaller one."

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from engine.records.images.decoder_process import main; main()"


@dataclass(frozen=True)
class Work(Generic[T, *Ts]):
    """A function of a module, for the process to import, and its arguments."""

    function: Callable[[*Ts], T]
    arguments: tuple[*Ts]


@dataclass(frozen=True)
class Done(Generic[T]):
    """What the function returned."""

    value: T


@dataclass(frozen=True)
class Raised:
    """What the function raised."""

    error: Exception


class DecoderProcess:
    """The process of its own. Any thread may use it; one after the other is served."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, work: Work[T, *Ts]) -> T:
        """What ``work`` returns or raises. Raises ImageError if it takes more memory or time than it may."""
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
        """The next image gets a new process."""
        self._process = None
        process.kill()
        process.communicate()


def decode(sources: Sequence[Path], function: Callable[[*Ts], T], *arguments: *Ts) -> T:
    """``function(*arguments)``, which opens the image files ``sources``.

    The function is one of a module without torch, and its arguments and what it returns are small: they travel between
    processes. Raises ImageError for what takes too much memory or time, and what the function raises.
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
    """Let this thread decode whatever it is asked for: that of the process in which large images are decoded."""
    _place.decoding = True


def read_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the file's head. Raises ImageError."""
    if _place.decoding or _has_plain_head(path):
        return _read_size(path)
    return _apart.run(Work(_read_size, (path,)))


def is_small(source: Path) -> bool:
    """Whether an image is decoded in this process. So is what is not there: the one who opens it finds out and says so."""
    try:
        return _has_plain_head(source) and math.prod(_read_size(source)) <= SMALL_PIXELS
    except ImageError:
        return True


def _read_size(path: Path) -> tuple[int, int]:
    with open_header(path) as opened:
        return opened.size


def _has_plain_head(path: Path) -> bool:
    """Whether a file can be opened in this process to see what it is."""
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
            return os.fstat(stream.fileno()).st_size <= SMALL_BYTES and (not start or _PLAIN.match(start) is not None)
    except OSError:
        return True


def send(stream: IO[bytes], message: Work[T, *Ts] | Done[T] | Raised) -> None:
    """Write a message whole."""
    pickle.dump(message, stream)
    stream.flush()


def _start() -> subprocess.Popen[bytes]:
    """Its end is that of its standard input, which closes with this process."""
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(HOUSE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # libtiff and others print warnings of damaged files
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each thread would count as tens of MB
    )


class _Place(threading.local):
    """Whether this thread is decoding already: what it decodes on the way belongs to it."""

    decoding = False


_place = _Place()
_here = threading.BoundedSemaphore(AT_ONCE)
_apart = DecoderProcess()
