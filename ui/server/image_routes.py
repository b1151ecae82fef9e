"""Finished pictures over HTTP: ``/pictures/<path inside the outputs folder>``, and nothing that is not a picture.

Gradio would copy each image into its cache before serving it; this road leaves one copy on disk.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from engine.errors import ImageError
from engine.records.images.thumbnails import SIDE, Thumbnails
from engine.safe_text import make_encodable, name_to_text, text_to_name

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
"""File-name endings that are served, and what they are served as."""

PREFIX, DRAFTS, SMALL, REDUCED = "/pictures/", "/drafts/", "/thumbnails/", "/reduced/"
"""Where the outputs lie, where the drafts do, where the outputs are small, and where the largest of them fit a screen."""

LARGE = 3000 * 3000
"""Pixels above which a page shows an image reduced: a browser decodes all of an image before it shows any."""

_FORBIDDEN = ("\0", "\\", ":") if os.name == "nt" else ("\0",)
"""Strings that end early in C; Windows' separators, drives and streams, which are part of names elsewhere."""


def locate(name: str, prefix: str = PREFIX) -> str:
    """The address of an image from the root of the page; ``name`` is that of :func:`name_image`."""
    return prefix + quote(make_encodable(name))


def name_image(folder: Path, image: Path) -> str:
    """What a page calls ``image``, a file that lies in ``folder``: its path in it, with forward slashes, as safe text."""
    return name_to_text(image.relative_to(folder).as_posix())


def locate_path(folder: Path, image: Path, prefix: str = PREFIX) -> str:
    """The address of ``image``, a file that lies in ``folder``."""
    return locate(name_image(folder, image), prefix)


def locate_shown(name: str, width: int, height: int) -> str:
    """The address of what a page shows of an image of this size, in pixels: large ones are reduced."""
    return locate(name, REDUCED if width * height > LARGE else PREFIX)


def find(outputs: Path, asked: str) -> Path | None:
    """The image that ``asked``, a name of :func:`name_image`, names inside ``outputs``; else None.

    Links that lead out of ``outputs``, ``..``, absolute and Windows paths, and files of other kinds are None too.
    """
    parts = text_to_name(asked).split("/")
    if any(sign in asked for sign in _FORBIDDEN) or any(part in ("", ".", "..") for part in parts):
        return None
    if PurePosixPath(asked).suffix.lower() not in MEDIA_TYPES:
        return None
    try:
        real = outputs.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # a link that leads to itself; a name that no system takes
        return None
    return real if real.is_relative_to(outputs.resolve()) and real.is_file() else None


def create_thumbnails_route(outputs: Path, thumbnails: Thumbnails, prefix: str = SMALL, side: int = SIDE) -> Route:
    """The route that serves the same images small, ``side`` pixels. Each is made when it is first asked for."""

    def serve(request: Request) -> Response:
        path = find(outputs, request.path_params["path"])
        try:
            small = thumbnails.of(path, side) if path else None
        except (OSError, ImageError):
            small = None  # not an image, whatever its name says
        if small is None:
            return PlainTextResponse("There is no such picture.", status_code=404)
        return FileResponse(small, media_type=MEDIA_TYPES[small.suffix.lower()], headers={"Cache-Control": "private, no-cache"})

    return Route(prefix + "{path:path}", serve, methods=["GET", "HEAD"])


def create_route(outputs: Path, prefix: str = PREFIX) -> Route:
    """The route that serves the images in ``outputs`` under ``prefix``."""

    async def serve(request: Request) -> Response:
        path = find(outputs, request.path_params["path"])
        if path is None:
            return PlainTextResponse("There is no such picture.", status_code=404)
        kept = {"Cache-Control": "private, max-age=86400"}
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix.lower()], headers=kept)

    return Route(prefix + "{path:path}", serve, methods=["GET", "HEAD"])
