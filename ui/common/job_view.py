"""What a page knows about a job, from the engine's events, one at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import engine.events as events
from engine.events import Event, Result
from ui import messages


@dataclass(frozen=True, kw_only=True)
class View:
    """A job as the page shows it. ``status`` and ``left`` are sentences; ``share`` is 0..1, None when unknown.

    ``preview`` is a JPEG of the picture that is being made. ``trouble`` is the sentence of a failure,
    ``depth`` the hash of a map that guided the pictures.
    """

    status: str = ""
    left: str = ""
    share: float | None = None
    preview: bytes | None = None
    results: tuple[Result, ...] = ()
    notices: tuple[str, ...] = ()
    trouble: str = ""
    depth: str = ""
    running: bool = False


IDLE = View()
"""Nothing was asked yet."""


def advance(view: View, event: Event) -> View:
    """The view after ``event``."""
    return _STEPS[type(event)](view, event)


def seen(past: Iterable[Event], view: View = IDLE) -> View:
    """The view after all of ``past``."""
    for event in past:
        view = advance(view, event)
    return view


def _queued(view: View, event: events.Queued) -> View:
    return dataclasses.replace(view, running=True, status=messages.waiting(event.ahead), left="", share=None)


def _started(view: View, event: events.Started) -> View:
    return dataclasses.replace(view, running=True, status=messages.waiting(0), left="", share=None, preview=None)


def _loading(view: View, event: events.Loading) -> View:
    return dataclasses.replace(view, running=True, status=event.text, left="", share=event.share)


def _notice(view: View, event: events.Notice) -> View:
    known = event.text in view.notices
    return view if known else dataclasses.replace(view, notices=(*view.notices, event.text))


def _guided(view: View, event: events.Guided) -> View:
    return dataclasses.replace(view, depth=event.depth)


def _step(view: View, event: events.Step) -> View:
    done = event.picture * event.steps + event.step
    return dataclasses.replace(
        view,
        running=True,
        status=messages.step(event.unit, event.step, event.steps, event.picture, event.pictures),
        left="" if event.seconds_left is None else messages.time_left(event.seconds_left),
        share=done / max(1, event.pictures * event.steps),
        preview=event.preview or view.preview,
    )


def _saved(view: View, event: events.PictureSaved) -> View:
    # A job that runs again after a crash reports the pictures that it had finished once more.
    known = {result.path: result for result in (*view.results, event.result)}
    return dataclasses.replace(view, results=tuple(known.values()), preview=None)


def _finished(view: View, event: events.Finished) -> View:
    return _ended(view, event.results)


def _cancelled(view: View, event: events.Cancelled) -> View:
    return dataclasses.replace(_ended(view, event.results), status=_with_saved(messages.STOPPED, event.results))


def _failed(view: View, event: events.Failed) -> View:
    return dataclasses.replace(_ended(view, event.results), trouble=_with_saved(event.message, event.results))


def _ended(view: View, results: tuple[Result, ...]) -> View:
    return View(results=results, notices=view.notices, depth=view.depth)


def _with_saved(sentence: str, results: tuple[Result, ...]) -> str:
    return f"{sentence} {messages.saved_before(len(results))}" if results else sentence


_STEPS: dict[type[Event], Callable[[View, Any], View]] = {
    events.Queued: _queued,
    events.Started: _started,
    events.Loading: _loading,
    events.Notice: _notice,
    events.Guided: _guided,
    events.Step: _step,
    events.PictureSaved: _saved,
    events.Finished: _finished,
    events.Cancelled: _cancelled,
    events.Failed: _failed,
}
