"""Replaces lone surrogates, such as half an emoji, in the JSON that pages send: UTF-8 cannot encode them."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.safe_text import make_json_encodable


class EncodableBodies:
    """ASGI middleware. Bodies that may be JSON are buffered whole, as their handlers do anyway; others are streamed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; JSON bodies reach the application without lone surrogates."""
        if scope["type"] == "http" and _may_be_json(Headers(scope=scope).get("content-type", "")):
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"content-length"]}
            receive = _make_encodable(receive)
        await self.app(scope, receive, send)


def _may_be_json(content_type: str) -> bool:
    return not content_type or "json" in content_type.lower()


def _make_encodable(receive: Receive) -> Receive:
    """``receive`` whose first message is the whole body without lone surrogates, or the disconnect that cut the body off."""
    body = bytearray()
    complete = False

    async def receive_encodable() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        while not complete:
            message = await receive()
            if message["type"] != "http.request":
                complete = True
                return message
            body.extend(message.get("body", b""))
            complete = not message.get("more_body", False)
        return {"type": "http.request", "body": make_json_encodable(bytes(body)), "more_body": False}

    return receive_encodable
