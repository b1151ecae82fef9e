"""Addresses under which Gradio serves things. It documents none of them."""

from __future__ import annotations

from starlette.exceptions import HTTPException

QUEUE = "/gradio_api/queue/data"
"""Where a page hears what its listeners return. Easel carries it over a WebSocket, because a browser opens only six connections
to a host and this one stays open."""

HEARTBEAT = "/gradio_api/heartbeat/"
"""Where a page shows that it is still there. Carried over a WebSocket for the same reason."""

FILES = ("/gradio_api/file", "/file=", "/file/")
"""Where uploaded files come back. Easel sends those that a browser would run as plain downloads."""

PROXIES = ("/gradio_api/proxy=", "/proxy=")
"""Where Gradio would ask other hosts. Easel closes them, because nothing on the page may leave the computer."""

PAGE_HEAD = b"<head>"
"""Where the page's own head begins. Easel's first script has to stand before Gradio's, which ``head=`` does not do."""


def is_session_gone(path: str, error: RuntimeError) -> bool:
    """Whether Gradio broke off an answer because the page had left: it raises a 404 after the answer has begun, which Starlette
    wraps. Easel then ends the answer properly, so that no connection hangs and no traceback is printed."""
    return path == QUEUE and isinstance(error.__cause__, HTTPException)
