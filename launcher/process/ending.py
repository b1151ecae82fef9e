"""Shutdown without tracebacks: on Ctrl+C, a closed terminal, a logout or `kill`, and when the parent process is gone."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Generator, Optional, Type

SIGNALS = tuple(number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGHUP"))

IMPATIENCE = 1.0
"""A second signal this many seconds after the first ends the process at once; a logout sends several together."""

PATIENCE = 15.0
"""Seconds that a process has to shut down when its parent is gone."""


class Ending:
    """Turns the first of :data:`SIGNALS` into KeyboardInterrupt in the main thread."""

    begun = 0.0

    def install(self) -> None:
        """Let the signals end this process without a traceback.

        SIGINT is taken over even where it is ignored: a shell starts what runs in the background so. SIGHUP that is ignored stays
        ignored: that is what `nohup` is for.
        """
        sys.excepthook = print_error
        sys.unraisablehook = print_unraisable
        for number in SIGNALS:
            if number.name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.handle)
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # see hold_signals

    def handle(self, number: int, frame: Optional[FrameType]) -> None:
        if signal.Signals(number).name == "SIGHUP":
            discard_output()  # the terminal is gone, and printing would fail
        if not self.begun:
            self.begun = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self.begun > IMPATIENCE:
            os._exit(128 + number)


@contextmanager
def hold_signals() -> Generator[None, None, None]:
    """A process that is started in the block gets :data:`SIGNALS` only when it installs its own :class:`Ending`.

    Until then Python would print a trace about them.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def print_error(kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> None:
    """Print an uncaught error; a KeyboardInterrupt is not printed."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


def print_unraisable(failed: sys.UnraisableHookArgs) -> None:
    """Print an error that Python cannot raise, such as one while it waits for threads at exit."""
    if not issubclass(failed.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(failed)


def discard_output() -> None:
    """Redirect all further output to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def end_with_parent() -> None:
    """End this process when standard input ends, that is, when the process at the other end of the pipe is gone."""
    threading.Thread(target=_wait_for_parent, name="parent", daemon=True).start()


def _wait_for_parent() -> None:
    try:
        while os.read(0, 1024):
            pass
    except OSError:
        pass  # a pipe that cannot be read has ended too
    _thread.interrupt_main()
    time.sleep(PATIENCE)
    os._exit(1)
