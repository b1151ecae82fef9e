"""Finished images over HTTP at ``/pictures/<name>`` (:mod:`ui.image_folders`). No other files are served.

Gradio would copy each image into its cache before serving it; with these routes there is one copy on disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from engine.errors import ImageError
from engine.records.images.thumbnails import SIDE, Thumbnails
from engine.safe_text import make_encodable, name_to_text, text_to_name

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
"""Extensions that are served -> media type."""

PREFIX, DRAFTS, SMALL, REDUCED = "/pictures/", "/drafts/", "/thumbnails/", "/reduced/"
"""Path prefixes: full-size outputs, drafts, thumbnails of outputs, and very large outputs reduced to fit a screen."""

LARGE = 3000 * 3000
"""Pixels above which a page shows a reduced copy: a browser shows nothing until it has decoded the whole image."""

_FORBIDDEN = ("\0", "\\", ":") if os.name == "nt" else ("\0",)
"""NUL, which ends strings in C; on Windows also separators, drive letters and streams, which are valid in names elsewhere."""


def locate(name: str, prefix: str = PREFIX) -> str:
    """The URL path of an image whose :func:`name_image` is ``name``."""
    return prefix + quote(make_encodable(name))


def name_image(folder: Path, image: Path) -> str:
    """The name of ``image``, a file in ``folder``, in URLs: its relative path with forward slashes, as safe text."""
    return name_to_text(image.relative_to(folder).as_posix())


def locate_path(folder: Path, image: Path, prefix: str = PREFIX) -> str:
    """The URL path of ``image``, a file in ``folder``."""
    return locate(name_image(folder, image), prefix)


def locate_shown(name: str, width: int, height: int) -> str:
    """The URL path of what a page shows of an image of this size in pixels: a reduced copy if it is larger than :data:`LARGE`."""
    return locate(name, REDUCED if width * height > LARGE else PREFIX)


def find(outputs: Path, asked: str) -> Path | None:
    """The image in ``outputs`` whose :func:`name_image` is ``asked``; None if there is none.

    Also None for links that lead out of ``outputs``, ``..``, absolute paths, Windows paths, and other kinds of files.
    """
    parts = text_to_name(asked).split("/")
    if any(sign in asked for sign in _FORBIDDEN) or any(part in ("", ".", "..") for part in parts):
        return None
    if PurePosixPath(asked).suffix.lower() not in MEDIA_TYPES:
        return None
    try:
        real = outputs.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # a link to itself, or a name that the file system does not accept
        return None
    return real if real.is_relative_to(outputs.resolve()) and real.is_file() else None


Find = Callable[[str], Path | None]
"""Finds the image of a name, as :func:`find` does in one folder."""


def create_thumbnails_route(find_image: Find, thumbnails: Thumbnails, prefix: str = SMALL, side: int = SIDE) -> Route:
    """The route that serves thumbnails with a longer side of ``side`` pixels. Each is made on first request."""

    def serve(request: Request) -> Response:
        path = find_image(request.path_params["path"])
        try:
            small = thumbnails.of(path, side) if path else None
        except (OSError, ImageError):
            small = None  # not an image, despite its extension
        if small is None:
            return PlainTextResponse("There is no such picture.", status_code=404)
        return FileResponse(small, media_type=MEDIA_TYPES[small.suffix.lower()], headers={"Cache-Control": "private, no-cache"})

    return Route(prefix + "{path:path}", serve, methods=["GET", "HEAD"])


def create_route(find_image: Find, prefix: str = PREFIX) -> Route:
    """The route that serves images under ``prefix``."""

    async def serve(request: Request) -> Response:
        path = find_image(request.path_params["path"])
        if path is None:
            return PlainTextResponse("There is no such picture.", status_code=404)
        kept = {"Cache-Control": "private, max-age=86400"}
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix.lower()], headers=kept)

    return Route(prefix + "{path:path}", serve, methods=["GET", "HEAD"])
