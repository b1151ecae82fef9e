"""A client that disconnects during a request or a response is not an error."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.compat.addresses import HEARTBEAT, QUEUE
from ui.compat.listeners_gone import report_error


class Disconnects:
    """The outermost ASGI middleware: ends the handling of a request whose client has disconnected, without a stack trace."""

    def __init__(self, inside: ASGIApp) -> None:
        self.inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "lifespan":
            asyncio.get_running_loop().set_exception_handler(report_error)
            return await self.inside(scope, receive, send)
        client = _Client(receive, send)
        try:
            await self.inside(scope, client.receive, client.send)
        except ClientDisconnect:
            return
        except Exception:
            # Gradio's event streams fail in many ways when the client is gone; nothing is lost.
            if not (client.gone and scope["path"].startswith((QUEUE, HEARTBEAT))):
                raise


class _Client:
    """The other end of a connection. ``gone`` is True once the client has disconnected."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.gone = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.gone = self.gone or message["type"] in ("http.disconnect", "websocket.disconnect")
        return message

    async def send(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            self.gone = True
            raise
