"""How the studio is ended: by the Repair button (``POST /repair``), after which the launcher installs its parts again and starts
it, and by ``easel quit`` (``POST /quit``), which an update uses too."""

from __future__ import annotations

import os
from collections.abc import Callable

import anyio.to_thread
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ui import messages
from ui.server.login import is_loopback

PATH, QUIT = "/repair", "/quit"


def is_offered() -> bool:
    """Whether a launcher is there that can repair the set-up."""
    return "EASEL_LAUNCHER" in os.environ


def create_route(end: Callable[[], None]) -> Route:
    """``end`` is called after the answer. Only this computer may ask: a repair stops everybody's work and downloads gigabytes."""

    async def repair(request: Request) -> Response:
        if request.client is None or not is_loopback(request.client.host):
            return PlainTextResponse(messages.REPAIR_ELSEWHERE, status_code=403)
        if not is_offered():
            return PlainTextResponse(messages.REPAIR_BY_HAND, status_code=409)
        return PlainTextResponse("ok", background=BackgroundTask(end))

    return Route(PATH, repair, methods=["POST"])


def create_quit_route(finish: Callable[[], None], end: Callable[[], None]) -> Route:
    """``finish`` returns when nothing runs any more; then ``end`` is called, after the answer. Only this computer may ask."""

    async def quit(request: Request) -> Response:
        if request.client is None or not is_loopback(request.client.host):
            return PlainTextResponse(messages.QUIT_ELSEWHERE, status_code=403)
        await anyio.to_thread.run_sync(finish)
        return PlainTextResponse("ok", background=BackgroundTask(end))

    return Route(QUIT, quit, methods=["POST"])
