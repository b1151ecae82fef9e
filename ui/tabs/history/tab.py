"""The History tab: search, view and reuse every image in the outputs folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import EaselError
from engine.prompt.draw_prompts import restore_templates
from engine.records.history import Search
from engine.records.recall import Recalled
from ui import messages, sentences
from ui.common import controls
from ui.common.page_session import PageSession
from ui.common.send_to import MARK_IMAGE, TRASH_IMAGE, wire_recall
from ui.compat.listeners import QUIET, Update, find_open_tab, on
from ui.tabs.history import view
from ui.tabs.history.service import HistoryService

LABEL = "History"


@dataclass(frozen=True)
class HistoryTab:
    """The tab's components. ``offset`` numbers the first thumbnail, ``chosen`` and ``pinned`` name images."""

    words: gr.Textbox
    checkpoint: gr.Dropdown
    day: gr.Dropdown
    favourites: gr.Checkbox
    studies: gr.Checkbox
    folder: gr.Dropdown
    thumbs: gr.HTML
    detail: gr.HTML
    offset: gr.State
    chosen: gr.State
    pinned: gr.State


def create_history_tab(session: PageSession) -> None:
    """Make the tab inside the open ``gr.Tab``, with all its listeners."""
    service, opened = HistoryService(session.settings, session.checkpoint_options), find_open_tab()
    tab = _create_components()
    _wire_search(tab, service, opened)
    _wire_choice(tab, service)

    def recall(event: gr.EventData) -> Recalled | None:
        recalled = service.recall(event.image)
        if recalled is None:
            gr.Warning(messages.NO_RECORD)
        elif event.action == "reuse_template":
            return dataclasses.replace(recalled, request=restore_templates(recalled.request))
        return recalled

    wire_recall(on(tab.detail, "reuse"), recall, None, session.sending)
    _wire_menu(service, session)


def _wire_menu(service: HistoryService, session: PageSession) -> None:
    """What the menu under a picture does, whichever tab shows it."""

    def mark(event: gr.EventData) -> None:
        attempt(lambda: service.mark(event.image, True), messages.MARKED)

    def trash(event: gr.EventData) -> None:
        attempt(lambda: service.to_trash(event.image), messages.IN_TRASH)

    def attempt(change: Callable[[], None], done: str) -> None:
        try:
            change()
            gr.Info(done)
        except EaselError as error:
            gr.Warning(str(error), duration=20)

    on(session.sending.bus, MARK_IMAGE)(mark, None, None, trigger_mode="multiple", **QUIET)
    on(session.sending.bus, TRASH_IMAGE)(trash, None, None, trigger_mode="multiple", **QUIET)


def _create_components() -> HistoryTab:
    with gr.Row(elem_classes="filters", equal_height=True):
        words = gr.Textbox(label=messages.SEARCH, placeholder=messages.SEARCH_HELP, max_lines=1, elem_id="history-words", scale=3)
        checkpoint = _create_choice(messages.ANY_CHECKPOINT, "Checkpoint", "history-checkpoint")
        day = _create_choice(messages.ANY_DAY, "Date", "history-day")
        favourites = gr.Checkbox(label=messages.FAVOURITES, elem_id="history-favourites", scale=1, min_width=150)
        studies = gr.Checkbox(label=messages.STUDIES, elem_id="history-studies", scale=1, min_width=150)
        folder = _create_choice(messages.OWN_IMAGES, messages.ALBUM, "history-folder", visible=False)
    with gr.Row(equal_height=False, elem_classes="album"):
        thumbs = gr.HTML(js_on_load=view.ON_THUMBS, elem_id="history-thumbs", **controls.BARE)
        with gr.Column(elem_classes="result-side"):
            detail = gr.HTML(view.render_nothing(), js_on_load=view.ON_CHOSEN, elem_id="history-chosen", **controls.BARE)
    states = {"offset": gr.State(0), "chosen": gr.State(""), "pinned": gr.State("")}
    return HistoryTab(words, checkpoint, day, favourites, studies, folder, thumbs, detail, **states)


def _create_choice(anything: str, label: str, name: str, *, visible: bool = True) -> gr.Dropdown:
    return gr.Dropdown([(anything, "")], value="", label=label, elem_id=name, scale=2, min_width=170, visible=visible)


def _wire_search(tab: HistoryTab, service: HistoryService, opened: gr.Tab) -> None:
    asked = [tab.words, tab.checkpoint, tab.day, tab.favourites, tab.studies, tab.folder]

    def look(*values: Any) -> Iterator[list[Update]]:
        """Scan the folder, then update the choices of the dropdowns."""
        *wanted, offset, chosen = values
        folder = _read_folder(wanted)
        try:
            for reading in service.refresh(folder):
                yield [render(wanted, offset, chosen, reading), gr.skip(), gr.skip(), gr.skip()]
        except EaselError as error:
            gr.Warning(str(error), duration=20)
        choices = _list_choices(service, folder, Search(studies=_read_search(wanted).studies))
        yield [render(wanted, offset, chosen), *choices]

    def render(wanted: list[Any], offset: int, chosen: str, reading: int = 0) -> str:
        return service.render_thumbnails(_read_search(wanted), offset, chosen, reading, _read_folder(wanted))

    def search(*values: Any) -> tuple[str, int]:
        *wanted, chosen = values
        return render(wanted, 0, chosen), 0

    def turn(event: gr.EventData, *values: Any) -> tuple[str, int]:
        *wanted, offset, chosen = values
        offset = service.turn_page(offset, event.by)
        return render(wanted, offset, chosen), offset

    offered = [tab.thumbs, tab.checkpoint, tab.day, tab.folder]
    on(opened, "select")(look, [*asked, tab.offset, tab.chosen], offered, trigger_mode="multiple", **QUIET)
    changes = [on(field, "change") for field in asked if field is not tab.folder]
    gr.on(changes, search, [*asked, tab.chosen], [tab.thumbs, tab.offset], trigger_mode="always_last", **QUIET)
    # What was chosen in one folder is in no other.
    emptied = on(tab.folder, "input")(lambda: ("", "", 0, ""), None, [tab.checkpoint, tab.day, tab.offset, tab.pinned], **QUIET)
    emptied.then(look, [*asked, tab.offset, tab.chosen], offered, trigger_mode="multiple", **QUIET)
    on(tab.thumbs, "turn")(turn, [*asked, tab.offset, tab.chosen], [tab.thumbs, tab.offset], **QUIET)


def _list_choices(service: HistoryService, folder: str, search: Search) -> list[Update]:
    """The checkpoints and the days of a folder, and all folders, whose choice is seen where there are several. What the index
    cannot say is left out: the thumbnails say why."""
    try:
        checkpoints, days = service.checkpoints(folder), service.days(search, folder)
    except EaselError:
        checkpoints, days = [], []
    folders = service.list_folders()
    return [
        gr.update(choices=[(messages.ANY_CHECKPOINT, ""), *((name, name) for name in checkpoints)]),
        gr.update(choices=[(messages.ANY_DAY, ""), *((f"{day} ({count})", day) for day, count in days)]),
        gr.update(choices=folders, value=folder if folder in [key for _, key in folders] else "", visible=len(folders) > 1),
    ]


def _read_search(values: list[Any]) -> Search:
    words, checkpoint, day, favourites, studies, _ = values
    return Search(
        words=words or "", checkpoint=checkpoint or "", day=day or "", favourites=bool(favourites), studies=bool(studies)
    )


def _read_folder(values: list[Any]) -> str:
    return values[-1] or ""


def _wire_choice(tab: HistoryTab, service: HistoryService) -> None:
    asked = [tab.words, tab.checkpoint, tab.day, tab.favourites, tab.studies, tab.folder, tab.offset]

    def choose(event: gr.EventData, pinned: str) -> tuple[str, str]:
        return service.render_chosen(event.image, pinned), event.image

    def act(event: gr.EventData, request: gr.Request, *values: Any) -> list[Update]:
        *wanted, offset, pinned = values
        image = event.image
        try:
            image, pinned = _ACTIONS[event.action](service, image, pinned, request)
        except EaselError as error:
            gr.Warning(str(error), duration=20)
        shown = service.render_thumbnails(_read_search(wanted), offset, image, folder=_read_folder(wanted))
        return [service.render_chosen(image, pinned), shown, image, pinned]

    def act_on_many(event: gr.EventData, request: gr.Request, *values: Any) -> list[Update]:
        *wanted, offset, chosen, pinned = values
        done, trouble = 0, ""
        for image in event.images if event.action in _FOR_MANY else ():
            try:
                _ACTIONS[event.action](service, image, "", request)
                done += 1
            except EaselError as error:
                trouble = str(error)
        if trouble:
            gr.Warning(trouble, duration=20)
        gr.Info(sentences.done_with_many(event.action, done))
        shown = service.render_thumbnails(_read_search(wanted), offset, chosen, folder=_read_folder(wanted))
        return [service.render_chosen(chosen, pinned), shown]

    on(tab.thumbs, "many")(act_on_many, [*asked, tab.chosen, tab.pinned], [tab.detail, tab.thumbs], **QUIET)
    on(tab.thumbs, "choose")(choose, tab.pinned, [tab.detail, tab.chosen], **QUIET)
    on(tab.detail, "action")(act, [*asked, tab.pinned], [tab.detail, tab.thumbs, tab.chosen, tab.pinned], **QUIET)


def _compare(service: HistoryService, image: str, pinned: str, request: gr.Request) -> tuple[str, str]:
    gr.Info(messages.COMPARE_HINT)
    return image, image


def _mark(favourite: bool) -> Callable[[HistoryService, str, str, gr.Request], tuple[str, str]]:
    def mark(service: HistoryService, image: str, pinned: str, request: gr.Request) -> tuple[str, str]:
        service.mark(image, favourite)
        return image, pinned

    return mark


def _show(service: HistoryService, image: str, pinned: str, request: gr.Request) -> tuple[str, str]:
    service.show_file(image, request.client.host if request.client else "")
    return image, pinned


def _trash(service: HistoryService, image: str, pinned: str, request: gr.Request) -> tuple[str, str]:
    service.to_trash(image)
    return "", ""


def _trash_one(service: HistoryService, image: str, pinned: str, request: gr.Request) -> tuple[str, str]:
    gone = _trash(service, image, pinned, request)
    gr.Info(messages.IN_TRASH)
    return gone


_ACTIONS: dict[str, Callable[[HistoryService, str, str, gr.Request], tuple[str, str]]] = {
    "mark": _mark(True),
    "unmark": _mark(False),
    "compare": _compare,
    "alone": lambda service, image, pinned, request: (image, ""),
    "show": _show,
    "trash": _trash_one,
    "trash_many": _trash,
}
"""What the buttons under an image do; each says which image is chosen after it, and which is pinned for comparing."""

_FOR_MANY = ("mark", "unmark", "trash_many")
"""Those of them that do something with many images."""
