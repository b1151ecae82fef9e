"""Drawings and photos over HTTP: ``POST /sketches`` keeps an image for the engine, ``GET /sketches/<hash>`` shows it.

Any image from the user is opened here, by the engine's own reader, so the browser need not support HEIC or TIFF.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from engine.errors import EaselError
from engine.records.blobs import Blobs
from engine.records.images.open_image import open_image
from ui import messages

PREFIX = "/sketches"
LONGEST = 2048
"""Pixels of the longer side that the pad shows."""


def create_routes(folder: Path) -> list[Route]:
    """The routes to the images kept in ``folder``."""
    blobs = Blobs(folder)

    async def keep(request: Request) -> Response:
        content = await request.body()
        try:
            return JSONResponse(await run_in_threadpool(_keep, content, blobs))
        except EaselError as error:
            return JSONResponse({"trouble": str(error)}, status_code=422)

    async def show(request: Request) -> Response:
        try:
            content = await run_in_threadpool(_reduce, request.path_params["hash"], blobs)
        except EaselError as error:
            return PlainTextResponse(str(error), status_code=404)
        return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=86400, immutable"})

    return [Route(PREFIX, keep, methods=["POST"]), Route(PREFIX + "/{hash}", show, methods=["GET"])]


def _keep(content: bytes, blobs: Blobs) -> dict[str, str | list[str]]:
    """What the pad receives for an image: its hash, and how it was converted and reduced."""
    hash = blobs.put(content)
    # Its paper is the pad's, which can still be changed: nothing to say of it here.
    image = open_image(content, paper="")
    width, height = image.colours.size
    reduced = [messages.reduced(width, height, LONGEST)] if max(width, height) > LONGEST else []
    return {"hash": hash, "notices": [*image.notices, *reduced]}


def _reduce(hash: str, blobs: Blobs) -> bytes:
    """A kept image as PNG, upright and in the colours of a screen, no larger than the pad."""
    image = blobs.open(hash)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
