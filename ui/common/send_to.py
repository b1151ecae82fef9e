"""A finished picture goes from wherever it is shown to another tab, and its settings go back into a form.

A tab that takes pictures has a row in :data:`TARGETS` and calls :func:`receive`. Every finished picture, on each stage and in the
history, then has the row's button. A press is heard by one place for the whole page: whoever shows a picture only writes
:func:`buttons` into its HTML. A tab whose form makes a kind of request offers it in :attr:`Sending.forms`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import EaselError
from engine.requests import Request
from ui import messages
from ui.server import image_routes, scripts


@dataclass(frozen=True)
class Target:
    """``button`` is what the button says, ``tab`` the label of the tab that opens."""

    button: str
    tab: str


TARGETS: dict[str, Target] = {
    "sketch": Target(messages.DRAW_ON_IT, messages.SKETCH_TAB),
    "upscale": Target(messages.SEND_TO_UPSCALE, messages.UPSCALE_TAB),
    "info": Target(messages.INFO_TAB, messages.INFO_TAB),
}
"""Name of a target -> its row."""


@dataclass(frozen=True)
class Form:
    """A form that takes settings back: ``fill`` makes the values of ``fields`` from a request, and ``tab`` opens.

    ``kept`` lets the browser keep the form after a listener has filled it.
    """

    tab: str
    fill: Callable[[Request], Sequence[Any]]
    fields: Sequence[Component]
    kept: Callable[[Dependency], None]


@dataclass(frozen=True)
class Sending:
    """The page's end of it: ``bus`` hears the presses, ``tabs`` opens the tab, ``outputs`` is where pictures may be.

    ``forms`` has one for each kind of request (:data:`engine.requests.KINDS`) that a tab makes; the tabs fill it.
    """

    bus: gr.HTML
    tabs: gr.Tabs
    outputs: Path
    forms: dict[str, Form] = field(default_factory=dict)


def create_bus() -> gr.HTML:
    """The component that hears the presses. It shows nothing."""
    return gr.HTML(js_on_load=scripts.on_load("common/send_to.js", [*map(_event, TARGETS)]), elem_id="bus", padding=False)


def buttons(picture: str, leave_out: str = "") -> str:
    """The buttons under a picture, which is named by its path inside the outputs with forward slashes."""
    rows = ((name, target) for name, target in TARGETS.items() if name != leave_out)
    return "".join(button(name, picture, target.button) for name, target in rows)


def button(name: str, picture: str, words: str) -> str:
    """One button that sends ``picture`` to the target ``name``."""
    return f'<button type="button" data-send="{_event(name)}" data-picture="{escape(picture)}">{escape(words)}</button>'


def receive(name: str, sending: Sending, fill: Callable[[Path], Sequence[Any]], outputs: Sequence[Component]) -> Dependency:
    """Let the tab take pictures: ``fill`` makes the values of ``outputs`` from the picture's file, and the tab opens.

    ``fill`` may raise EaselError; its sentence is shown, and everything stays as it was.
    """
    target = TARGETS[name]

    def take(event: gr.EventData) -> tuple[Any, ...]:
        path = image_routes.find(sending.outputs, event.picture)
        try:
            if path is not None:
                return *fill(path), gr.update(selected=target.tab)
            gr.Warning(messages.PICTURE_GONE)
        except EaselError as error:
            gr.Warning(str(error))
        return tuple(gr.skip() for _ in range(len(outputs) + 1))

    return getattr(sending.bus, _event(name))(take, None, [*outputs, sending.tabs], show_progress="hidden")


def _event(name: str) -> str:
    return f"to_{name}"
