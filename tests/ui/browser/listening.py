"""The real engine, which also writes down which checkpoints it loads and drops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.checkpoints.cache import CacheEvent
from engine.events import Event, Loading
from engine.local import Local
from engine.requests import Request
from engine.settings import Settings
from engine.stopping import Stop

LISTENING = "tests.ui.browser.listening:ListeningEngine"
FILE = "loads.txt"


class ListeningEngine(Local):
    """Each event of its cache, and each Loading event of a job, is a line in the data folder: who, what, which checkpoint."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._heard = settings.data / FILE
        self._state.cache._on_event = self._note

    def run(self, job: str, request: Request, stop: Stop, attempt: int = 1, *, device_was_lost: bool = False) -> Iterator[Event]:
        """As the engine does."""
        for event in super().run(job, request, stop, attempt, device_was_lost=device_was_lost):
            if isinstance(event, Loading):
                self._write("job", "loading", event.checkpoint)
            yield event

    def _note(self, event: CacheEvent) -> None:
        self._write("cache", event.kind, event.checkpoint)

    def _write(self, *words: str) -> None:
        with self._heard.open("a", encoding="utf-8") as file:
            print(*words, file=file)


def heard(settings: Settings) -> list[str]:
    """Every line so far."""
    path: Path = settings.data / FILE
    return path.read_text("utf-8").splitlines() if path.exists() else []
