"""The right half of the page as HTML: the picture while it is made and when it is there.

Text that a person typed is escaped here and nowhere else.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from pathlib import Path

from engine.errors import EaselError
from engine.events import Result
from engine.records import metadata
from engine.requests import Request
from ui import messages, pictures
from ui.updates import View

ON_LOAD = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-picture]');
  if (button) trigger(button.dataset.what === 'reuse' ? 'reuse' : 'keep_seed', { picture: button.dataset.picture });
});
"""
"""What the stage does with a press on one of its buttons: an event of its own, with the picture's relative path."""

_EASEL = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><path d="M16 2v6M7 30l5-22h8l5 22M4 8h24v13H4z" fill="none" '
    'stroke="currentColor" stroke-width="1.2" stroke-linejoin="round"/></svg>'
)


def show(view: View, outputs: Path) -> str:
    """``view`` as HTML. ``outputs`` is the folder in which its pictures lie."""
    shown = [_running(view) if view.running else "", _results(view, outputs), _idle(view)]
    return f'<div class="stage-inner" data-state="{_state(view)}">{"".join(shown)}{_notes(view)}</div>'


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
    return f'<div class="frame"><img class="picture preview" src="{source}" alt="The picture so far"></div>'


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
    several = len(view.results) > 1 or view.running
    figures = "".join(_figure(result, outputs) for result in reversed(view.results) if result.path.exists()) if several else ""
    if several:
        return f'<div class="gallery">{figures}</div>'
    return _figure(view.results[0], outputs)


def _figure(result: Result, outputs: Path) -> str:
    if not result.path.exists():
        return says(messages.PICTURE_GONE)
    address = escape(pictures.address(outputs, result.path))
    request = made_with(result.path)
    words = escape(request.prompt if request else "")
    side = max(result.width, result.height)
    return (
        f'<figure class="result"><a class="frame" href="{address}" target="_blank" title="Open in full size">'
        f'<img class="picture{" small" if side < 256 else ""}" src="{address}" width="{result.width}" height="{result.height}" '
        f'alt="{words}"></a><figcaption>{_facts(result, request)}{_actions(result, outputs, address)}</figcaption></figure>'
    )


def _facts(result: Result, request: Request | None) -> str:
    facts = [("Seed", str(result.seed)), ("Size", f"{result.width} × {result.height}")]
    facts += [] if request is None else [(label, read(request)) for label, read in _FACTS]
    facts.append(("Time", messages.took(result.seconds)))
    return f'<dl class="facts">{"".join(f"<div><dt>{label}</dt><dd>{escape(value)}</dd></div>" for label, value in facts)}</dl>'


_FACTS: tuple[tuple[str, Callable[[Request], str]], ...] = (
    ("Steps", lambda request: str(request.steps)),
    ("CFG scale", lambda request: f"{request.guidance_scale:g}"),
    ("Sampler", lambda request: str(request.scheduler)),
    ("Checkpoint", lambda request: str(request.checkpoint)),
)
"""Label under the picture -> how it is read from the picture's resolved request."""


def _actions(result: Result, outputs: Path, address: str) -> str:
    picture = escape(result.path.relative_to(outputs).as_posix())
    return (
        f'<div class="actions"><a class="button" href="{address}" download="{escape(result.path.name)}">Download</a>'
        f'<button type="button" data-what="reuse" data-picture="{picture}">Reuse these settings</button>'
        f'<button type="button" data-what="keep" data-picture="{picture}">Keep this seed</button></div>'
    )


def _notes(view: View) -> str:
    return "".join(says(sentence) for sentence in view.notices)


def made_with(picture: Path) -> Request | None:
    """The resolved request in a picture's own record; None if it holds none that can be read."""
    try:
        record = metadata.read(picture)
    except (EaselError, OSError):
        return None
    return record.resolved.request if record else None
