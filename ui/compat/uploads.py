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

from gradio import route_utils, routes
from gradio.components import Component
from gradio.processing_utils import save_file_to_cache
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException

from engine.json_values import JsonValue
from engine.storage.atomic_files import make_folder, translate_errors

DAY = 24 * 60 * 60
DELETE_AFTER = (DAY, DAY)
"""For ``gr.Blocks(delete_cache=...)``: how often Gradio looks for old ones, and how old they may get, in seconds."""

TEXT_LIMIT = 2**20
"""Bytes that the parts of one upload that are no files may have together. Gradio holds them in memory."""

# Gradio answers 413 if these words of its own are in a sentence, else 400.
TOO_MUCH_TEXT = (
    f"This upload holds more than {TEXT_LIMIT // 2**20} MB of text, the maximum allowed size. Choose files, and send nothing "
    "else with them."
)
NO_FILE = "This upload holds a text where a file should be. Choose a file and upload it again."
NOT_STORED = "The files could not be stored ({reason}). Free some space, or choose fewer files at a time, and try again."


class UploadParser(route_utils.GradioMultiPartParser):
    """Gradio's, with a bound for what is no file, and without files left behind where it breaks off."""

    _text_bytes = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """As Gradio's. Raises MultiPartException for a text that is too long."""
        if self._current_part.file is not None:
            super().on_part_data(data, start, end)
            return
        self._text_bytes += end - start
        if self._text_bytes > TEXT_LIMIT:
            raise MultiPartException(TOO_MUCH_TEXT)
        self._current_part.data += data[start:end]

    def on_part_end(self) -> None:
        """As Gradio's. Raises MultiPartException for a text that is sent as a file."""
        if self._current_part.file is None and self._current_part.field_name == "files":
            raise MultiPartException(NO_FILE)
        super().on_part_end()

    async def parse(self) -> FormData:
        """As Gradio's. Raises MultiPartException, a sentence, where the files cannot be stored."""
        try:
            return await super().parse()
        except BaseException as error:
            for file in self._files_to_close_on_error:
                file.close()
                Path(file.name).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise MultiPartException(NOT_STORED.format(reason=error.strerror)) from error
            raise


def use_parser() -> None:
    """Let Gradio read uploads with :class:`UploadParser`."""
    route_utils.GradioMultiPartParser = routes.GradioMultiPartParser = UploadParser


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
            # Gradio itself leaves an empty file behind each time that an event takes an uploaded one.
            old.unlink(missing_ok=True) if old.is_file() else shutil.rmtree(old, ignore_errors=True)


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
