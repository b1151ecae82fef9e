"""What the History tab does, in plain values: every picture that it touches is one that the outputs folder really holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.errors import PictureError
from engine.records.history import Entry, History, Search
from engine.records.recall import Recalled, recall
from engine.settings import Settings
from ui import messages
from ui.common import recall as recalling
from ui.common.checkpoint_options import CheckpointOptions
from ui.server import image_routes
from ui.tabs.history import desktop, view

PAGE = 60
"""Thumbnails on one page."""


class Memory:
    """The history of one outputs folder. Pictures are named by their path inside it, with forward slashes."""

    def __init__(self, settings: Settings, checkpoint_options: CheckpointOptions) -> None:
        self._outputs, self._checkpoint_options = settings.outputs, checkpoint_options
        self.history = History(settings.outputs, settings.data)

    def refresh(self) -> Iterator[int]:
        """Look at the folder; how many pictures are still to be read."""
        return self.history.refresh()

    def thumbs(self, search: Search, offset: int, chosen: str, reading: int = 0) -> str:
        """A page of thumbnails."""
        count = self.history.count(search)
        offset = min(offset, max(0, count - 1) // PAGE * PAGE)
        return view.thumbs(self.history.find(search, offset, PAGE), offset, count, chosen, reading)

    def turned(self, offset: int, by: int) -> int:
        """The first picture of the next page, or of the one before."""
        return max(0, offset + by * PAGE)

    def shown(self, picture: str, pinned: str) -> str:
        """The chosen picture; beside the pinned one if there is another one."""
        entry, other = self._entry(picture), self._entry(pinned)
        if entry and other and entry.name != other.name:
            return view.beside(other, entry, self.recall(other.name), self.recall(entry.name))
        return view.chosen(entry, self.recall(picture) if entry else None)

    def recall(self, picture: str) -> Recalled | None:
        """The settings in a picture's file; None if there are none, or no such picture."""
        path = image_routes.find(self._outputs, picture)
        try:
            return recall(path, **recalling.known(self._checkpoint_options)) if path else None
        except OSError:
            return None

    def show_file(self, picture: str, asked_from: str) -> None:
        """Raises EaselError, which says where the file lies, if it cannot be shown."""
        desktop.show(self._path(picture), asked_from)

    def to_trash(self, picture: str) -> None:
        """Raises EaselError if the picture has to stay."""
        desktop.to_trash(self._path(picture))
        self.history.forget(picture)

    def _entry(self, picture: str) -> Entry | None:
        there = image_routes.find(self._outputs, picture) if picture else None
        return self.history.get(picture) if there else None

    def _path(self, picture: str) -> Path:
        path = image_routes.find(self._outputs, picture)
        if path is None:
            raise PictureError(messages.PICTURE_GONE)
        return path
