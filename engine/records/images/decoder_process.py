"""The process in which large images are decoded, see :mod:`engine.records.images.decoder`."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from contextlib import suppress

import psutil

from engine.errors import ImageError
from engine.records.images.decoder import Done, Raised, Work, decode_everything_here, send

MEMORY = 4 * 2**30
"""Bytes that the process may use on a computer with enough memory: the largest allowed image needs about 60% of it."""

SHARE = 0.75
"""The share of the computer's memory, if that is less."""


def main() -> None:
    """Serve requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C ends the parent process, and that ends this one
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keeps what libraries print out of the stream of results
    decode_everything_here()
    limit_memory(int(min(MEMORY, psutil.virtual_memory().total * SHARE)))
    while True:
        try:
            work: Work[None] = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        send(answers, run(work))


def run(work: Work[None]) -> Done[None] | Raised:
    """Run ``work``; returns its result or exception as a message."""
    try:
        return Done(work.function(*work.arguments))
    except MemoryError:
        return Raised(ImageError("There is not enough memory for a picture of this size. Choose a smaller one."))
    except Exception as error:
        return Raised(error if is_portable(error) else RuntimeError(f"{type(error).__name__}: {error}"))


def is_portable(error: Exception) -> bool:
    """Whether an exception can be pickled."""
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:
        return False


def limit_memory(most: int) -> None:
    """Limit the memory of this process to ``most`` bytes, and make the system's out-of-memory killer choose it first.

    Windows and macOS have no such limit for a running process; there only the number of pixels is limited.
    """
    if sys.platform == "win32":
        return
    import resource

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write("1000")


if __name__ == "__main__":
    main()
