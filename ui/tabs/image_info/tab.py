"""The Image info tab: drop any picture and see everything that its file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from engine.errors import EaselError, PictureError
from engine.records import compare, inspect_file, recall
from engine.records.recall import Recalled
from engine.requests import Request, Resolved
from ui import messages
from ui.common import controls, result_view, send_to
from ui.common import recall as recalling
from ui.common.actions import Actions
from ui.common.generate_button import QUIET
from ui.common.page_session import PageSession
from ui.tabs.image_info import view

LABEL = messages.INFO_TAB

_ASK_SECONDS = 8
"""How long a busy worker is waited for."""


def create_image_info_tab(actions: Actions, page_session: PageSession) -> None:
    """Make the tab inside the open ``gr.Tab``, with everything it does."""
    with gr.Row(equal_height=False, elem_classes="info-tab"):
        with gr.Column(elem_classes="drop-side"):
            # The file as it is: Gradio's own picture component would write it anew, without its texts.
            dropped = gr.File(label=messages.DROP_PICTURE, type="filepath", height=180, elem_id="info-file")
            use = gr.Button(messages.USE_SETTINGS, variant="primary", visible=False, elem_id="info-use")
            why = gr.Button(messages.WHY_DIFFERENT, visible=False, elem_id="info-why")
            answer = gr.HTML(elem_id="info-answer", **controls.BARE)
        shown = gr.HTML(result_view.says(messages.DROP_HINT), elem_id="info-shown", **controls.BARE)
    recalled, resolved = gr.State(None), gr.State(None)

    def look(path: Path) -> list[Any]:
        return _look(path, actions)

    def look_at_dropped(path: str | None) -> list[Any]:
        if path is None:
            return [result_view.says(messages.DROP_HINT), "", *_nothing()]
        try:
            return look(Path(path))
        except EaselError as error:
            return [result_view.says(str(error), "trouble"), "", *_nothing()]

    outputs = [shown, answer, use, why, recalled, resolved]
    dropped.change(look_at_dropped, dropped, outputs, **QUIET)
    send_to.receive("info", page_session.sending, look, outputs)
    why.click(lambda made: _compare(made, actions), resolved, answer)
    recalling.wire(use.click, _chosen, [recalled], page_session.sending)


def _chosen(recalled: Recalled | None) -> Recalled | None:
    return recalled


def _nothing() -> list[Any]:
    return [gr.update(visible=False), gr.update(visible=False), None, None]


def _look(path: Path, actions: Actions) -> list[Any]:
    """Raises PictureError for a file that is no picture."""
    try:
        # The bytes that were handed in, before anything writes them anew.
        found = inspect_file.look(path.read_bytes())
    except OSError as error:
        raise PictureError(messages.PICTURE_GONE) from error
    recalled = recall.recall_record(found.record, found.foreign, **recalling.known(actions.checkpoint_options))
    resolved = found.record.resolved if found.record else None
    buttons = gr.update(visible=recalled is not None), gr.update(visible=resolved is not None)
    return [view.show(found, recalled), "", *buttons, recalled, resolved]


def _compare(resolved: Resolved[Request] | None, actions: Actions) -> str:
    if resolved is None:
        return ""
    here = actions.describe_run(resolved.request, _ASK_SECONDS)
    if here is None:
        return result_view.says(messages.CANNOT_COMPARE)
    return view.different(compare.differences(resolved, here))
