"""The page: a table of contents."""

from __future__ import annotations

import gradio as gr

from engine.jobs import Jobs
from engine.settings import Settings
from ui import controls, messages
from ui.tabs.text_to_image import create_text_to_image_tab

_MASTHEAD = f"""
<header class="masthead">
<svg viewBox="0 0 32 32" aria-hidden="true"><path d="M16 2v6M7 30l5-22h8l5 22M4 8h24v13H4z" fill="none"
 stroke="currentColor" stroke-width="2.2" stroke-linejoin="round"/></svg>
<div><h1>{messages.TITLE}</h1><p>{messages.TAGLINE}</p></div>
</header>
"""

_DAY = 24 * 60 * 60


def create_interface(settings: Settings, jobs: Jobs) -> gr.Blocks:
    """The whole page, not yet served. Gradio's own temporary copies live a day."""
    with gr.Blocks(title=messages.TITLE, analytics_enabled=False, fill_width=True, delete_cache=(_DAY, _DAY)) as page:
        gr.HTML(_MASTHEAD, elem_id="masthead", **controls.BARE)
        # Who this browser is, so that a page that comes back finds its job. The secret only has to be the same after a restart.
        page_id = gr.BrowserState("", storage_key="easel-page", secret="easel")
        with gr.Tabs(), gr.Tab("Text to image"):
            create_text_to_image_tab(settings, jobs, page_id)
    # One listener an event, Gradio's own default, would let a second page wait for the first.
    return page.queue(default_concurrency_limit=None, api_open=False)
