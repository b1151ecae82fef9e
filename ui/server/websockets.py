"""Gradio's event streams over WebSockets.

A browser opens at most six connections to a host for all its tabs, and each page keeps two of Gradio's event streams open: the
fourth tab would never load. WebSockets do not count towards the six. ``websockets.js``, which must run before Gradio's own
scripts, opens a WebSocket to the URL of a stream, and this module sends over it what a GET of that URL returns: the status as a
text message, then the body.
"""

from __future__ import annotations

import gzip
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


class Streams:
    """ASGI middleware inside the request guard: adds the scripts to the page and serves its WebSockets. Forwards all else."""

    def __init__(self, inside: ASGIApp) -> None:
        self.inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "websocket":
            return await self._carry(scope, receive, send)
        if scope["type"] == "http" and scope["path"] == "/":
            uncompressed = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            can_unzip = "gzip" in Headers(scope=scope).get("accept-encoding", "")
            return await self.inside({**scope, "headers": uncompressed}, receive, _add_script(send, can_unzip))
        return await self.inside(scope, receive, send)

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


def _add_script(send: Send, can_unzip: bool) -> Send:
    """``send`` that inserts the scripts at the beginning of the page's head. The page is long, so it is compressed where the
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
        await send(begun)
        await send({"type": "http.response.body", "body": whole})

    return add
