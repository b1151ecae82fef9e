"""Settings that are pasted into a prompt as text, or dropped on it with a picture, fill the form of their kind."""

from __future__ import annotations

import gradio as gr

from engine.errors import EaselError
from engine.records.blobs import Blobs
from engine.records.foreign.readers import read_fields
from engine.records.recall import Recalled, recall, recall_record
from ui import messages
from ui.common.page_session import PageSession
from ui.common.send_to import wire_recall
from ui.compat.listeners import on
from ui.server import scripts

_ON_LOAD = scripts.on_load("tabs/image_info/dropped_settings.js", ["parameters", "picture"])
"""The text that was pasted, or the hash of the picture, becomes an event."""


def create_dropped_settings(session: PageSession) -> None:
    """Make the invisible component that hears of them. The forms of all tabs must be there already."""
    bus = gr.HTML(js_on_load=_ON_LOAD, elem_id="dropped", padding=False)
    blobs, known = Blobs(session.settings.data / "blobs"), session.checkpoint_options

    def read_text(event: gr.EventData) -> Recalled | None:
        return _warn(recall_record(None, read_fields({"parameters": str(event.text)}), **known.list_names()))

    def read_picture(event: gr.EventData) -> Recalled | None:
        try:
            return _warn(recall(blobs.path(str(event.hash)), **known.list_names()))
        except (EaselError, OSError):
            gr.Warning(str(event.trouble) or messages.NO_RECORD)
            return None

    wire_recall(on(bus, "parameters"), read_text, None, session.sending)
    wire_recall(on(bus, "picture"), read_picture, None, session.sending)


def _warn(recalled: Recalled | None) -> Recalled | None:
    if recalled is None:
        gr.Warning(messages.NO_RECORD)
    return recalled
