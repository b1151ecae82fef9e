"""The logic of the History tab, without components. It only changes images inside the outputs folder."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from engine.errors import EaselError, ImageError
from engine.records import metadata
from engine.records.history import Entry, Search
from engine.records.recall import Recalled, recall
from engine.settings import Settings
from ui import messages, sentences
from ui.common.checkpoint_options import CheckpointOptions
from ui.tabs.history import desktop, view
from ui.tabs.history.albums import Albums

PAGE = 60
"""Thumbnails on one page."""


class HistoryService:
    """What History does with the images of all its folders, which are named as in :mod:`ui.image_folders`.

    ``folder`` is the key of a folder, "" for Easel's outputs. The images of other programs are looked at and never changed.
    """

    def __init__(self, settings: Settings, checkpoint_options: CheckpointOptions) -> None:
        self._checkpoint_options = checkpoint_options
        self._albums = Albums(settings)

    def list_folders(self) -> list[tuple[str, str]]:
        """Label and key of each folder, Easel's own first."""
        return [(messages.OWN_IMAGES, ""), *self._albums.list_others()]

    def refresh(self, folder: str = "") -> Generator[int]:
        """Scan a folder and return how many images are still to be read. Raises OutputError if the index cannot be written."""
        return self._albums.find(folder).refresh()

    def checkpoints(self, folder: str = "") -> list[str]:
        """The names of the checkpoints that made a folder's images."""
        return self._albums.find(folder).history.checkpoints()

    def days(self, search: Search, folder: str = "") -> list[tuple[str, int]]:
        """The days with matching images, and the number of each."""
        return self._albums.find(folder).history.days(search)

    def render_thumbnails(self, search: Search, offset: int, chosen: str, reading: int = 0, folder: str = "") -> str:
        """A page of thumbnails; what is there, with a sentence, where the index cannot be read or written."""
        album = self._albums.find(folder)
        try:
            count = album.history.count(search)
            offset = min(offset, max(0, count - 1) // PAGE * PAGE)
            found, trouble = album.find(search, offset, PAGE), album.history.trouble
            if album.history.is_folder_gone and (found or album.key):
                found, offset, count = [], 0, 0
                trouble = sentences.album_gone(album.folder) if album.key else sentences.outputs_gone(album.folder)
        except EaselError as error:
            found, offset, count, trouble = [], 0, 0, str(error)
        return view.render_thumbnails(found, offset, count, chosen, reading, trouble, is_own=not album.key)

    def mark(self, image: str, favourite: bool) -> None:
        """Mark an image as a favourite, or remove the mark. Raises EaselError if it cannot be marked."""
        self._check_own(image)
        self._albums.own.history.set_favourite(image, favourite)

    def turn_page(self, offset: int, by: int) -> int:
        """The index of the first image on the next or previous page."""
        return max(0, offset + by * PAGE)

    def render_chosen(self, image: str, pinned: str) -> str:
        """The chosen image, beside the pinned one if another is pinned."""
        entry, other = self._find_entry(image), self._find_entry(pinned)
        if entry and other and entry.name != other.name:
            return view.render_pair(other, entry, self.recall(other.name), self.recall(entry.name))
        if entry is None:
            return view.render_nothing()
        return view.render_chosen(entry, self.recall(image), self._find_problem(image), is_own=self._is_own(image))

    def recall(self, image: str) -> Recalled | None:
        """The settings in an image's file; None if there are none, or no such image."""
        path = self._albums.find_path(image)
        try:
            return recall(path, **self._checkpoint_options.list_names()) if path else None
        except Exception:  # readers of damaged files raise whatever they stumble over; the picture itself can be shown
            return None

    def show_file(self, image: str, asked_from: str) -> None:
        """Raises EaselError, which says where the file lies, if it cannot be shown."""
        desktop.show_file(self._find_path(image), asked_from)

    def to_trash(self, image: str) -> None:
        """Raises EaselError if the image has to stay."""
        self._check_own(image)
        desktop.move_to_trash(self._find_path(image))
        self._albums.own.history.forget(image)

    def _is_own(self, image: str) -> bool:
        return not self._albums.find_of(image).key

    def _check_own(self, image: str) -> None:
        """Raises ImageError for an image of another program, which Easel leaves as it is."""
        if not self._is_own(image):
            raise ImageError(messages.NOT_OWN_IMAGE)

    def _find_problem(self, image: str) -> str:
        """Why Easel's own record in an image cannot be read; "" if it can, or if there is none."""
        path = self._albums.find_path(image)
        try:
            if path is not None:
                metadata.read(path)
        except (EaselError, OSError) as error:
            return str(error)
        return ""

    def _find_entry(self, image: str) -> Entry | None:
        there = self._albums.find_path(image)
        return self._albums.find_of(image).get(image) if there else None

    def _find_path(self, image: str) -> Path:
        path = self._albums.find_path(image)
        if path is None:
            raise ImageError(messages.IMAGE_GONE)
        return path
