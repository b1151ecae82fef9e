"""Uploaded files: in one folder of Easel's own, each kept for a day.

Results never get here: they are served from the outputs folder itself (:mod:`ui.server.image_routes`), so that there is one
copy of each.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from gradio.components import Component
from gradio.processing_utils import save_file_to_cache

from engine.json_values import JsonValue
from engine.storage.atomic_files import make_folder, translate_errors

DAY = 24 * 60 * 60
DELETE_AFTER = (DAY, DAY)
"""For ``gr.Blocks(delete_cache=...)``: how often Gradio looks for old ones, and how old they may get, in seconds."""


def use_folder(folder: Path) -> None:
    """Let Gradio keep uploads in ``folder``, and remove files left behind by an Easel that was killed.

    While it runs, Gradio itself removes what is older than a day (``delete_cache``). Call it before the page is made.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    with translate_errors(folder):
        make_folder(folder)
    before = time.time() - DAY
    for old in folder.iterdir():
        if old.stat().st_mtime < before:
            shutil.rmtree(old, ignore_errors=True)


def lend_file(path: Path, component: Component) -> str:
    """A copy of one of Easel's files as a value for a ``gr.File``: Gradio serves only what lies in its own folder."""
    return save_file_to_cache(path, cache_dir=component.GRADIO_CACHE)


def are_uploaded(data: JsonValue, folder: str | Path) -> bool:
    """Whether every file that ``data``, the body of a request, names is a regular file that really lies in ``folder``.

    Gradio takes any object with a ``path`` for a file, at any depth and in any component; a URL in that place would be fetched.
    """
    return all(_is_in(path, folder) for path in _list_paths(data))


def _list_paths(data: JsonValue) -> Iterator[str]:
    """The path of everything in ``data`` that Gradio could take for a file."""
    left: list[JsonValue] = [data]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
            if isinstance(path := value.get("path"), str):
                yield path
        elif isinstance(value, list):
            left += value


def _is_in(path: str, folder: str | Path) -> bool:
    """Links are followed first: one that lies in the folder may lead out of it."""
    try:
        real = Path(path).resolve(strict=True)
        return real.is_relative_to(Path(folder).resolve()) and stat.S_ISREG(real.stat().st_mode)
    except (OSError, ValueError, RuntimeError):
        return False
