"""Pictures on their way to the disk while the next one is computed: looking at them, packing and syncing need no device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from engine.events import Event

Save = Callable[[], tuple[Event, ...]]
"""Writes one picture and gives what is to be said once it is on disk."""


class Saving:
    """A thread that saves, in order. Use it as a context manager: it ends when everything is written."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "easel-saving")
        self._waiting: deque[Future[tuple[Event, ...]]] = deque()

    def put(self, save: Save) -> None:
        """Let ``save`` run, after what was put before. Whoever calls :meth:`rest` first keeps one picture waiting at most."""
        self._waiting.append(self._thread.submit(save))

    @property
    def busy(self) -> bool:
        """Whether something that was put is not done yet."""
        return any(not waiting.done() for waiting in self._waiting)

    def ready(self) -> Iterator[Event]:
        """Events of what has been written since. Raises what saving raised."""
        while self._waiting and self._waiting[0].done():
            yield from self._waiting.popleft().result()

    def rest(self) -> Iterator[Event]:
        """Events of everything that was put. Raises what saving raised."""
        while self._waiting:
            yield from self._waiting.popleft().result()

    def __enter__(self) -> Saving:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._thread.shutdown(wait=True)
