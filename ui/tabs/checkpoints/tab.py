"""The Checkpoints tab: the user's files, what they can do, and downloads."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from engine.jobs import Jobs
from engine.plan.hardware.facts import Hardware, from_text
from ui import messages
from ui.common import controls
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Update, on
from ui.tabs.checkpoints import downloads_view, view
from ui.tabs.checkpoints.service import CheckpointsService
from ui.templates import Macros

NAME = "checkpoints"
LABEL = "Checkpoints"
_HTML = Macros("common/macros.html")

TICK = 1.0
"""Seconds between updates of running downloads."""


@dataclass(frozen=True)
class CheckpointsTab:
    """The tab's components."""

    inventory: gr.HTML
    again: gr.Button
    notice: gr.HTML
    link: gr.Textbox
    ask: gr.Button
    downloads: gr.HTML
    offers: gr.HTML
    clock: gr.Timer
    finished: gr.State


def create_checkpoints_tab(session: PageSession) -> None:
    """Make the tab inside the open ``gr.Tab``, with all its listeners."""
    tab, service = _create_components(), CheckpointsService(session.settings, session.checkpoint_options)

    def show() -> tuple[str, str]:
        return service.render_inventory(), service.render_offers(read_hardware(session.jobs))

    def look_again() -> tuple[str, str]:
        service.scan()
        return show()

    def choose(event: gr.EventData) -> tuple[str, str]:
        defaults = {
            "steps": event.steps, "guidance_scale": event.guidance_scale, "vae": event.vae, "words_before": event.words_before,
        }  # fmt: skip
        return service.choose(event.entry, event.family, event.prediction_type, defaults), service.render_inventory()

    def trash(event: gr.EventData) -> tuple[str, str]:
        return service.trash(event.entry, bool(session.jobs.line(limit=1))), service.render_inventory()

    shown = [tab.inventory, tab.offers]
    session.arrived.add(show, None, shown)
    session.scanned.add(show, None, shown)
    session.worker_started.add(show, None, shown)
    on(tab.again, "click")(look_again, None, shown, trigger_mode="multiple")
    on(tab.inventory, "choose")(choose, None, [tab.notice, tab.inventory], **QUIET)
    on(tab.inventory, "trash")(trash, None, [tab.notice, tab.inventory], **QUIET)
    _wire_downloads(tab, session, service)


def read_hardware(jobs: Jobs) -> Hardware | None:
    """What the image generator found; None while it starts."""
    described = jobs.describe()
    return from_text(described.hardware) if described is not None and described.hardware else None


def _create_components() -> CheckpointsTab:
    with gr.Row(equal_height=False, elem_classes="stock"):
        with gr.Column(scale=7, min_width=300):
            with gr.Row(elem_classes="heading"):
                gr.HTML(_HTML.render("heading", title=messages.YOURS, help=""), **controls.BARE)
                again = gr.Button(messages.LOOK_AGAIN, size="sm", elem_id=f"{NAME}-again")
            notice = controls.create_notice(NAME)
            shown = gr.HTML(js_on_load=view.ON_LOAD, elem_id=f"{NAME}-inventory", **controls.BARE)
        with gr.Column(scale=5, min_width=300):
            more = _HTML.render("heading", title=messages.GET_MORE, help=messages.GET_MORE_HELP)
            gr.HTML(more, elem_classes="heading", **controls.BARE)
            with gr.Row(elem_classes="paste"):
                link = gr.Textbox(
                    label=messages.PASTE, placeholder=messages.PASTE_EXAMPLE, max_lines=1, elem_id=f"{NAME}-link",
                    html_attributes=controls.NO_CORRECTION, scale=4,
                )  # fmt: skip
                ask = gr.Button(messages.ASK, elem_id=f"{NAME}-ask", scale=1, min_width=90)
            downloads = gr.HTML(js_on_load=downloads_view.ON_LOAD, elem_id=f"{NAME}-downloads", **controls.BARE)
            offers = gr.HTML(js_on_load=downloads_view.ON_LOAD, elem_id=f"{NAME}-offers", **controls.BARE)
    return CheckpointsTab(
        inventory=shown, again=again, notice=notice, link=link, ask=ask, downloads=downloads, offers=offers,
        clock=gr.Timer(TICK, active=False), finished=gr.State(0),
    )  # fmt: skip


def _wire_downloads(tab: CheckpointsTab, session: PageSession, service: CheckpointsService) -> None:
    def show() -> list[Update]:
        return [service.render_downloads(), gr.update(active=service.busy)]

    def tick(known: int) -> list[Update]:
        finished, fresh = service.count_finished(), (gr.skip(), gr.skip())
        if finished > known:
            service.scan()
            fresh = service.render_inventory(), service.render_offers(read_hardware(session.jobs))
        return [*show(), *fresh, finished]

    def paste(link: str) -> list[Update]:
        said = service.paste(link)
        return [said, gr.skip() if said else "", *show()]

    def press(event: gr.EventData) -> list[Update]:
        service.press(event.what, event.which)
        return show()

    watched = [tab.downloads, tab.clock]
    session.arrived.add(show, None, watched)
    on(tab.clock, "tick")(tick, tab.finished, [*watched, tab.inventory, tab.offers, tab.finished], **QUIET)
    gr.on([on(tab.ask, "click"), on(tab.link, "submit")], paste, tab.link, [tab.notice, tab.link, *watched], **QUIET)
    for shown in (tab.downloads, tab.offers):
        on(shown, "press")(press, None, watched, **QUIET)
