"""Gradio's event streams over WebSockets.

A browser opens at most six connections to a host for all its tabs, and each page keeps two of Gradio's event streams open: the
fourth tab would never load. WebSockets do not count towards the six. ``websockets.js``, which must run before Gradio's own
scripts, opens a WebSocket to the URL of a stream, and this module sends over it what a GET of that URL returns: the status as a
text message, then the body.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.compat.addresses import HEARTBEAT, PAGE_HEAD, QUEUE

ENDLESS = (QUEUE, HEARTBEAT)
"""Path prefixes of the event streams."""

UNKNOWN = 1008
"""The close code for a WebSocket to any other path, before the handshake: browsers report a failed connection."""

_ASKER_MAY_GO = {"version": "3.0", "spec_version": "2.3"}
"""With this ASGI version a response stops when the client disconnects, as uvicorn declares for HTTP."""

_FIRST = ("websockets.js", "tab_storage.js")
"""Scripts that change what Gradio's own find, so they run before them."""

_SCRIPT = "".join(
    f'<script type="module">{Path(__file__).with_name(name).read_text("utf-8")}</script>' for name in _FIRST
).encode()


Key = tuple[str | bytes | bool | tuple[tuple[bytes, bytes], ...], ...]
"""What the page differs by."""

PAGES = 16
"""How many pages are kept at most: one for each address under which Easel is reached, with gzip and without."""


class Streams:
    """ASGI middleware inside the request guard: adds the scripts to the page and serves its WebSockets. Forwards all else.

    The page is the same for everybody who asks for it alike, and making it takes as long as a browser takes to show it, so it is
    made once.
    """

    def __init__(self, inside: ASGIApp) -> None:
        self.inside = inside
        self._pages: dict[Key, tuple[Message, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "websocket":
            return await self._carry(scope, receive, send)
        if scope["type"] == "http" and scope["path"] == "/":
            return await self._send_page(scope, receive, send)
        return await self.inside(scope, receive, send)

    async def _send_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        can_unzip = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        # Gradio writes the address under which it is reached into the page; proxies tell it in headers of theirs.
        named = tuple(sorted((name, value) for name, value in scope["headers"] if name == b"host" or name.startswith(b"x-")))
        key = (scope["method"], scope["scheme"], scope.get("root_path", ""), scope["query_string"], can_unzip, named)

        async def keep(begun: Message, whole: bytes) -> None:
            if begun["status"] == 200:
                if len(self._pages) >= PAGES:
                    self._pages.clear()
                self._pages[key] = begun, whole
            await _send_whole(send, begun, whole)

        if key in self._pages:
            return await _send_whole(send, *self._pages[key])
        uncompressed = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.inside({**scope, "headers": uncompressed}, receive, _add_script(keep, can_unzip))

    async def _carry(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if not scope["path"].startswith(ENDLESS):
            return await send({"type": "websocket.close", "code": UNKNOWN})
        await send({"type": "websocket.accept"})
        scheme = {"ws": "http", "wss": "https"}[scope["scheme"]]
        asked = {**scope, "type": "http", "method": "GET", "scheme": scheme, "asgi": _ASKER_MAY_GO}
        await self.inside(asked, _ask_once(receive), _carry_messages(send))


def _ask_once(receive: Receive) -> Receive:
    """``receive`` of a GET without a body, which disconnects when the WebSocket does."""
    asked = False

    async def ask() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return {"type": "http.disconnect"}

    return ask


def _carry_messages(send: Send) -> Send:
    """``send`` that turns a response into WebSocket messages and closes the WebSocket at its end."""

    async def carry(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send({"type": "websocket.send", "text": str(message["status"])})
            return
        if message["body"]:
            await send({"type": "websocket.send", "bytes": message["body"]})
        if not message.get("more_body"):
            await send({"type": "websocket.close", "code": 1000})

    return carry


async def _send_whole(send: Send, begun: Message, whole: bytes) -> None:
    await send({**begun, "headers": list(begun["headers"])})
    await send({"type": "http.response.body", "body": whole})


def _add_script(send: Callable[[Message, bytes], Awaitable[None]], can_unzip: bool) -> Send:
    """What hands the page on with the scripts at the beginning of its head. The page is long, so it is compressed where the
    browser ``can_unzip`` it."""
    begun: Message = {}
    page = bytearray()

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            begun.update(message)
            return
        page.extend(message.get("body", b""))
        if message.get("more_body"):
            return
        whole = bytes(page)
        if Headers(scope=begun).get("content-type", "").startswith("text/html"):
            whole, headers = whole.replace(PAGE_HEAD, PAGE_HEAD + _SCRIPT, 1), MutableHeaders(scope=begun)
            headers.add_vary_header("Accept-Encoding")
            if can_unzip:
                whole = gzip.compress(whole, compresslevel=5)
                headers["content-encoding"] = "gzip"
            headers["content-length"] = str(len(whole))
        await send(begun, whole)

    return add
