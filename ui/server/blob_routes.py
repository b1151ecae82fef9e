"""Input images over HTTP: ``POST /sketches`` stores one for the engine, ``GET /sketches/<hash>`` returns it as PNG.

Every image from the user is decoded here by the engine, so the browser need not support HEIC or TIFF.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from engine.errors import EaselError
from engine.records.blobs import Blobs
from engine.records.images.previews import describe_file, encode_reduced
from engine.storage.atomic_files import PART, make_folder, translate_errors
from ui import sentences

PREFIX = "/sketches"
LONGEST = 2048
"""The longer side, in pixels, of the image that the drawing pad shows."""


def create_routes(folder: Path) -> list[Route]:
    """The routes that store images in ``folder`` and serve them."""
    blobs = Blobs(folder)

    async def keep(request: Request) -> Response:
        try:
            async with _receive_file(request, folder / "incoming") as path:
                return JSONResponse(await run_in_threadpool(_keep, path, blobs))
        except EaselError as error:
            return JSONResponse({"trouble": str(error)}, status_code=422)

    async def show(request: Request) -> Response:
        try:
            content = await run_in_threadpool(encode_reduced, blobs.path(request.path_params["hash"]), LONGEST)
        except EaselError as error:
            return PlainTextResponse(str(error), status_code=404)
        return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=86400, immutable"})

    return [Route(PREFIX, keep, methods=["POST"]), Route(PREFIX + "/{hash}", show, methods=["GET"])]


@asynccontextmanager
async def _receive_file(request: Request, folder: Path) -> AsyncGenerator[Path]:
    """The body of a request as a temporary file, removed when the block ends. Raises OutputError."""
    path = folder / f"{secrets.token_hex(16)}{PART}"
    with translate_errors(folder):
        make_folder(folder)
        try:
            with path.open("xb") as file:
                async for piece in request.stream():
                    await run_in_threadpool(file.write, piece)
            yield path
        finally:
            path.unlink(missing_ok=True)


def _keep(path: Path, blobs: Blobs) -> dict[str, str | list[str]]:
    """The JSON answer for the drawing pad: the image's hash, and notices on how it was converted and reduced."""
    # No notice about transparent parts: the pad has a paper colour of its own, which the user can still change.
    image = describe_file(path)
    hash = blobs.put_file(path, by_head=True)
    large = max(image.width, image.height) > LONGEST
    return {
        "hash": hash,
        "notices": [*image.notices, *([sentences.reduced_size(image.width, image.height, LONGEST)] if large else [])],
    }
