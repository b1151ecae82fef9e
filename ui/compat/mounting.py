"""Gradio's page inside Easel's own server, with every guard that Gradio's own ``launch()`` would switch on, and one more.

``mount_gradio_app`` leaves out some of what ``launch()`` sets. Among it is ``has_launched``: without it Gradio takes every file
that a request names for one of the program's own, copies it into the uploads and serves it.
"""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr
from fastapi import FastAPI
from gradio.block_function import BlockFunction
from gradio.data_classes import BlocksConfigDict
from gradio.exceptions import Error
from gradio.routes import mount_gradio_app
from gradio.state_holder import SessionState

from engine.json_values import JsonObject, JsonValue
from engine.safe_text import make_encodable
from ui import messages, theme, web_manifest
from ui.compat import uploads
from ui.server.body_budget import UPLOAD_LIMIT

SET_BY_US = frozenset({"_queue.max_thread_count", "has_launched"})
"""What :func:`mount` sets, because mounting does not and a guard reads it."""

NEVER = 2**63
"""Events until Gradio sums up again how long each kind of event took, which nobody reads. By default it does so after each event,
over all of them, with pandas."""

EVENTS_AT_ONCE = 2000
"""Events that Gradio runs at the same time. Each page that is open takes one for as long as it is there; by default the 41st page
would hear of nothing."""

SET_AT_START = frozenset({"is_running"})
"""What the page sets itself when the server starts."""

_NOT_SHARED = "nothing is shared over another company's server; False or None from the start"
_OWN_SERVER = "Easel's own server listens, so there is no server of Gradio's"
_NOTEBOOK = "only read where a notebook shows the page"
_NO_NODE = "ssr_mode is off, so there is no Node process and no pool of static servers"

NOT_NEEDED: Mapping[str, str] = {
    "_node_is_proxy": _NO_NODE,
    "_ssr_degraded": _NO_NODE,
    "_static_worker_pool": _NO_NODE,
    "app": "create_app sets it",
    "artifact": _NOTEBOOK,
    "height": _NOTEBOOK,
    "is_colab": _NOTEBOOK,
    "is_hosted_notebook": _NOTEBOOK,
    "local_api_url": _OWN_SERVER,
    "local_url": _OWN_SERVER,
    "max_threads": "the page is made with the same default",
    "mcp_server_obj._local_url": "mcp_server is off",
    "protocol": _OWN_SERVER,
    "server": _OWN_SERVER,
    "server_app": _OWN_SERVER,
    "share": _NOT_SHARED,
    "share_server_address": _NOT_SHARED,
    "share_server_protocol": _NOT_SHARED,
    "share_server_tls_certificate": _NOT_SHARED,
    "share_url": _NOT_SHARED,
    "ssl_verify": "only read when launch() asks its own server whether it is up",
    "state_session_capacity": "the page is made with the same default",
    "width": _NOTEBOOK,
}
"""Attributes that ``launch()`` sets and mounting need not, with the reason."""


class Page(gr.Blocks):
    """A page whose events accept only uploaded files, in whatever component and however deeply nested a request names one."""

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[JsonValue], state: SessionState | None, explicit_call: bool = False
    ) -> list[JsonValue]:
        """As Gradio's, after the check. Raises Error for a file that was not uploaded."""
        if not uploads.are_uploaded(inputs, self.GRADIO_CACHE):
            raise Error(messages.NOT_UPLOADED, print_exception=False)
        return await super().preprocess_data(block_fn, inputs, state, explicit_call)

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[JsonValue] | JsonObject, state: SessionState | None
    ) -> list[JsonValue]:
        """As Gradio's, with lone surrogates removed, which its JSON writer refuses."""
        return [_make_encodable(value) for value in await super().postprocess_data(block_fn, predictions, state)]

    def get_config_file(self) -> BlocksConfigDict:
        """As Gradio's, in text that its JSON writer takes."""
        config = super().get_config_file()
        for component in config["components"]:
            component["props"] = _make_encodable(component["props"])
        return config


def _make_encodable(value: JsonValue) -> JsonValue:
    """``value`` with safe text in it, keys included."""
    match value:
        case str():
            return make_encodable(value)
        case list():
            return [_make_encodable(each) for each in value]
        case dict():
            return {make_encodable(key): _make_encodable(each) for key, each in value.items()}
        case _:
            return value


def mount(app: FastAPI, page: gr.Blocks, root_path: str = "") -> FastAPI:
    """Serve ``page`` at the root of ``app``, which a reverse proxy serves at ``root_path``."""
    page.has_launched = True
    for listener in page.fns.values():
        # Else the page brings a description of each for Gradio's clients, as long as all the rest of it. Easel has an API.
        listener.api_visibility = "private"
    queue = page._queue  # pyright: ignore[reportPrivateUsage]
    queue.max_thread_count, queue.ANAYLTICS_CACHE_FREQUENCY = EVENTS_AT_ONCE, NEVER
    return mount_gradio_app(
        app,
        page,
        path="/",
        root_path=root_path or None,
        theme=theme.create(),
        css_paths=theme.STYLE,
        head=theme.head() + web_manifest.render_links(),
        favicon_path=str(theme.ICON),
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,
        max_file_size=UPLOAD_LIMIT,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
    )
