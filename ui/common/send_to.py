"""Sends a finished image to another tab, and its settings back into a form.

A tab that takes images has a row in :data:`TARGETS` and calls :func:`receive_images`. Every finished image, on each stage and in
the history, then has the row's button. One component handles the presses for the whole page: whatever shows an image only
includes the buttons of :func:`list_targets` into its HTML. A tab whose form makes a kind of request offers it in
:attr:`Sending.forms`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import EaselError
from engine.prompt.draw_prompts import restore_templates
from engine.records import metadata
from engine.records.recall import Recalled
from engine.requests import Request, kind_of
from ui import messages
from ui.compat.listeners import QUIET, Listen, Update, on
from ui.image_folders import ImageFolders
from ui.server import image_routes, scripts
from ui.templates import render_notice

ANY = "text_to_image"
"""The kind of request whose form takes the prompts of every image."""


@dataclass(frozen=True)
class Target:
    """``button`` is the button's label, ``tab`` the label of the tab that opens, ``event`` the name of the event."""

    button: str
    tab: str
    event: str


TARGETS: dict[str, Target] = {
    "sketch": Target(messages.DRAW_ON_IT, messages.SKETCH_TAB, "to_sketch"),
    "upscale": Target(messages.SEND_TO_UPSCALE, messages.UPSCALE_TAB, "to_upscale"),
    "info": Target(messages.INFO_TAB, messages.INFO_TAB, "to_info"),
    "describe": Target(messages.DESCRIBE, messages.INFO_TAB, "to_describe"),
}
"""Name of a target -> its row."""


@dataclass(frozen=True)
class Form:
    """A form that takes settings back: ``fill`` makes the values of ``fields`` from a request, and ``tab`` opens.

    ``keep`` lets the browser keep the form after a listener has filled it. ``kind`` is the kind of request that ``fill`` takes.
    """

    tab: str
    fill: Callable[[Request], Sequence[Update]]
    fields: Sequence[Component]
    keep: Callable[[Dependency], None]
    kind: type[Request] = Request


@dataclass(frozen=True)
class Sending:
    """The page's state: ``bus`` receives the presses, ``tabs`` opens the tab, ``folders`` are those of the images.

    ``forms`` has one for each kind of request (:data:`engine.requests.KINDS`) that a tab makes, ``prompts`` the prompt of each;
    the tabs fill them.
    """

    bus: gr.HTML
    tabs: gr.Tabs
    folders: ImageFolders
    forms: dict[str, Form] = field(default_factory=dict)
    prompts: dict[str, Component] = field(default_factory=dict)


MARK_IMAGE, TRASH_IMAGE = "mark_image", "trash_image"
"""Events of the bus that no tab opens for: an image becomes a favourite, or goes to the trash."""


def create_bus() -> gr.HTML:
    """The invisible component that receives the presses."""
    events = [*(target.event for target in TARGETS.values()), MARK_IMAGE, TRASH_IMAGE]
    return gr.HTML(js_on_load=scripts.on_load("common/send_to.js", events), elem_id="bus", padding=False)


def list_targets(*leave_out: str) -> list[Target]:
    """The targets whose buttons are shown under an image, but for some by their names."""
    return [target for name, target in TARGETS.items() if name not in leave_out]


def receive_images(
    name: str, sending: Sending, fill: Callable[[Path], Sequence[Update]], outputs: Sequence[Component]
) -> Dependency:
    """Let the tab take images: ``fill`` makes the values of ``outputs`` from the image's file, and the tab opens.

    ``fill`` may raise EaselError; its text is shown and nothing changes.
    """
    target = TARGETS[name]

    def take(event: gr.EventData) -> list[Update]:
        path = sending.folders.find(event.image)
        try:
            if path is not None:
                return [*fill(path), gr.update(selected=target.tab)]
            gr.Warning(messages.IMAGE_GONE)
        except EaselError as error:
            gr.Warning(str(error))
        return [gr.skip() for _ in range(len(outputs) + 1)]

    return on(sending.bus, target.event)(take, None, [*outputs, sending.tabs], **QUIET)


def wire_recall(
    listen: Listen, find: Callable[..., Recalled | None], inputs: Sequence[Component] | None, sending: Sending
) -> None:
    """Let an event put settings back: ``find`` finds them in the event or in the values of ``inputs``, and says why if it
    cannot; then the form is filled, its tab opens, and settings that could not be used are named."""
    forms = sending.forms
    fields = [field for form in forms.values() for field in form.fields]

    def put_back(recalled: Recalled | None) -> list[Update]:
        if recalled is None:
            return [gr.skip() for _ in range(len(fields) + 1)]
        chosen = find_form(recalled.request, forms)
        for note in recalled.notes:
            gr.Warning(note, duration=20)
        gr.Info(messages.REUSED)
        values = [chosen.fill(recalled.request) if form is chosen else _skip(form) for form in forms.values()]
        return [*(value for filled in values for value in filled), gr.update(selected=chosen.tab)]

    def from_values(recalled: Recalled | None) -> list[Update]:
        return put_back(find(recalled))

    def from_event(event: gr.EventData) -> list[Update]:
        return put_back(find(event))

    filled = listen(from_values if inputs else from_event, inputs, [*fields, sending.tabs], **QUIET)
    for form in forms.values():
        form.keep(filled)


def find_form(request: Request, forms: dict[str, Form]) -> Form:
    """The form for a kind of request; kinds without one of their own use that of text to image."""
    return forms.get(kind_of(request), forms[ANY])


def wire_reuse(stage: gr.HTML, notice: gr.HTML, seed: Component, form: Form, outputs: Path) -> None:
    """The two buttons under every finished image: they put its settings, or its seed alone, into the tab's ``form``."""

    def reuse(event: gr.EventData) -> list[Update]:
        request, said = find_request(outputs, event.image)
        return [*(form.fill(request) if isinstance(request, form.kind) else _skip(form)), said]

    def reuse_template(event: gr.EventData) -> list[Update]:
        request, said = find_request(outputs, event.image)
        return [*(form.fill(restore_templates(request)) if isinstance(request, form.kind) else _skip(form)), said]

    def keep_seed(event: gr.EventData) -> tuple[Update, str]:
        request, said = find_request(outputs, event.image)
        if request is None:
            return gr.skip(), said
        return str(request.seed), render_notice(messages.SEED_KEPT.format(seed=request.seed))

    form.keep(on(stage, "reuse")(reuse, None, [*form.fields, notice], **QUIET))
    form.keep(on(stage, "reuse_template")(reuse_template, None, [*form.fields, notice], **QUIET))
    form.keep(on(stage, "keep_seed")(keep_seed, None, [seed, notice], **QUIET))


def _skip(form: Form) -> list[Update]:
    return [gr.skip() for _ in form.fields]


def has_template(request: Request | None) -> bool:
    """Whether the prompts of an image were drawn from templates, which can be reused too."""
    return request is not None and bool(request.prompt_template or request.negative_template)


def find_request(outputs: Path, image: str) -> tuple[Request | None, str]:
    """The request that a finished image was made with, and what to show. ``image`` is its path inside the outputs."""
    path = image_routes.find(outputs, image)
    if path is None:
        return None, render_notice(messages.IMAGE_GONE, "trouble")
    request = read_request(path)
    return request, render_notice(messages.REUSED) if request else render_notice(messages.NO_RECORD, "trouble")


def read_request(image: Path) -> Request | None:
    """The resolved request in an image's own record; None if it holds none that can be read."""
    try:
        record = metadata.read(image)
    except (EaselError, OSError):
        return None
    return record.resolved.request if record else None
