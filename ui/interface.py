"""The page: a table of contents."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from engine.jobs import Jobs
from engine.settings import Settings
from ui import messages
from ui.common import controls, send_to
from ui.common.actions import Actions
from ui.common.generate_button import QUIET
from ui.common.page_session import PageSession, kept
from ui.common.queue_panel import create_queue_panel
from ui.common.send_to import Sending
from ui.server import uploads
from ui.server.mounting import Page
from ui.tabs.checkpoints import tab as checkpoints
from ui.tabs.checkpoints.tab import create_checkpoints_tab
from ui.tabs.history import tab as history
from ui.tabs.history.tab import create_history_tab
from ui.tabs.image_info import tab as image_info
from ui.tabs.image_info.tab import create_image_info_tab
from ui.tabs.negative_prompts import tab as negative_prompts
from ui.tabs.negative_prompts.tab import create_negative_prompts_tab
from ui.tabs.settings import tab as settings_tab
from ui.tabs.settings.tab import create_settings_tab
from ui.tabs.sketch_to_image import tab as sketch_to_image
from ui.tabs.sketch_to_image.tab import create_sketch_to_image_tab
from ui.tabs.text_to_image import tab as text_to_image
from ui.tabs.text_to_image.tab import create_text_to_image_tab
from ui.tabs.upscale import tab as upscale
from ui.tabs.upscale.tab import create_upscale_tab

_MASTHEAD = f"""
<header class="masthead">
<svg viewBox="0 0 32 32" aria-hidden="true"><path d="M16 2v6M7 30l5-22h8l5 22M4 8h24v13H4z" fill="none"
 stroke="currentColor" stroke-width="2.2" stroke-linejoin="round"/></svg>
<div><h1>{messages.TITLE}</h1><p>{messages.TAGLINE}</p></div>
</header>
"""

TABS: dict[str, Callable[[Actions, PageSession], object]] = {
    text_to_image.LABEL: create_text_to_image_tab,
    sketch_to_image.LABEL: create_sketch_to_image_tab,
    negative_prompts.LABEL: create_negative_prompts_tab,
    upscale.LABEL: create_upscale_tab,
    history.LABEL: create_history_tab,
    image_info.LABEL: create_image_info_tab,
    checkpoints.LABEL: create_checkpoints_tab,
    settings_tab.LABEL: create_settings_tab,
}
"""A tab's label -> what makes it, in the order of the page."""


def create_interface(settings: Settings, jobs: Jobs) -> gr.Blocks:
    """The whole page, not yet served. Gradio's own temporary copies live a day."""
    actions = Actions(settings, jobs)
    with Page(title=messages.TITLE, analytics_enabled=False, fill_width=True, delete_cache=uploads.KEPT) as page:
        browser = kept("page", "")
        arrived = page.load(actions.identify, browser, browser, show_progress="hidden")
        arrived.then(lambda: actions.warm(""), **QUIET)
        with gr.Row(elem_id="head"):
            gr.HTML(_MASTHEAD, elem_id="masthead", **controls.BARE)
            create_queue_panel(jobs, arrived)
        bus = send_to.create_bus()
        forms = {tab.NAME: kept(f"form-{tab.NAME}", None) for tab in (text_to_image, sketch_to_image, negative_prompts, upscale)}
        with gr.Tabs(elem_id="tabs") as tabs:
            page_session = PageSession(browser, arrived, Sending(bus, tabs, settings.outputs), forms)
            for label, create in TABS.items():
                with gr.Tab(label, id=label):
                    create(actions, page_session)
    # One listener an event, Gradio's own default, would let a second page wait for the first.
    return page.queue(default_concurrency_limit=None, api_open=False)
