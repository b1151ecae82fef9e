"""A browser that looks at the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.events import Dependency

from ui.common.send_to import Sending


@dataclass(frozen=True)
class PageSession:
    """``page`` is who this browser is, kept in it. ``arrived`` is the moment at which that is known after the page opened:
    whatever a tab does when somebody opens the page goes into ``arrived.then(...)``. ``sending`` brings finished pictures from
    one tab to another. ``forms`` is what the browser keeps of a tab's form, by the tab's name: it is made outside of the tabs,
    for what is inside a tab reads the browser's store only when the tab is opened."""

    page: gr.BrowserState
    arrived: Dependency
    sending: Sending
    forms: Mapping[str, gr.BrowserState]


def kept(name: str, blank: object) -> gr.BrowserState:
    """What a browser keeps under ``name`` over reloads and restarts. The secret only has to be the same after a restart."""
    return gr.BrowserState(blank, storage_key=f"easel-{name}", secret="easel")
