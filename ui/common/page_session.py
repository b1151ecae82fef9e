"""What every tab receives: the engine's services for the page, and the browser session."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import gradio as gr
from gradio.events import Dependency

from api.reach import Reach
from engine.jobs import Jobs
from engine.settings import Settings
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.moments import Moment, ScriptMoment
from ui.common.send_to import Sending
from ui.compat.listeners import Update

LOOK_SECONDS, PATIENCE_SECONDS = 0.5, 900.0
"""How often a page looks whether the worker has started, and for how long: one that cannot start says so in the job."""


@dataclass(frozen=True)
class PageSession:
    """``browser`` is this browser's id, stored in it. ``opened`` fires when the page has opened and the id is known: attach to it
    what follows something for as long as the page is there. Add to ``arrived`` what a tab fills in then, and to ``restored`` what
    the browser does after it. ``worker_started`` comes as soon as the worker has described itself: add what shows
    ``jobs.describe()``. ``scanned`` comes when the folders have been read anew after the page opened, which takes long where they
    are large: add what offers checkpoints.
    ``sending`` sends finished images from one tab to another. ``forms``
    are the stored forms by tab; they are created outside of the tabs, because components inside a tab read the browser's
    store only when the tab is opened. ``reach`` is where other programs find Easel."""

    settings: Settings
    jobs: Jobs
    checkpoint_options: CheckpointOptions
    browser: gr.BrowserState
    opened: Dependency
    sending: Sending
    forms: Mapping[str, gr.BrowserState]
    reach: Reach
    arrived: Moment = field(default_factory=Moment)
    restored: ScriptMoment = field(default_factory=ScriptMoment)
    worker_started: Moment = field(default_factory=Moment)
    scanned: Moment = field(default_factory=Moment)


def create_store(name: str, blank: Update) -> gr.BrowserState:
    """A component whose value the browser stores under ``name`` across reloads and restarts. The secret only has to stay the
    same."""
    return gr.BrowserState(blank, storage_key=f"easel-{name}", secret="easel")


def identify_browser(known: str) -> str:
    """The browser's stored id, or a new one."""
    return known or secrets.token_urlsafe(12)


async def wait_for_worker(jobs: Jobs) -> None:
    """Return when the worker has described itself, or after :data:`PATIENCE_SECONDS`. No thread waits."""
    for _ in range(int(PATIENCE_SECONDS / LOOK_SECONDS)):
        if jobs.describe() is not None:
            return
        await asyncio.sleep(LOOK_SECONDS)
