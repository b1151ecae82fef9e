"""What the user says about one download: pause, cancel, and which hosts inside the network it may contact."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TypeVar

from engine.errors import CancelledError

POLL = 0.1
"""Seconds between two looks at whether Cancel was pressed, where nothing can wake the waiting thread."""

T = TypeVar("T")


class Control:
    """One download's pause and cancel, heard within a fraction of a second also where a connection hangs. Any thread may use it.

    ``allowed`` holds (IP address or host name, port) of hosts inside the network that the user agreed to.
    """

    def __init__(self, allowed: Iterable[tuple[str, int]] = ()) -> None:
        self._cancelled, self._running = threading.Event(), threading.Event()
        self._running.set()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._interruptions = 0
        self._allowed = set(allowed)

    def pause(self) -> None:
        """Close the connections and wait for :meth:`resume`. What was downloaded is kept."""
        self._running.clear()
        self._shut_down()

    def resume(self) -> None:
        """Continue."""
        self._running.set()

    def cancel(self) -> None:
        """End it. What was downloaded is kept in the part-file if another attempt can resume from it."""
        self._cancelled.set()
        self._running.set()
        self._shut_down()

    def allow(self, hosts: Iterable[tuple[str, int]]) -> None:
        """The user agrees that these hosts inside the network are contacted: IP addresses or names, with their ports."""
        with self._lock:
            self._allowed.update(hosts)

    def is_allowed(self, host: str, port: int) -> bool:
        """Whether the user agreed to ``host``, an IP address or a name."""
        with self._lock:
            return (host, port) in self._allowed

    @property
    def is_paused(self) -> bool:
        """Whether Pause was pressed."""
        return not self._running.is_set()

    @property
    def interruptions(self) -> int:
        """How often Pause or Cancel was pressed. If it grew, a connection may have ended because of that."""
        with self._lock:
            return self._interruptions

    def renew(self) -> Control:
        """For another attempt: neither paused nor cancelled, with what the user agreed to."""
        with self._lock:
            return Control(self._allowed)

    def wait(self, seconds: float = 0.0) -> None:
        """Return after ``seconds``, once the download is not paused. Raises CancelledError."""
        self._running.wait()
        if self._cancelled.wait(seconds) if seconds else self._cancelled.is_set():
            raise CancelledError

    def raise_if_cancelled(self) -> None:
        """Raises CancelledError if Cancel was pressed."""
        if self._cancelled.is_set():
            raise CancelledError

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """What ``work`` returns. It runs in a thread that is abandoned on Cancel or after ``seconds``.

        For calls of the system that cannot be interrupted. Raises what ``work`` raises, CancelledError or TimeoutError.
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
        """Let Pause and Cancel shut ``connected`` down until :meth:`detach`, which wakes the threads that wait for it."""
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
    """End a connection. Threads that wait for it read its end, or get an error."""
    with suppress(OSError):  # the other side may have closed it
        connected.shutdown(socket.SHUT_RDWR)
