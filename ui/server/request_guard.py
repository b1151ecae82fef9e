"""The request guard: checks every HTTP request before Gradio sees it.

A web page elsewhere can make the user's browser send requests to 127.0.0.1. Three marks tell such requests apart: ``Host``
(a foreign name that was made to point here), ``Origin`` (the page that asks; ``null`` for a sandbox or a local file), and
``Sec-Fetch-Site``, which browsers also send with plain GETs. Programs on this machine send none of the last two.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import secrets
import socket
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.compat.addresses import FILES, PROXIES, is_session_gone

UPLOAD_LIMIT = 256 * 1024**2
"""Bytes that one request may bring."""

LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # The browser itself keeps the page from asking any other host.
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
"""How an answer ends properly, by what carries it."""

_REMOTE_FILE = re.compile(r"(/gradio_api)?/file[=/]\s*/*[a-z][a-z0-9+.-]+:", re.I)
"""A road to a file that names an address instead, which Gradio would fetch. A Windows drive has one letter only."""

_RUNNABLE = ("html", "svg", "xml", "javascript")
"""Kinds of content that a browser would run in the name of the page."""

ELSEWHERE = "This request came from another web page. Easel answers only to its own."
WRONG_HOST = "Easel is not known under this name. Open it at the address that it printed when it started."
TOO_LARGE = f"This is larger than {UPLOAD_LIMIT // 1024**2} MB, the most that Easel takes at once."
CLOSED = "Easel asks no other computer."
LOGIN = "Easel needs the name and password that it was started with."


class RequestGuard:
    """ASGI middleware around the whole page.

    ``login`` is ``"user:password"`` or None. ``open_to_network`` also admits requests to this machine's addresses and host name;
    a name that somebody else can point here stays refused.
    """

    def __init__(self, inside: ASGIApp, *, login: str | None = None, open_to_network: bool = False) -> None:
        self.inside = inside
        self.login = login
        self.open_to_network = open_to_network

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the reason why not."""
        if scope["type"] == "lifespan":
            return await self.inside(scope, receive, send)
        refusal = self.refuse(scope)
        try:
            if scope["type"] == "websocket":
                await (_closed if refusal else self.inside)(scope, receive, send)
            else:
                await (refusal or self.inside)(scope, _limit_body(receive), _add_headers(send, scope["path"]))
        except RuntimeError as broken:
            if not is_session_gone(scope["path"], broken):
                raise
            # A page that is left may listen once more after it was let go. Gradio tells it so and breaks off in the middle of
            # its answer; the answer ends properly here.
            await send(dict(_END[scope["type"]]))

    def refuse(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to a request that may not come in; None if it may."""
        headers = Headers(scope=scope)
        if not self.knows(headers.get("host", "")):
            return PlainTextResponse(WRONG_HOST, status_code=403)
        if not is_own(headers, scope):
            return PlainTextResponse(ELSEWHERE, status_code=403)
        if scope["path"].startswith(PROXIES) or _REMOTE_FILE.match(scope["path"]):
            return PlainTextResponse(CLOSED, status_code=403)
        if _read_length(headers) > UPLOAD_LIMIT:
            return PlainTextResponse(TOO_LARGE, status_code=413)
        if self.login is not None and not _has_login(headers, self.login):
            challenge = {"WWW-Authenticate": 'Basic realm="Easel", charset="UTF-8"'}
            return PlainTextResponse(LOGIN, status_code=401, headers=challenge)
        return None

    def knows(self, host: str) -> bool:
        """Whether ``host``, the Host header, names this machine."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.lower()
        if name in LOCAL_NAMES:
            return True
        return self.open_to_network and (_is_address(name.strip("[]")) or name in _list_own_names())


async def _closed(scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket that may not come in."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})


def is_own(headers: Headers, scope: Scope) -> bool:
    """Whether a request comes from Easel's own page, from the address bar, or from no browser at all."""
    origin = headers.get("origin")
    host = headers.get("host", "").lower()
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        return False
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return True
    # A link on another page may lead to the studio, but only to its front, and never into a frame.
    opens_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return opens_page and scope.get("method") == "GET" and scope["path"] == "/"


def _read_length(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() else UPLOAD_LIMIT + 1


def _has_login(headers: Headers, login: str) -> bool:
    expected = "Basic " + base64.b64encode(login.encode()).decode()
    return secrets.compare_digest(headers.get("authorization", "").encode(), expected.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _list_own_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, f"{name.split('.')[0]}.local"}


def _limit_body(receive: Receive) -> Receive:
    """``receive`` that ends a request whose body, sent without its length, grows past the limit."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return message if taken <= UPLOAD_LIMIT else {"type": "http.disconnect"}

    return limited


def _add_headers(send: Send, path: str) -> Send:
    """``send`` that adds :data:`HEADERS`, and sends files that a browser could run as plain downloads."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            if path.startswith(FILES) and any(kind in headers.get("content-type", "") for kind in _RUNNABLE):
                headers["Content-Type"] = "application/octet-stream"
                headers["Content-Disposition"] = "attachment"
        await send(message)

    return guarded
