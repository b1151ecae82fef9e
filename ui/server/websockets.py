"""Gradio's endless answers over WebSockets.

A browser opens six connections to a host for all its tabs together, and each page keeps two answers of Gradio's open for as long
as it is there: the fourth tab would load for ever. WebSockets are not counted among the six. ``streams.js``, which has to run
before Gradio's own scripts, opens one to the address of such an answer, and here it carries what a GET to the same address is
answered: the status as a text, then the body.
"""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.compat.addresses import HEARTBEAT, PAGE_HEAD, QUEUE

ENDLESS = (QUEUE, HEARTBEAT)
"""The addresses of endless answers."""

UNKNOWN = 1008
"""How a WebSocket to any other address is closed before it is open: a browser sees a plain refusal."""

_ASKER_MAY_GO = {"version": "3.0", "spec_version": "2.3"}
"""With this version of ASGI's HTTP an answer listens for its asker's going, and ends then; so uvicorn does it for HTTP too."""

_SCRIPT = f'<script type="module">{Path(__file__).with_name("websockets.js").read_text("utf-8")}</script>'.encode()


class Streams:
    """ASGI middleware inside the request guard: puts the script into the page and carries what it asks for. All else passes."""

    def __init__(self, inside: ASGIApp) -> None:
        self.inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or carry."""
        if scope["type"] == "websocket":
            return await self._carry(scope, receive, send)
        if scope["type"] == "http" and scope["path"] == "/":
            uncompressed = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            return await self.inside({**scope, "headers": uncompressed}, receive, _add_script(send))
        return await self.inside(scope, receive, send)

    async def _carry(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # the browser's wish to connect
        if not scope["path"].startswith(ENDLESS):
            return await send({"type": "websocket.close", "code": UNKNOWN})
        await send({"type": "websocket.accept"})
        scheme = {"ws": "http", "wss": "https"}[scope["scheme"]]
        asked = {**scope, "type": "http", "method": "GET", "scheme": scheme, "asgi": _ASKER_MAY_GO}
        await self.inside(asked, _ask_once(receive), _carry_messages(send))


def _ask_once(receive: Receive) -> Receive:
    """A request without a body, whose asker goes when the WebSocket does."""
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
    """An answer as messages, and a clean end where it ends."""

    async def carry(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send({"type": "websocket.send", "text": str(message["status"])})
            return
        if message["body"]:
            await send({"type": "websocket.send", "bytes": message["body"]})
        if not message.get("more_body"):
            await send({"type": "websocket.close", "code": 1000})

    return carry


def _add_script(send: Send) -> Send:
    """A page with the script as the first thing in its head."""
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
            whole = whole.replace(PAGE_HEAD, PAGE_HEAD + _SCRIPT, 1)
            MutableHeaders(scope=begun)["content-length"] = str(len(whole))
        await send(begun)
        await send({"type": "http.response.body", "body": whole})

    return add
