"""What Gradio's queue leaves behind when the page that listened to it is cut off."""

from __future__ import annotations

import asyncio
from typing import Any

_STILL_YIELDING = "async generator ignored GeneratorExit"
"""The generator of an endless answer yields a last message even when it is closed because nobody reads it."""


def report_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An event loop's exception handler: asyncio's own, but silent about what comes of a page that has gone."""
    if str(context.get("exception")) != _STILL_YIELDING:
        loop.default_exception_handler(context)
