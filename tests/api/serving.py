"""The API behind the request guard on a real port, without the page, which takes seconds to build."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.responses import PlainTextResponse

from api.application import ApiOrPage, create_application
from api.context import create_context
from engine.jobs import Jobs
from engine.settings import Settings
from ui.compat.connections import PatientProtocol
from ui.server.disconnects import Disconnects
from ui.server.encodable_bodies import EncodableBodies
from ui.server.request_guard import RequestGuard

SCRIPTED = "engine.testing:ScriptedEngine"
PAGE = "the page"


@dataclass(frozen=True)
class Served:
    """A server, its queue and its folders."""

    url: str
    jobs: Jobs
    settings: Settings


@contextmanager
def serve_api(
    folder: Path, *, engine: str = SCRIPTED, login: str | None = None, known_as: Collection[str] = (),
    origins: Collection[str] = (), models: Path | None = None,
) -> Generator[Served]:  # fmt: skip
    """Serve while the block runs."""
    settings = Settings(data=folder / "data", outputs=folder / "outputs")
    if models is not None:
        settings = dataclasses.replace(settings, models=models)
    with Jobs(settings, engine) as jobs:
        routes = EncodableBodies(create_application(create_context(settings, jobs)))
        guard = RequestGuard(
            ApiOrPage(routes, PlainTextResponse(PAGE)), login=login, data=settings.data, known_as=known_as, origins=origins
        )
        config = uvicorn.Config(Disconnects(guard), port=0, http=PatientProtocol, log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            threading.Event().wait(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield Served(f"http://127.0.0.1:{port}", jobs, settings)
        finally:
            server.should_exit = True
            thread.join(timeout=10)
