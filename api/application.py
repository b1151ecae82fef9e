"""All routes of the API as one application, and which requests are for it and not for the page."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import api.a1111.control_routes
import api.a1111.generation_routes
import api.a1111.list_routes
import api.a1111.progress_routes
import api.a1111.reading_routes
import api.easel.routes
import api.openai.routes
from api import documentation
from api.context import ApiContext
from api.errors import handle_errors
from engine.settings import VERSION

PREFIXES = ("/easel/v1/", "/sdapi/v1/", "/v1/", "/controlnet/", "/queue/status", "/docs", "/openapi.json")
"""Beginnings of the paths that are the API's. All others are the page's."""

_ALIASES: Mapping[str, str] = {
    path: f"/v1{path}" for path in ("/models", "/images/generations", "/images/edits", "/images/variations")
}
"""Paths of clients that are given the address without ``/v1``."""

_ROUTERS = (
    api.easel.routes.create_routes,
    api.a1111.generation_routes.create_routes,
    api.a1111.reading_routes.create_routes,
    api.a1111.progress_routes.create_routes,
    api.a1111.list_routes.create_routes,
    api.a1111.control_routes.create_routes,
    api.openai.routes.create_routes,
)

_TITLE, _SUMMARY = "Easel", "Easel's own API, and those of AUTOMATIC1111 and OpenAI that other programs already speak."


def create_application(context: ApiContext) -> FastAPI:
    """The application with every route."""
    servers = [{"url": context.reach.root_path}] if context.reach.root_path else None
    app = FastAPI(
        title=_TITLE, summary=_SUMMARY, version=VERSION, servers=servers, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    for create_routes in _ROUTERS:
        app.include_router(create_routes(context))
    documentation.add_documentation(app)
    handle_errors(app)
    return app


def find_path(path: str) -> str | None:
    """The API's path that a request's ``path`` means, None if it is for the page. A slash at the end makes no difference."""
    plain = path.rstrip("/") or "/"
    plain = _ALIASES.get(plain, plain)
    return plain if plain.startswith(PREFIXES) else None


class ApiOrPage:
    """ASGI: passes requests on to the API or to the page, by their paths."""

    def __init__(self, api: ASGIApp, page: ASGIApp) -> None:
        self._api, self._page = api, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        path = find_path(scope["path"]) if scope["type"] == "http" else None
        if path is None:
            await self._page(scope, receive, send)
        else:
            await self._api({**scope, "path": path, "raw_path": path.encode()}, receive, send)
