"""The logic of the History tab, without components. It only touches images inside the outputs folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.errors import EaselError, ImageError
from engine.records import metadata
from engine.records.history import Entry, History, Search
from engine.records.recall import Recalled, recall
from engine.settings import Settings
from ui import messages, sentences
from ui.common.checkpoint_options import CheckpointOptions
from ui.server import image_routes
from ui.tabs.history import desktop, view

PAGE = 60
"""Thumbnails on one page."""


class HistoryService:
    """The history of one outputs folder. Images are named by their path inside it, with forward slashes."""

    def __init__(self, settings: Settings, checkpoint_options: CheckpointOptions) -> None:
        self._outputs, self._checkpoint_options = settings.outputs, checkpoint_options
        self.history = History(settings.outputs, settings.data)

    def refresh(self) -> Iterator[int]:
        """Scan the folder and return how many images are still to be read. Raises OutputError if the index cannot be written."""
        return self.history.refresh()

    def render_thumbnails(self, search: Search, offset: int, chosen: str, reading: int = 0) -> str:
        """A page of thumbnails; what is there, with a sentence, where the index cannot be read or written."""
        try:
            count = self.history.count(search)
            offset = min(offset, max(0, count - 1) // PAGE * PAGE)
            found, trouble = self.history.find(search, offset, PAGE), self.history.trouble
            if found and self.history.is_folder_gone:
                found, offset, count, trouble = [], 0, 0, sentences.outputs_gone(self._outputs)
        except EaselError as error:
            found, offset, count, trouble = [], 0, 0, str(error)
        return view.render_thumbnails(found, offset, count, chosen, reading, trouble)

    def turn_page(self, offset: int, by: int) -> int:
        """The index of the first image on the next or previous page."""
        return max(0, offset + by * PAGE)

    def render_chosen(self, image: str, pinned: str) -> str:
        """The chosen image, beside the pinned one if another is pinned."""
        entry, other = self._find_entry(image), self._find_entry(pinned)
        if entry and other and entry.name != other.name:
            return view.render_pair(other, entry, self.recall(other.name), self.recall(entry.name))
        return view.render_chosen(entry, self.recall(image), self._find_problem(image)) if entry else view.render_nothing()

    def recall(self, image: str) -> Recalled | None:
        """The settings in an image's file; None if there are none, or no such image."""
        path = image_routes.find(self._outputs, image)
        try:
            return recall(path, **self._checkpoint_options.list_names()) if path else None
        except Exception:  # readers of damaged files raise whatever they stumble over; the picture itself can be shown
            return None

    def show_file(self, image: str, asked_from: str) -> None:
        """Raises EaselError, which says where the file lies, if it cannot be shown."""
        desktop.show_file(self._find_path(image), asked_from)

    def to_trash(self, image: str) -> None:
        """Raises EaselError if the image has to stay."""
        desktop.move_to_trash(self._find_path(image))
        self.history.forget(image)

    def _find_problem(self, image: str) -> str:
        """Why Easel's own record in an image cannot be read; "" if it can, or if there is none."""
        path = image_routes.find(self._outputs, image)
        try:
            if path is not None:
                metadata.read(path)
        except (EaselError, OSError) as error:
            return str(error)
        return ""

    def _find_entry(self, image: str) -> Entry | None:
        there = image_routes.find(self._outputs, image) if image else None
        return self.history.get(image) if there else None

    def _find_path(self, image: str) -> Path:
        path = image_routes.find(self._outputs, image)
        if path is None:
            raise ImageError(messages.IMAGE_GONE)
        return path
