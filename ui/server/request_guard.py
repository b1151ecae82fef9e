"""The request guard: checks every HTTP request before Gradio sees it.

A web page elsewhere can make the user's browser send requests to 127.0.0.1. Three headers identify them: ``Host`` (DNS
rebinding: a foreign name that resolves to this machine), ``Origin`` (the page that sent it; ``null`` for a sandbox or a local
file), and ``Sec-Fetch-Site``, which browsers also send with plain GETs. Programs on this machine send neither of the last two.
"""

from __future__ import annotations

import ipaddress
import math
import re
import socket
from collections.abc import Collection, Mapping
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.application import find_path
from api.errors import write_error
from api.keys import is_key
from ui.compat.addresses import FILES, PROXIES, is_session_gone
from ui.server.body_budget import BodyBudget, describe_limit, find_limit, read_length
from ui.server.login import Brake, has_login, is_loopback

LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # The browser itself keeps the page from contacting any other host.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
}
"""Sent with every response."""

_END: dict[str, Message] = {
    "http": {"type": "http.response.body", "body": b""},
    "websocket": {"type": "websocket.close", "code": 1000},
}
"""The messages that end a response, by protocol."""

HEALTH = "/easel/v1/health"
"""Where containers are asked whether they live, by programs that have no login: they learn that and nothing else."""

_REMOTE_FILE = re.compile(r"(/gradio_api)?/file[=/]\s*/*[a-z][a-z0-9+.-]+:", re.I)
"""A path to a file that is a URL instead, which Gradio would fetch. A Windows drive has a single letter."""

_RUNNABLE = ("html", "svg", "xml", "javascript")
"""Content types that a browser would execute with the page's origin."""

ELSEWHERE = "This request came from another web page. Easel answers only to its own."
WRONG_HOST = "Easel is not known under this name. Open it at the address that it printed when it started."
CLOSED = "Easel asks no other computer."
LOGIN = "Easel needs the name and password that it was started with."
BRAKED = "Too many wrong passwords came from this address. Wait {seconds} seconds and try again."


class RequestGuard:
    """ASGI middleware around the whole page.

    ``login`` is ``"user:password"`` or None. ``open_to_network`` also accepts this machine's addresses and host name as Host;
    names that others could point at this machine are still refused, unless they are among the owner's ``known_as``. Pages from
    ``origins`` may use the API, but not the page. ``data`` is the data folder, on the disk that uploads are written to.
    """

    def __init__(
        self, inside: ASGIApp, *, login: str | None = None, open_to_network: bool = False, data: Path | None = None,
        known_as: Collection[str] = (), origins: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.inside = inside
        self.known_as = frozenset(name.lower() for name in known_as)
        self.origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self.data = data
        self.brake = Brake()
        self.bodies = BodyBudget(data)
        self.login = login
        self.open_to_network = open_to_network

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or answer it with the reason for refusing it."""
        if scope["type"] == "lifespan":
            return await self.inside(scope, receive, send)
        refusal = self.refuse(scope)
        origin = self._find_allowed_origin(scope)
        try:
            if scope["type"] == "websocket":
                await (_close_websocket if refusal else self.inside)(scope, receive, send)
            elif refusal:
                await refusal(scope, receive, _add_headers(send, scope["path"], origin))
            else:
                await self._pass_on(scope, receive, _add_headers(send, scope["path"], origin))
        except RuntimeError as broken:
            if not is_session_gone(scope["path"], broken):
                raise
            # A closed page may still send a request after its session was deleted. Gradio reports the missing session and breaks
            # off its response, which is ended properly here.
            await send(dict(_END[scope["type"]]))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request. If its body exceeds a limit, answer with the reason, unless the response has started."""
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if begun or not body.refusal:
                begun = True
                await send(message)

        with self.bodies.carry(scope["path"], read_length(Headers(scope=scope)), receive) as body:
            try:
                await self.inside(scope, body.receive, answer)
            except Exception:
                if not body.refusal:
                    raise
            if body.refusal and not begun:
                await _refuse_body(scope["path"], body.refusal)(scope, receive, send)

    def refuse(self, scope: Scope) -> Response | None:
        """The response to a request that is refused, or that asks for permission; None if it is accepted."""
        headers, path = Headers(scope=scope), scope["path"]
        if not self.is_own_host(headers.get("host", "")):
            return _refuse(path, WRONG_HOST, 403)
        allowed = self._find_allowed_origin(scope)
        if not allowed and not is_own(headers, scope):
            return _refuse(path, ELSEWHERE, 403)
        if allowed and scope.get("method") == "OPTIONS" and "access-control-request-method" in headers:
            return _permit(headers)
        if path.startswith(PROXIES) or _REMOTE_FILE.match(path):
            return _refuse(path, CLOSED, 403)
        if self.login is not None and (refusal := self._refuse_login(headers, scope, self.login)) is not None:
            return refusal
        length = read_length(headers) or 0
        if length > find_limit(path):
            return _refuse_body(path, describe_limit(path))
        reason = self.bodies.refuse(path, length)
        return _refuse_body(path, reason) if reason else None

    def _find_allowed_origin(self, scope: Scope) -> str:
        """The page elsewhere that sent a request to the API and may do so; "" for any other."""
        origin = Headers(scope=scope).get("origin", "") if scope["type"] == "http" else ""
        return origin if origin.lower() in self.origins and find_path(scope["path"]) else ""

    def _is_key(self, secret: str) -> bool:
        return self.data is not None and is_key(self.data, secret)

    def _refuse_login(self, headers: Headers, scope: Scope, login: str) -> Response | None:
        """The response to a request without the right login; None if the login is right.

        An address that is locked out is refused even with the right login, unless it is this computer's own: no other program
        here can lock the owner out.
        """
        address, path = (scope["client"][0] if scope.get("client") else ""), scope["path"]
        braked = self.brake.seconds_left(address)
        if braked and not is_loopback(address):
            return _refuse_guess(path, braked)
        if has_login(headers.get("authorization", ""), login, self._is_key):
            return None
        if braked:
            return _refuse_guess(path, braked)
        if "authorization" in headers:
            self.brake.count_wrong(address)
        elif path.rstrip("/") == HEALTH:
            return JSONResponse({"status": "ok"})
        challenge = {"WWW-Authenticate": 'Basic realm="Easel", charset="UTF-8"'}
        return _refuse(path, LOGIN, 401, challenge)

    def is_own_host(self, host: str) -> bool:
        """Whether ``host``, the Host header, names this machine."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.lower()
        if name in LOCAL_NAMES or name in self.known_as:
            return True
        return self.open_to_network and (_is_address(name.strip("[]")) or name in _list_own_names())


async def _close_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})


def is_own(headers: Headers, scope: Scope) -> bool:
    """Whether a request comes from Easel's own page, from the address bar, or from a program that is not a browser."""
    origin = headers.get("origin")
    host = headers.get("host", "").lower()
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        return False
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return True
    # A link on another page may open Easel's start page, but no other path and not in a frame.
    opens_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return opens_page and scope.get("method") == "GET" and scope["path"] == "/"


def _refuse(path: str, sentence: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The response that refuses a request, in the shape that clients of the API read if it is theirs."""
    asked = find_path(path)
    response = PlainTextResponse(sentence, status_code=status) if asked is None else write_error(asked, status, sentence)
    response.headers.update(headers or {})
    return response


def _permit(headers: Headers) -> Response:
    """The response to a browser that asks whether another page may send a request."""
    return PlainTextResponse(
        "",
        headers={
            "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": headers.get("access-control-request-headers", "*"),
            "Access-Control-Max-Age": "600",
        },
    )


def _refuse_guess(path: str, seconds: float) -> Response:
    wait = math.ceil(seconds)
    return _refuse(path, BRAKED.format(seconds=wait), 429, {"Retry-After": str(wait)})


def _refuse_body(path: str, reason: str) -> Response:
    """Closes the connection, so that the rest of the body is not read."""
    return _refuse(path, reason, 413, {"Connection": "close"})


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _list_own_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, f"{name.split('.')[0]}.local"}


def _add_headers(send: Send, path: str, origin: str = "") -> Send:
    """``send`` that adds :data:`HEADERS`, lets the page at ``origin`` read the response, and marks files that a browser could
    execute as downloads."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            if origin:
                headers["Access-Control-Allow-Origin"] = origin
                headers.add_vary_header("Origin")
            if path.startswith(FILES) and any(kind in headers.get("content-type", "") for kind in _RUNNABLE):
                headers["Content-Type"] = "application/octet-stream"
                headers["Content-Disposition"] = "attachment"
        await send(message)

    return send_with_headers
