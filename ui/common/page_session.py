"""What every tab receives: the engine's side of the page, and the browser session."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.events import Dependency

from engine.jobs import Jobs
from engine.settings import Settings
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.send_to import Sending
from ui.compat.listeners import Update


@dataclass(frozen=True)
class PageSession:
    """``browser`` is the id of this browser, kept in it. ``arrived`` is the moment at which that is known after the page opened:
    whatever a tab does when somebody opens the page goes into ``arrived.then(...)``. ``sending`` brings finished images from
    one tab to another. ``forms`` is what the browser keeps of a tab's form, by the tab's name: it is made outside of the tabs,
    for what is inside a tab reads the browser's store only when the tab is opened."""

    settings: Settings
    jobs: Jobs
    checkpoint_options: CheckpointOptions
    browser: gr.BrowserState
    arrived: Dependency
    sending: Sending
    forms: Mapping[str, gr.BrowserState]


def create_store(name: str, blank: Update) -> gr.BrowserState:
    """What a browser keeps under ``name`` over reloads and restarts. The secret only has to be the same after a restart."""
    return gr.BrowserState(blank, storage_key=f"easel-{name}", secret="easel")


def identify_browser(known: str) -> str:
    """The id of a browser: the one that it kept, or a new one."""
    return known or secrets.token_urlsafe(12)
