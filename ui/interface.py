"""Puts the page together from its tabs."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from api.reach import Reach
from engine.jobs import Jobs
from engine.settings import Settings
from ui import messages
from ui.common import controls, send_to
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.generate_button import warm_checkpoint
from ui.common.page_session import PageSession, create_store, identify_browser, wait_for_worker
from ui.common.queue_panel import create_queue_panel
from ui.common.send_to import Sending
from ui.compat.listeners import QUIET
from ui.compat.mounting import Page
from ui.compat.uploads import DELETE_AFTER
from ui.image_folders import ImageFolders
from ui.tabs.checkpoints import tab as checkpoints
from ui.tabs.history import tab as history
from ui.tabs.image_info import tab as image_info
from ui.tabs.negative_prompts import tab as negative_prompts
from ui.tabs.settings import tab as settings_tab
from ui.tabs.sketch_to_image import tab as sketch_to_image
from ui.tabs.text_to_image import tab as text_to_image
from ui.tabs.upscale import tab as upscale
from ui.templates import Macros

TABS: dict[str, Callable[[PageSession], None]] = {
    text_to_image.LABEL: text_to_image.create_text_to_image_tab,
    sketch_to_image.LABEL: sketch_to_image.create_sketch_to_image_tab,
    negative_prompts.LABEL: negative_prompts.create_negative_prompts_tab,
    upscale.LABEL: upscale.create_upscale_tab,
    history.LABEL: history.create_history_tab,
    image_info.LABEL: image_info.create_image_info_tab,
    checkpoints.LABEL: checkpoints.create_checkpoints_tab,
    settings_tab.LABEL: settings_tab.create_settings_tab,
}
"""A tab's label -> what makes it, in the order of the page."""

_FORMS = (text_to_image.NAME, sketch_to_image.NAME, negative_prompts.NAME, upscale.NAME)
"""Tabs whose form the browser keeps."""

_HTML = Macros("masthead.html")
_HERE = Reach()


def create_interface(settings: Settings, jobs: Jobs, known: CheckpointOptions, reach: Reach = _HERE) -> gr.Blocks:
    """The whole page, not yet served. Gradio's own temporary copies live a day."""
    with Page(title=messages.TITLE, analytics_enabled=False, fill_width=True, delete_cache=DELETE_AFTER) as page:
        browser = create_store("page", "")
        opened = page.load(identify_browser, browser, browser, **QUIET)

        async def wait() -> None:
            await wait_for_worker(jobs)

        with gr.Row(elem_id="head"):
            gr.HTML(_HTML.render("masthead"), elem_id="masthead", **controls.BARE)
            create_queue_panel(jobs, settings.outputs, opened)
        bus = send_to.create_bus()
        forms = {name: create_store(f"form-{name}", None) for name in _FORMS}
        with gr.Tabs(elem_id="tabs") as tabs:
            sending = Sending(bus, tabs, ImageFolders(settings.outputs, settings.data))
            session = PageSession(settings, jobs, known, browser, opened, sending, forms, reach)
            for label, create in TABS.items():
                with gr.Tab(label, id=label, elem_id=f"panel-{label.lower().replace(' ', '-')}"):
                    gr.HTML(_HTML.render("tab_heading", label=label), elem_classes="tab-heading", **controls.BARE)
                    create(session)
        image_info.create_dropped_settings(session)
        session.arrived.add(lambda: warm_checkpoint(jobs, known), None, [])
        session.restored.wire(session.arrived.wire(opened))
        session.worker_started.wire(opened.then(wait, **QUIET))
        session.scanned.wire(opened.then(known.refresh, None, None, **QUIET))
    # With Gradio's default of one listener per event, a second page would wait for the first.
    return page.queue(default_concurrency_limit=None, api_open=False)
