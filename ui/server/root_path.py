"""Easel behind a reverse proxy that serves it under a path, such as ``https://home.example/studio/``."""

from __future__ import annotations

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.application import find_path


class RootPath:
    """ASGI middleware around everything else: takes ``root_path`` off the paths of requests, so that nothing else knows of it.

    Most proxies take it off themselves, and programs on this computer never add it; those paths stay as they are, and so do the
    API's own, which may begin with the same word.
    """

    def __init__(self, inside: ASGIApp, root_path: str) -> None:
        self.inside = inside
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        path: str = scope.get("path", "")
        if path == self.root_path and scope["type"] == "http":
            # Addresses on the page are relative, so its own must end with a slash.
            return await RedirectResponse(f"{self.root_path}/")(scope, receive, send)
        if path.startswith(f"{self.root_path}/") and find_path(path) is None:
            raw: bytes = scope.get("raw_path") or path.encode()
            scope = {**scope, "path": path[len(self.root_path) :], "raw_path": raw[len(self.root_path) :]}
        await self.inside(scope, receive, send)
