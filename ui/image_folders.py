"""The folders whose images the page may show: Easel's outputs, and those of other programs that the user added.

An image of the outputs is named by its path inside them, one of another folder by that folder's key before its path:
``@0123456789ab/2026/picture.png``. Other programs' folders are only read.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import engine.preferences as preferences
from engine.checkpoints.library.search_paths import expand_folder
from engine.safe_text import name_to_text
from ui.server import image_routes

_NAME = re.compile(r"@([0-9a-f]{12})/(.+)", re.DOTALL)


@dataclass(frozen=True)
class ImageFolders:
    """``outputs`` is Easel's own folder; the preferences in ``data`` name the others, None for none."""

    outputs: Path
    data: Path | None = None

    @property
    def others(self) -> Mapping[str, Path]:
        """The folders of other programs as they are chosen now, by key."""
        chosen = preferences.read(self.data).extra_outputs if self.data is not None else ()
        return {create_key(folder): folder for folder in map(expand_folder, chosen)}

    def find(self, asked: str) -> Path | None:
        """The image of this name; None if there is none in these folders, as :func:`ui.server.image_routes.find`."""
        if (own := image_routes.find(self.outputs, asked)) is not None:
            return own
        key, name = split_name(asked)
        folder = self.others.get(key) if key else None
        return image_routes.find(folder, name) if folder is not None else None

    def name(self, image: Path) -> str:
        """The name of an image in one of these folders. Raises ValueError for one that is in none."""
        if image.is_relative_to(self.outputs.resolve()):
            return image_routes.name_image(self.outputs.resolve(), image)
        for key, folder in self.others.items():
            if image.is_relative_to(folder.resolve()):
                return join_name(key, image_routes.name_image(folder.resolve(), image))
        raise ValueError(f"{image} is in no folder of the page")


def create_key(folder: Path) -> str:
    """The name of a folder in those of its images."""
    return hashlib.sha256(name_to_text(os.path.normpath(folder)).encode()).hexdigest()[:12]


def join_name(key: str, name: str) -> str:
    """The name on the page of an image by its path inside the folder with ``key``, "" for the outputs."""
    return f"@{key}/{name}" if key else name


def split_name(name: str) -> tuple[str, str]:
    """The key of a folder, "" for the outputs, and the path of an image inside it."""
    found = _NAME.fullmatch(name)
    return (found[1], found[2]) if found else ("", name)
