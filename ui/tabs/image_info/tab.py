"""The Image info tab: drop any images and see everything that the file of each says."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from engine.errors import EaselError, ImageError
from engine.prompt.draw_prompts import restore_templates
from engine.records import compare, inspect_file, recall
from engine.records.blobs import Blobs
from engine.records.foreign import readers
from engine.records.recall import Recalled
from engine.requests import Request, Resolved
from ui import messages, sentences
from ui.common import controls
from ui.common.page_session import PageSession
from ui.common.send_to import has_template, receive_images, wire_recall
from ui.compat.listeners import QUIET, on
from ui.describe.box import DescribeBox, create_describe_box, wire_describe_box
from ui.server import scripts
from ui.tabs.image_info import view
from ui.templates import join, render_notice

LABEL = messages.INFO_TAB

_ASK_SECONDS = 8
"""Seconds to wait for a busy worker."""

_ON_DROPPED = scripts.on_load("tabs/image_info/dropped_settings.js", ["parameters", "picture"])
"""The text that was pasted, or the hash of the picture, becomes an event."""


@dataclass(frozen=True)
class DropSide:
    """Where files are dropped, and what can be done with the one that is shown."""

    dropped: gr.File
    use: gr.Button
    use_template: gr.Button
    why: gr.Button
    answer: gr.HTML
    describing: DescribeBox


def _create_drop_side(session: PageSession) -> DropSide:
    with gr.Column(elem_classes="drop-side"):
        return DropSide(
            # The file as it is: Gradio's own image component would rewrite it, without its texts.
            gr.File(label=messages.DROP_IMAGE, file_count="multiple", height=180, elem_id="info-file"),
            gr.Button(messages.USE_SETTINGS, variant="primary", visible=False, elem_id="info-use"),
            gr.Button(messages.REUSE_TEMPLATE, visible=False, elem_id="info-use-template"),
            gr.Button(messages.WHY_DIFFERENT, visible=False, elem_id="info-why"),
            gr.HTML(elem_id="info-answer", **controls.BARE),
            create_describe_box("info", session),
        )


def create_image_info_tab(session: PageSession) -> None:
    """Make the tab inside the open ``gr.Tab``, with all its listeners."""
    with gr.Row(equal_height=False, elem_classes="info-tab"):
        side = _create_drop_side(session)
        shown = gr.HTML(render_notice(messages.DROP_HINT), elem_id="info-shown", **controls.BARE)
    recalled, resolved, picture = gr.State(None), gr.State(None), gr.State("")

    def look(path: Path) -> list[Any]:
        return _inspect(path, session)

    def inspect_dropped(paths: list[str] | None) -> list[Any]:
        return show(paths, 0) if paths else _say(render_notice(messages.DROP_HINT))

    def inspect_chosen(paths: list[str] | None, event: gr.SelectData) -> list[Any]:
        return show(paths, event.index) if paths and event.index in range(len(paths)) else inspect_dropped(paths)

    def show(paths: list[str], index: int) -> list[Any]:
        path = Path(paths[index])
        listed = render_notice(sentences.dropped_files(len(paths), path.name) if len(paths) > 1 else "")
        try:
            shown, *others = look(path)
        except EaselError as error:
            shown, *others = _say(render_notice(str(error), "trouble"))
        return [join([listed, shown]), *others]

    outputs = [shown, side.answer, side.use, side.use_template, side.why, recalled, resolved, picture]
    on(side.dropped, "change")(inspect_dropped, side.dropped, outputs, **QUIET)
    on(side.dropped, "select")(inspect_chosen, side.dropped, outputs, **QUIET)
    receive_images("info", session.sending, look, outputs)
    sent = receive_images("describe", session.sending, look, outputs)
    wire_describe_box(side.describing, session, picture, sent)
    on(side.why, "click")(lambda made: _compare(made, session), resolved, side.answer)
    wire_recall(on(side.use, "click"), _take_recalled, [recalled], session.sending)
    wire_recall(on(side.use_template, "click"), _take_with_templates, [recalled], session.sending)


def _take_recalled(recalled: Recalled | None) -> Recalled | None:
    return recalled


def _take_with_templates(recalled: Recalled | None) -> Recalled | None:
    """The settings with the texts that the image's prompts were drawn from."""
    return recalled and dataclasses.replace(recalled, request=restore_templates(recalled.request))


def _say(notice: str) -> list[Any]:
    """The outputs when there is no image to show."""
    hidden = gr.update(visible=False)
    return [notice, "", hidden, hidden, hidden, None, None, ""]


def _inspect(path: Path, session: PageSession) -> list[Any]:
    """Raises ImageError for a file that is not an image."""
    try:
        # The uploaded file, before anything rewrites it.
        found = inspect_file.inspect_image_file(path)
    except OSError as error:
        raise ImageError(messages.IMAGE_GONE) from error
    recalled = recall.recall_record(found.record, found.foreign, **session.checkpoint_options.list_names())
    resolved = found.record.resolved if found.record else None
    varies = recalled is not None and has_template(recalled.request)
    buttons = (gr.update(visible=shown) for shown in (recalled is not None, varies, resolved is not None))
    return [view.render_inspection(found, recalled), "", *buttons, recalled, resolved, str(path)]


def _compare(resolved: Resolved[Request] | None, session: PageSession) -> str:
    if resolved is None:
        return ""
    here = session.jobs.describe_run(resolved.request, _ASK_SECONDS)
    if here is None:
        return render_notice(messages.CANNOT_COMPARE)
    return view.render_differences(compare.differences(resolved, here))


def create_dropped_settings(session: PageSession) -> None:
    """Let settings that are pasted into a prompt as text, or dropped on it with a picture, fill the form of their kind.

    The forms of all tabs must be there already.
    """
    bus = gr.HTML(js_on_load=_ON_DROPPED, elem_id="dropped", padding=False)
    blobs, known = Blobs(session.settings.data / "blobs"), session.checkpoint_options

    def read_text(event: gr.EventData) -> Recalled | None:
        written = readers.read_fields({"parameters": str(event.text)})
        return _warn_of_none(recall.recall_record(None, written, **known.list_names()))

    def read_picture(event: gr.EventData) -> Recalled | None:
        try:
            return _warn_of_none(recall.recall(blobs.path(str(event.hash)), **known.list_names()))
        except (EaselError, OSError):
            gr.Warning(str(event.trouble) or messages.NO_RECORD)
            return None

    wire_recall(on(bus, "parameters"), read_text, None, session.sending)
    wire_recall(on(bus, "picture"), read_picture, None, session.sending)


def _warn_of_none(recalled: Recalled | None) -> Recalled | None:
    if recalled is None:
        gr.Warning(messages.NO_RECORD)
    return recalled
