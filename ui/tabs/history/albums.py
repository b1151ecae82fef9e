"""The folders that History shows: Easel's outputs, and those of other programs, which are read on a thread of their own."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Generator
from pathlib import Path

from engine.errors import EaselError, OutputError
from engine.records.history import Entry, History, Search
from engine.settings import Settings
from ui import sentences
from ui.image_folders import ImageFolders, join_name, split_name

LOOK_SECONDS = 0.5
"""How often a page that waits for a folder looks how far it is."""


class Album:
    """The history of one folder; ``key`` is "" for the outputs. Names of images begin with the key of their folder."""

    def __init__(self, key: str, folder: Path, data: Path) -> None:
        self.key, self.folder = key, folder
        self.history = History(folder, data, f"history-{key}.db" if key else "history.db")
        self._reading: threading.Thread | None = None
        self._lock = threading.Lock()
        self._remaining, self._trouble = 0, ""

    def find(self, search: Search, offset: int, limit: int) -> list[Entry]:
        """As :meth:`History.find`."""
        return [self._rename(entry) for entry in self.history.find(search, offset, limit)]

    def get(self, name: str) -> Entry | None:
        """As :meth:`History.get`."""
        entry = self.history.get(split_name(name)[1] if self.key else name)
        return self._rename(entry) if entry else None

    def refresh(self) -> Generator[int]:
        """Bring the index up to date; yields how many images are still to be read. Another program's folder is read on a thread,
        which goes on if nobody waits any more. Raises OutputError if the index cannot be written."""
        if not self.key:
            yield from self.history.refresh()
            return
        thread = self._start()
        while thread.is_alive():
            yield max(1, self._remaining)
            thread.join(LOOK_SECONDS)
        if self._trouble:
            raise OutputError(self._trouble)

    def _start(self) -> threading.Thread:
        with self._lock:
            if self._reading is None or not self._reading.is_alive():
                self._reading = threading.Thread(target=self._read, name="easel-folder", daemon=True)
                self._reading.start()
            return self._reading

    def _read(self) -> None:
        self._remaining, self._trouble = 0, ""
        try:
            for remaining in self.history.refresh():
                self._remaining = remaining
        except EaselError as error:
            self._trouble = str(error)

    def _rename(self, entry: Entry) -> Entry:
        return dataclasses.replace(entry, name=join_name(self.key, entry.name))


class Albums:
    """All folders that may be shown. Any thread may use it."""

    def __init__(self, settings: Settings) -> None:
        self._data = settings.data
        self._folders = ImageFolders(settings.outputs, settings.data)
        self._lock = threading.Lock()
        self.own = Album("", settings.outputs, settings.data)
        self._others: dict[str, Album] = {}

    def find(self, key: str) -> Album:
        """The folder with this key; the outputs if it is not one of those that are chosen now."""
        folder = self._folders.others.get(key)
        if folder is None:
            return self.own
        with self._lock:
            if key not in self._others:
                self._others[key] = Album(key, folder, self._data)
            return self._others[key]

    def find_of(self, image: str) -> Album:
        """The folder of an image by its name."""
        key, _ = split_name(image)
        return self.find(key) if self.find_path(image) is not None else self.own

    def find_path(self, image: str) -> Path | None:
        """The file of an image; None if there is none."""
        return self._folders.find(image) if image else None

    def list_others(self) -> list[tuple[str, str]]:
        """Label and key of each folder of another program."""
        return [(sentences.album_label(folder), key) for key, folder in self._folders.others.items()]
