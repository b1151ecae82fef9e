"""The right half of the page as HTML: the picture while it is made and when it is there.

Text that a person typed is escaped here and nowhere else.
"""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

import gradio as gr
from PIL import Image

from engine.errors import EaselError
from engine.events import Result
from engine.records import metadata
from engine.requests import ImageToImage, Request, ResolvedUpscale, model_of
from ui import messages
from ui.common import controls, send_to
from ui.common.job_view import View
from ui.server import image_routes, scripts

ON_LOAD = scripts.on_load("common/result_view.js", ["reuse", "keep_seed", "pick", "trim"])
"""What the stage does with a press on one of its buttons: an event of its own, with the picture's relative path, or with the
words that go out of a negative prompt."""

_EASEL = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><path d="M16 2v6M7 30l5-22h8l5 22M4 8h24v13H4z" fill="none" '
    'stroke="currentColor" stroke-width="1.2" stroke-linejoin="round"/></svg>'
)


def create(tab: str, shown: str) -> gr.HTML:
    """The stage of a tab, showing ``shown`` at first."""
    return gr.HTML(shown, js_on_load=ON_LOAD, elem_id=f"{tab}-stage", elem_classes="stage", **controls.BARE)


def blank(sentence: str) -> str:
    """A stage on which nothing was asked yet, and what to do."""
    return f'<div class="stage-inner" data-state="idle"><div class="frame empty">{_EASEL}<p>{sentence}</p></div></div>'


def show(view: View, outputs: Path, results: str | None = None) -> str:
    """``view`` as HTML. ``outputs`` is the folder in which its pictures lie. ``results``: HTML to be shown instead of them."""
    made = _results(view, outputs) if results is None else results
    running = _running(view) if view.running else ""
    shown = (_said(view), running, made, _idle(view), _notices(view), _depth(view))
    return f'<div class="stage-inner" data-state="{_state(view)}">{"".join(shown)}</div>'


def live(view: View, drafts: Path) -> str:
    """A repaint as HTML: the picture alone, and how long it took."""
    shown = _preview(view) if view.running and view.preview else ""
    for result in view.results:
        address, ratio = (
            escape(image_routes.address(drafts, result.path, image_routes.DRAFTS)),
            _ratio(result.width, result.height),
        )
        shown = f'<div class="frame" {ratio}><img class="picture" src="{address}" alt="{messages.LIVE_PICTURE}"></div>'
        shown += f'<p class="status"><span>{messages.LIVE_STATUS}</span><span>{messages.took(result.seconds)}</span></p>'
    return f'<div class="stage-inner" data-state="live">{says(view.trouble, "trouble")}{shown}{_notices(view)}</div>'


def says(sentence: str, kind: str = "note") -> str:
    """A sentence in a box of its own: ``kind`` is "note" or "trouble"."""
    role = "alert" if kind == "trouble" else "status"
    return f'<p class="says {kind}" role="{role}">{escape(sentence)}</p>' if sentence else ""


def _state(view: View) -> str:
    if view.running:
        return "running"
    if view.trouble:
        return "failed"
    return "finished" if view.results else "idle"


def _idle(view: View) -> str:
    if view.running or view.results:
        return ""
    words = "" if view.trouble or view.status else f"<p>{messages.WAITING_FOR_FIRST}</p><p>{messages.FIRST_HINT}</p>"
    return f'<div class="frame empty">{_EASEL}{words}</div>'


def _running(view: View) -> str:
    return _preview(view) + _bar(view) + _status(view)


def _preview(view: View) -> str:
    if view.preview is None:
        return f'<div class="frame empty busy">{_EASEL}</div>'
    source = f"data:image/jpeg;base64,{base64.b64encode(view.preview).decode()}"
    with Image.open(io.BytesIO(view.preview)) as header:
        ratio = _ratio(*header.size)
    return f'<div class="frame" {ratio}><img class="picture preview" src="{source}" alt="The picture so far"></div>'


def _bar(view: View) -> str:
    if view.share is None:
        return '<div class="bar unknown" role="progressbar" aria-label="Progress"><div></div></div>'
    percent = round(100 * view.share)
    ranged = f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}"'
    return f'<div class="bar" role="progressbar" aria-label="Progress" {ranged}><div style="width:{percent}%"></div></div>'


def _status(view: View) -> str:
    return f'<p class="status"><span>{escape(view.status)}</span><span>{escape(view.left)}</span></p>'


def _results(view: View, outputs: Path) -> str:
    if not view.results:
        return ""
    figures = "".join(figure(result, outputs) for result in view.results)
    several = len(view.results) > 1 or view.running
    return f'<div class="gallery">{figures}</div>' if several else figures


def figure(result: Result, outputs: Path) -> str:
    """A finished picture with what it was made with and what can be done with it."""
    # Pictures can be moved by hand, and the journal can be older than a change of the outputs folder.
    if not (result.path.is_relative_to(outputs) and result.path.exists()):
        return says(messages.PICTURE_GONE)
    address = escape(image_routes.address(outputs, result.path))
    shown = escape(image_routes.shown_at(result.path.relative_to(outputs).as_posix(), result.width, result.height))
    request = made_with(result.path)
    words = escape(request.prompt if request else "")
    ratio = _ratio(result.width, result.height)
    return (
        f'<figure class="result"><a class="frame" {ratio} href="{address}" target="_blank" title="Open in full size">'
        f'<img class="picture" src="{shown}" alt="{words}"></a>'
        f"<figcaption>{facts(result, request)}{_actions(result, outputs, address, request)}</figcaption></figure>"
    )


def _ratio(width: int, height: int) -> str:
    # The frame has its shape before the picture is there, so that nothing jumps.
    return f'style="--ratio: {width / height:.4f}"'


def facts(result: Result, request: Request | None) -> str:
    """What a picture was made with, as a list of labels and values."""
    said: list[tuple[str, str | float | None]] = [("Seed", result.seed), ("Size", f"{result.width} × {result.height}")]
    said += _settings(request) if request else []
    said.append(("Time", messages.took(result.seconds)))
    rows = "".join(f"<div><dt>{label}</dt><dd>{escape(plain(value))}</dd></div>" for label, value in said if value is not None)
    return f'<dl class="facts">{rows}</dl>'


def _settings(request: Request) -> list[tuple[str, str | float | None]]:
    """Labels and values of the resolved request in a picture's record."""
    strength = request.strength if isinstance(request, ImageToImage) else None
    sampling = (("Steps", request.steps), ("CFG scale", request.guidance_scale), ("Sampler", request.scheduler))
    sampled = not isinstance(request, ResolvedUpscale) or request.steps > 0
    return [("Strength", strength), *(sampling if sampled else ()), ("Checkpoint", model_of(request))]


def plain(value: object) -> str:
    """A value as people write it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _actions(result: Result, outputs: Path, address: str, request: Request | None) -> str:
    name = result.path.relative_to(outputs).as_posix()
    picture, pick = escape(name), ""
    if isinstance(request, ImageToImage):
        words = messages.GO_ON.format(strength=request.strength)
        pick = f'<button type="button" data-what="pick" data-picture="{picture}">{words}</button>'
    return (
        f'<div class="actions"><a class="button" href="{address}" download="{escape(result.path.name)}">Download</a>{pick}'
        f'<button type="button" data-what="reuse" data-picture="{picture}">Reuse these settings</button>'
        f'<button type="button" data-what="keep_seed" data-picture="{picture}">Keep this seed</button>'
        f"{send_to.buttons(name)}</div>"
    )


def _said(view: View) -> str:
    """How a job ended, if not with all its pictures."""
    return says(view.trouble, "trouble") + ("" if view.running else says(view.status))


def _depth(view: View) -> str:
    if not view.depth:
        return ""
    address = f"sketches/{view.depth}"
    words = f'<figcaption>{messages.DEPTH_SHOWN} <a href="{address}" download="depth.png">Download</a></figcaption>'
    return f'<figure class="guide"><img src="{address}" alt="{messages.DEPTH_SHOWN}">{words}</figure>'


def _notices(view: View) -> str:
    return "".join(says(sentence) for sentence in view.notices)


def made_with(picture: Path) -> Request | None:
    """The resolved request in a picture's own record; None if it holds none that can be read."""
    try:
        record = metadata.read(picture)
    except (EaselError, OSError):
        return None
    return record.resolved.request if record else None
