"""The user's control of one download: pause, cancel, and the hosts inside the network that it may contact."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TypeVar

from engine.errors import CancelledError

POLL = 0.1
"""Seconds between checks for Cancel where nothing can wake the waiting thread."""

T = TypeVar("T")


class Control:
    """Pauses and cancels one download within a fraction of a second, even while a connection hangs. Thread-safe.

    ``allowed`` holds (IP address or host name, port) of hosts inside the network that the user allowed.
    """

    def __init__(self, allowed: Iterable[tuple[str, int]] = ()) -> None:
        self._cancelled, self._running = threading.Event(), threading.Event()
        self._running.set()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._interruptions = 0
        self._allowed = set(allowed)

    def pause(self) -> None:
        """Close the connections and wait for :meth:`resume`. The part-file is kept."""
        self._running.clear()
        self._shut_down()

    def resume(self) -> None:
        """Continue."""
        self._running.set()

    def cancel(self) -> None:
        """End the download. The part-file is kept if another attempt can resume from it."""
        self._cancelled.set()
        self._running.set()
        self._shut_down()

    def allow(self, hosts: Iterable[tuple[str, int]]) -> None:
        """Allow these hosts inside the network: IP addresses or names, with their ports."""
        with self._lock:
            self._allowed.update(hosts)

    def is_allowed(self, host: str, port: int) -> bool:
        """Whether the user allowed ``host``, an IP address or a name."""
        with self._lock:
            return (host, port) in self._allowed

    @property
    def is_paused(self) -> bool:
        """Whether the download is paused."""
        return not self._running.is_set()

    @property
    def interruptions(self) -> int:
        """How often the download was paused or cancelled. If it grew, that may be why a connection ended."""
        with self._lock:
            return self._interruptions

    def renew(self) -> Control:
        """A control for another attempt: neither paused nor cancelled, with the same hosts allowed."""
        with self._lock:
            return Control(self._allowed)

    def wait(self, seconds: float = 0.0) -> None:
        """Wait ``seconds``, and as long as the download is paused. Raises CancelledError."""
        self._running.wait()
        if self._cancelled.wait(seconds) if seconds else self._cancelled.is_set():
            raise CancelledError

    def raise_if_cancelled(self) -> None:
        """Raises CancelledError if the download was cancelled."""
        if self._cancelled.is_set():
            raise CancelledError

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """The result of ``work``, run in a thread that is abandoned on Cancel or after ``seconds``.

        For system calls that cannot be interrupted. Raises what ``work`` raises, CancelledError or TimeoutError.
        """
        result: Future[T] = Future()

        def carry_out() -> None:
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)

        threading.Thread(target=carry_out, name="abandonable call", daemon=True).start()
        for _ in range(max(1, round(seconds / POLL))):
            if wait([result], POLL).done:
                return result.result()
            self.raise_if_cancelled()
        raise TimeoutError

    def attach(self, connected: socket.socket) -> None:
        """Let Pause and Cancel shut ``connected`` down until :meth:`detach`, which wakes threads that wait for data."""
        with self._lock:
            self._sockets.add(connected)
        if self.is_paused or self._cancelled.is_set():
            shut_down(connected)

    def detach(self, connected: socket.socket) -> None:
        """Undo :meth:`attach`."""
        with self._lock:
            self._sockets.discard(connected)

    def _shut_down(self) -> None:
        with self._lock:
            self._interruptions += 1
            for connected in self._sockets:
                shut_down(connected)


def shut_down(connected: socket.socket) -> None:
    """Shut a socket down. Threads that read from it get the end of the stream or an error."""
    with suppress(OSError):  # the other side may have closed it
        connected.shutdown(socket.SHUT_RDWR)
