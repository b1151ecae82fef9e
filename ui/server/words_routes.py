"""What completes a prompt over HTTP: ``GET /words`` gives suggestions as JSON, ``GET /words/...`` the content of the panels."""

from __future__ import annotations

import dataclasses

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from engine.safe_text import make_encodable
from engine.settings import Settings
from ui.common.checkpoint_options import CheckpointOptions
from ui.words import view
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

    return [Route(PATH, complete), Route(f"/{view.CHIPS}", show_chips)]
