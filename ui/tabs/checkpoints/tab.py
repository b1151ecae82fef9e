"""The Checkpoints tab: what there is, what it can do, and fetching more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui import messages
from ui.common import controls
from ui.common.actions import Actions
from ui.common.generate_button import QUIET
from ui.common.page_session import PageSession
from ui.tabs.checkpoints import downloads_view
from ui.tabs.checkpoints import view as inventory

NAME = "checkpoints"
LABEL = "Checkpoints"
TICK = 1.0
"""Seconds between two looks at downloads that go on."""


@dataclass(frozen=True)
class Tab:
    """The tab's components."""

    inventory: gr.HTML
    again: gr.Button
    says: gr.HTML
    link: gr.Textbox
    ask: gr.Button
    downloads: gr.HTML
    offers: gr.HTML
    clock: gr.Timer
    finished: gr.State


def create_checkpoints_tab(actions: Actions, page_session: PageSession) -> Tab:
    """Make the tab inside the open ``gr.Tab``, with everything it does."""
    tab = _layout()
    stock = actions.stock

    def look() -> tuple[str, str]:
        return stock.inventory(), stock.offers()

    def choose(event: gr.EventData) -> tuple[str, str]:
        return stock.choose(event.entry, event.family, event.prediction_type), stock.inventory()

    shown = [tab.inventory, tab.offers]
    page_session.arrived.then(look, None, shown, **QUIET)
    tab.again.click(look, None, shown)
    tab.inventory.choose(choose, None, [tab.says, tab.inventory], **QUIET)
    _wire_downloads(tab, actions, page_session)
    return tab


def _layout() -> Tab:
    with gr.Row(equal_height=False, elem_classes="stock"):
        with gr.Column(scale=7, min_width=300):
            with gr.Row(elem_classes="heading"):
                gr.HTML(f"<h2>{messages.YOURS}</h2>", **controls.BARE)
                again = gr.Button(messages.LOOK_AGAIN, size="sm", elem_id=f"{NAME}-again")
            says = controls.says(NAME)
            shown = gr.HTML(js_on_load=inventory.ON_LOAD, elem_id=f"{NAME}-inventory", **controls.BARE)
        with gr.Column(scale=5, min_width=300):
            gr.HTML(f"<h2>{messages.GET_MORE}</h2><p>{messages.GET_MORE_HELP}</p>", elem_classes="heading", **controls.BARE)
            with gr.Row(elem_classes="paste"):
                link = gr.Textbox(
                    label=messages.PASTE, placeholder=messages.PASTE_EXAMPLE, max_lines=1, elem_id=f"{NAME}-link",
                    html_attributes=controls.NO_CORRECTION, scale=4,
                )  # fmt: skip
                ask = gr.Button(messages.ASK, elem_id=f"{NAME}-ask", scale=1, min_width=90)
            downloads = gr.HTML(js_on_load=downloads_view.ON_LOAD, elem_id=f"{NAME}-downloads", **controls.BARE)
            offers = gr.HTML(js_on_load=downloads_view.ON_LOAD, elem_id=f"{NAME}-offers", **controls.BARE)
    return Tab(
        inventory=shown, again=again, says=says, link=link, ask=ask, downloads=downloads, offers=offers,
        clock=gr.Timer(TICK, active=False), finished=gr.State(0),
    )  # fmt: skip


def _wire_downloads(tab: Tab, actions: Actions, page_session: PageSession) -> None:
    stock = actions.stock

    def state() -> tuple[str, dict[str, Any]]:
        return stock.downloads(), gr.update(active=stock.busy)

    def tick(known: int) -> tuple[Any, ...]:
        finished = stock.finished()
        fresh = (stock.inventory(), stock.offers()) if finished > known else (gr.skip(), gr.skip())
        return *state(), *fresh, finished

    def paste(link: str) -> tuple[Any, ...]:
        said = stock.paste(link)
        return said, gr.skip() if said else "", *state()

    def press(event: gr.EventData) -> tuple[Any, ...]:
        stock.press(event.what, event.which)
        return state()

    watched = [tab.downloads, tab.clock]
    page_session.arrived.then(state, None, watched, **QUIET)
    tab.clock.tick(tick, tab.finished, [*watched, tab.inventory, tab.offers, tab.finished], **QUIET)
    gr.on([tab.ask.click, tab.link.submit], paste, tab.link, [tab.says, tab.link, *watched], **QUIET)
    for shown in (tab.downloads, tab.offers):
        shown.press(press, None, watched, **QUIET)
