"""What completes a prompt over HTTP: ``GET /words`` gives suggestions as JSON, ``GET /words/...`` the content of the panels."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.model_notes import read_notes, read_thumbnail
from engine.errors import EaselError
from engine.records.images.thumbnails import Thumbnails
from engine.safe_text import make_encodable
from engine.settings import Settings
from engine.storage.atomic_files import make_folder, replace_file
from engine.storage.regular_files import read_regular_file
from ui import sentences
from ui.common.checkpoint_options import CheckpointOptions
from ui.server.body_budget import UPLOAD_LIMIT
from ui.words import view
from ui.words.model_cards import CARDS, KINDS_WITH_CARDS, PREVIEWS, render_cards
from ui.words.vocabulary import LONGEST_QUERY, Vocabulary

PATH = "/words"


def create_routes(settings: Settings, known: CheckpointOptions) -> list[Route]:
    """The routes, over the checkpoints that the page knows."""
    vocabulary = Vocabulary(settings, known)

    async def complete(request: Request) -> Response:
        kind, query, checkpoint = (request.query_params.get(name, "") for name in ("kind", "query", "checkpoint"))
        found = await run_in_threadpool(vocabulary.complete, kind, query[-LONGEST_QUERY:], checkpoint)
        return JSONResponse(dataclasses.asdict(found))

    async def show_chips(request: Request) -> Response:
        checkpoint = known.find(request.query_params.get("checkpoint"))
        return HTMLResponse(make_encodable(view.render_chips(checkpoint.repertoire)))

    def show_cards(request: Request) -> Response:
        return HTMLResponse(make_encodable(render_cards(known, request.query_params.get("checkpoint", ""))))

    return [
        Route(PATH, complete),
        Route(f"/{view.CHIPS}", show_chips),
        Route(f"/{CARDS}", show_cards),
        Route(f"/{PREVIEWS}", Previews(settings, known).show),
    ]


class Previews:
    """The images of cards, as thumbnails: those beside the files, and those in their headers."""

    def __init__(self, settings: Settings, known: CheckpointOptions) -> None:
        self._known = known
        self._small = Thumbnails(settings.data / "thumbnails")
        self._inside = settings.data / "thumbnails" / "headers"

    def show(self, request: Request) -> Response:
        """The thumbnail of the entry with the ``kind`` and ``name`` of the query."""
        kind, name = (request.query_params.get(key, "") for key in ("kind", "name"))
        entry = next((each for each in self._known.inventory.of_kind(kind) if make_encodable(each.name) == name), None)
        image = read_notes([entry])[entry.name].preview if entry and kind in KINDS_WITH_CARDS else None
        if entry is None or image is None:
            return PlainTextResponse(sentences.broken_preview(name), status_code=404)
        try:
            path = self._small.of(self._unpack(entry) if image == entry.path else image)
            content = read_regular_file(path, UPLOAD_LIMIT)
        except (OSError, ValueError, EaselError):
            return PlainTextResponse(sentences.broken_preview(name), status_code=404)
        return Response(content, media_type=_find_type(content), headers={"Cache-Control": "private, no-cache"})

    def _unpack(self, entry: CheckpointEntry) -> Path:
        """The preview in the header of a file, in a file of its own."""
        path = self._inside / entry.version
        if not path.is_file():
            make_folder(self._inside)
            with replace_file(path) as stream:
                stream.write(read_thumbnail(entry.path))
        return path


def _find_type(content: bytes) -> str:
    """The media type of a thumbnail: a WebP, or an image that was small already. Nothing that a browser would run."""
    known = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
    if content[4:8] == b"ftyp":
        return "image/avif"
    return next((kind for head, kind in known.items() if content.startswith(head)), "application/octet-stream")
