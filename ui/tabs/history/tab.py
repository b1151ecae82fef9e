"""The History tab: every picture in the outputs folder, to be searched, looked at and used again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.context import Context

from engine.errors import EaselError
from engine.records.history import Search
from engine.records.recall import Recalled
from ui import messages
from ui.common import controls
from ui.common import recall as recalling
from ui.common.actions import Actions
from ui.common.generate_button import QUIET
from ui.common.page_session import PageSession
from ui.tabs.history import view
from ui.tabs.history.service import Memory

LABEL = "History"


@dataclass(frozen=True)
class Tab:
    """The tab's components. ``offset`` numbers the first thumbnail, ``chosen`` and ``pinned`` name pictures."""

    words: gr.Textbox
    checkpoint: gr.Dropdown
    day: gr.Dropdown
    favourites: gr.Checkbox
    thumbs: gr.HTML
    detail: gr.HTML
    offset: gr.State
    chosen: gr.State
    pinned: gr.State


def create_history_tab(actions: Actions, page_session: PageSession) -> Tab:
    """Make the tab inside the open ``gr.Tab``, with everything it does."""
    memory = Memory(actions.settings, actions.checkpoint_options)
    opened = Context.block
    assert isinstance(opened, gr.Tab), "made inside a gr.Tab"
    tab = _layout()
    _wire_search(tab, memory, opened)
    _wire_choice(tab, memory)

    def recall(event: gr.EventData) -> Recalled | None:
        recalled = memory.recall(event.picture)
        if recalled is None:
            gr.Warning(messages.NO_RECORD)
        return recalled

    recalling.wire(tab.detail.reuse, recall, None, page_session.sending)
    return tab


def _layout() -> Tab:
    with gr.Row(elem_classes="filters", equal_height=True):
        words = gr.Textbox(label=messages.SEARCH, placeholder=messages.SEARCH_HELP, max_lines=1, elem_id="history-words", scale=3)
        checkpoint = _choice(messages.ANY_CHECKPOINT, "Checkpoint", "history-checkpoint")
        day = _choice(messages.ANY_DAY, "Date", "history-day")
        favourites = gr.Checkbox(label=messages.FAVOURITES, elem_id="history-favourites", scale=1, min_width=150)
    with gr.Row(equal_height=False, elem_classes="album"):
        thumbs = gr.HTML(js_on_load=view.ON_THUMBS, elem_id="history-thumbs", **controls.BARE)
        with gr.Column(elem_classes="result-side"):
            detail = gr.HTML(view.chosen(None, None), js_on_load=view.ON_CHOSEN, elem_id="history-chosen", **controls.BARE)
    states = {"offset": gr.State(0), "chosen": gr.State(""), "pinned": gr.State("")}
    return Tab(words, checkpoint, day, favourites, thumbs, detail, **states)


def _choice(anything: str, label: str, name: str) -> gr.Dropdown:
    return gr.Dropdown([(anything, "")], value="", label=label, elem_id=name, scale=2, min_width=170)


def _wire_search(tab: Tab, memory: Memory, opened: gr.Tab) -> None:
    asked = [tab.words, tab.checkpoint, tab.day, tab.favourites]

    def look(*values: Any) -> Iterator[tuple[Any, ...]]:
        """Whatever came into the folder since, then what the dropdowns can offer."""
        *wanted, offset, chosen = values
        for reading in memory.refresh():
            yield memory.thumbs(_search(wanted), offset, chosen, reading), gr.skip(), gr.skip()
        checkpoints = [(messages.ANY_CHECKPOINT, ""), *((name, name) for name in memory.history.checkpoints())]
        days = [(messages.ANY_DAY, ""), *((f"{day} ({count})", day) for day, count in memory.history.days())]
        yield memory.thumbs(_search(wanted), offset, chosen), gr.update(choices=checkpoints), gr.update(choices=days)

    def search(*values: Any) -> tuple[str, int]:
        *wanted, chosen = values
        return memory.thumbs(_search(wanted), 0, chosen), 0

    def turn(event: gr.EventData, *values: Any) -> tuple[str, int]:
        *wanted, offset, chosen = values
        offset = memory.turned(offset, event.by)
        return memory.thumbs(_search(wanted), offset, chosen), offset

    offered = [tab.thumbs, tab.checkpoint, tab.day]
    opened.select(look, [*asked, tab.offset, tab.chosen], offered, trigger_mode="multiple", **QUIET)
    changes = [tab.words.change, tab.checkpoint.change, tab.day.change, tab.favourites.change]
    gr.on(changes, search, [*asked, tab.chosen], [tab.thumbs, tab.offset], trigger_mode="always_last", **QUIET)
    tab.thumbs.turn(turn, [*asked, tab.offset, tab.chosen], [tab.thumbs, tab.offset], **QUIET)


def _search(values: list[Any]) -> Search:
    words, checkpoint, day, favourites = values
    return Search(words=words or "", checkpoint=checkpoint or "", day=day or "", favourites=bool(favourites))


def _wire_choice(tab: Tab, memory: Memory) -> None:
    asked = [tab.words, tab.checkpoint, tab.day, tab.favourites, tab.offset]

    def choose(event: gr.EventData, pinned: str) -> tuple[str, str]:
        return memory.shown(event.picture, pinned), event.picture

    def deed(event: gr.EventData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        *wanted, offset, pinned = values
        picture = event.picture
        try:
            picture, pinned = _DEEDS[event.deed](memory, picture, pinned, request)
        except EaselError as error:
            gr.Warning(str(error), duration=20)
        return memory.shown(picture, pinned), memory.thumbs(_search(wanted), offset, picture), picture, pinned

    tab.thumbs.choose(choose, tab.pinned, [tab.detail, tab.chosen], **QUIET)
    tab.detail.deed(deed, [*asked, tab.pinned], [tab.detail, tab.thumbs, tab.chosen, tab.pinned], **QUIET)


def _compare(memory: Memory, picture: str, pinned: str, request: gr.Request) -> tuple[str, str]:
    gr.Info(messages.COMPARE_HINT)
    return picture, picture


def _mark(favourite: bool) -> Callable[[Memory, str, str, gr.Request], tuple[str, str]]:
    def mark(memory: Memory, picture: str, pinned: str, request: gr.Request) -> tuple[str, str]:
        memory.history.mark(picture, favourite)
        return picture, pinned

    return mark


def _show(memory: Memory, picture: str, pinned: str, request: gr.Request) -> tuple[str, str]:
    memory.show_file(picture, request.client.host if request.client else "")
    return picture, pinned


def _trash(memory: Memory, picture: str, pinned: str, request: gr.Request) -> tuple[str, str]:
    memory.to_trash(picture)
    gr.Info(messages.IN_TRASH)
    return "", ""


_DEEDS: dict[str, Callable[[Memory, str, str, gr.Request], tuple[str, str]]] = {
    "mark": _mark(True),
    "unmark": _mark(False),
    "compare": _compare,
    "alone": lambda memory, picture, pinned, request: (picture, ""),
    "show": _show,
    "trash": _trash,
}
"""What the buttons under a picture do; each says which picture is chosen after it, and which is pinned for comparing."""
