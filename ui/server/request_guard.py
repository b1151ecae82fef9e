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
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    names that others could point at this machine are still refused. ``data`` is a folder on the disk that uploads are written to.
    """

    def __init__(
        self, inside: ASGIApp, *, login: str | None = None, open_to_network: bool = False, data: Path | None = None
    ) -> None:
        self.inside = inside
        self.brake = Brake()
        self.bodies = BodyBudget(data)
        self.login = login
        self.open_to_network = open_to_network

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or answer it with the reason for refusing it."""
        if scope["type"] == "lifespan":
            return await self.inside(scope, receive, send)
        refusal = self.refuse(scope)
        try:
            if scope["type"] == "websocket":
                await (_close_websocket if refusal else self.inside)(scope, receive, send)
            elif refusal:
                await refusal(scope, receive, _add_headers(send, scope["path"]))
            else:
                await self._pass_on(scope, receive, _add_headers(send, scope["path"]))
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
                await _refuse_body(body.refusal)(scope, receive, send)

    def refuse(self, scope: Scope) -> PlainTextResponse | None:
        """The response to a request that is refused; None if it is accepted."""
        headers = Headers(scope=scope)
        if not self.is_own_host(headers.get("host", "")):
            return PlainTextResponse(WRONG_HOST, status_code=403)
        if not is_own(headers, scope):
            return PlainTextResponse(ELSEWHERE, status_code=403)
        if scope["path"].startswith(PROXIES) or _REMOTE_FILE.match(scope["path"]):
            return PlainTextResponse(CLOSED, status_code=403)
        if self.login is not None and (refusal := self._refuse_login(headers, scope, self.login)) is not None:
            return refusal
        length = read_length(headers) or 0
        if length > find_limit(scope["path"]):
            return _refuse_body(describe_limit(scope["path"]))
        reason = self.bodies.refuse(scope["path"], length)
        return _refuse_body(reason) if reason else None

    def _refuse_login(self, headers: Headers, scope: Scope, login: str) -> PlainTextResponse | None:
        """The response to a request without the right login; None if the login is right.

        An address that is locked out is refused even with the right login, unless it is this computer's own: no other program
        here can lock the owner out.
        """
        address = scope["client"][0] if scope.get("client") else ""
        braked = self.brake.seconds_left(address)
        if braked and not is_loopback(address):
            return _refuse_guess(braked)
        if has_login(headers.get("authorization", ""), login):
            return None
        if braked:
            return _refuse_guess(braked)
        if "authorization" in headers:
            self.brake.count_wrong(address)
        challenge = {"WWW-Authenticate": 'Basic realm="Easel", charset="UTF-8"'}
        return PlainTextResponse(LOGIN, status_code=401, headers=challenge)

    def is_own_host(self, host: str) -> bool:
        """Whether ``host``, the Host header, names this machine."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.lower()
        if name in LOCAL_NAMES:
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


def _refuse_guess(seconds: float) -> PlainTextResponse:
    wait = math.ceil(seconds)
    return PlainTextResponse(BRAKED.format(seconds=wait), status_code=429, headers={"Retry-After": str(wait)})


def _refuse_body(reason: str) -> PlainTextResponse:
    """Closes the connection, so that the rest of the body is not read."""
    return PlainTextResponse(reason, status_code=413, headers={"Connection": "close"})


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _list_own_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, f"{name.split('.')[0]}.local"}


def _add_headers(send: Send, path: str) -> Send:
    """``send`` that adds :data:`HEADERS`, and marks files that a browser could execute as downloads."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            if path.startswith(FILES) and any(kind in headers.get("content-type", "") for kind in _RUNNABLE):
                headers["Content-Type"] = "application/octet-stream"
                headers["Content-Disposition"] = "attachment"
        await send(message)

    return send_with_headers
