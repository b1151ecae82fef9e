"""The history as HTML: a page of thumbnails, one picture with what is known of it, two beside each other."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from html import escape
from pathlib import Path
from urllib.parse import quote

from engine.records.history import Entry
from engine.records.recall import Recalled
from engine.requests import Request
from ui import messages
from ui.common import result_view, send_to
from ui.server import image_routes, scripts

ON_THUMBS = scripts.on_load("tabs/history/thumbnails.js", ["turn", "choose"])
"""A press on a thumbnail chooses it, a press on the pager turns the page."""

ON_CHOSEN = scripts.on_load("tabs/history/detail.js", ["reuse", "deed"])
"""A press on one of the buttons under the chosen picture."""

SKIPPED = ("prompt", "negative_prompt", "count", "precision", "width", "height")
"""Fields of a request that are shown elsewhere or say nothing."""


def thumbs(entries: list[Entry], offset: int, count: int, chosen: str, reading: int) -> str:
    """A page of thumbnails, from the picture numbered ``offset`` on. ``reading``: how many are still to be looked at."""
    note = result_view.says(messages.still_reading(reading)) if reading else ""
    if not entries:
        return note or f'<p class="nothing">{messages.NO_PICTURES}</p>'
    shown = "".join(_thumb(entry, entry.name == chosen) for entry in entries)
    return f'{note}<div class="thumbs">{shown}</div>{_pager(offset, len(entries), count)}'


def _thumb(entry: Entry, chosen: bool) -> str:
    name, words = escape(entry.name), escape(messages.shortened(entry.prompt, 160) or entry.name)
    star = '<span class="star" aria-hidden="true">★</span>' if entry.favourite else ""
    return (
        f'<button type="button" class="thumb" data-choose="{name}" aria-pressed="{str(chosen).lower()}" title="{words}">'
        f'<img src="{_thumbnail(entry.name)}" alt="{words}" loading="lazy">{star}</button>'
    )


def _thumbnail(name: str) -> str:
    return escape(image_routes.SMALL + quote(name))


def _pager(offset: int, shown: int, count: int) -> str:
    newer = _turn(-1, messages.NEWER, offset > 0)
    older = _turn(1, messages.OLDER, offset + shown < count)
    return f'<p class="pager actions">{newer}<span>{offset + 1:,}–{offset + shown:,} of {count:,}</span>{older}</p>'


def _turn(by: int, words: str, possible: bool) -> str:
    return f'<button type="button" data-turn="{by}" {"" if possible else "disabled"}>{words}</button>'


def chosen(entry: Entry | None, recalled: Recalled | None) -> str:
    """The picture that was chosen, what is known of it, and what can be done with it."""
    if entry is None:
        return f'<div class="frame empty"><p>{messages.CHOOSE_PICTURE}</p></div>'
    return (
        f'<figure class="result">{_large(entry)}<figcaption>{_actions(entry, recalled)}'
        f"{_words(entry.prompt, recalled)}{facts(_facts(entry, recalled))}</figcaption></figure>"
    )


def beside(first: Entry, second: Entry, first_made: Recalled | None, second_made: Recalled | None) -> str:
    """Two pictures, and in which settings they differ."""
    figures = (f"{_large(entry)}<figcaption>{escape(_when(entry))}</figcaption>" for entry in (first, second))
    both = "".join(f'<figure class="result">{figure}</figure>' for figure in figures)
    done = f'<div class="actions">{_button("alone", second.name, messages.STOP_COMPARING)}</div>'
    return f'<div class="pair">{both}</div>{done}{_differences(first_made, second_made)}'


def _differences(first: Recalled | None, second: Recalled | None) -> str:
    if first is None or second is None:
        return result_view.says(messages.NO_RECORD)
    one, other = (dataclasses.asdict(made.request) for made in (first, second))
    names = [name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name)]
    if not names:
        return result_view.says(messages.SAME_SETTINGS)
    cells = "".join(f"<tr><th>{label(name)}</th><td>{_cell(one, name)}</td><td>{_cell(other, name)}</td></tr>" for name in names)
    return f'<table class="differences">{cells}</table>'


def _cell(written: dict, name: str) -> str:
    value = written.get(name)
    return "" if value is None else escape(result_view.plain(value))


def label(name: str) -> str:
    """A field of a request in words."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


LABELS = {"guidance_scale": "CFG scale", "scheduler": "Sampler", "strength": "Denoising strength"}
"""Fields whose name is not how people call them."""


def _large(entry: Entry) -> str:
    address = escape(image_routes.PREFIX + quote(entry.name))
    ratio = f'style="--ratio: {entry.width / entry.height:.4f}"'
    shown = escape(image_routes.shown_at(entry.name, entry.width, entry.height))
    words = escape(messages.shortened(entry.prompt, 300))
    return (
        f'<a class="frame" {ratio} href="{address}" target="_blank" title="Open in full size">'
        f'<img class="picture" src="{shown}" alt="{words}"></a>'
    )


def _actions(entry: Entry, recalled: Recalled | None) -> str:
    name = entry.name
    address = escape(image_routes.PREFIX + quote(name))
    star = _button("unmark", name, messages.UNMARK) if entry.favourite else _button("mark", name, messages.MARK)
    reuse = _button("reuse", name, messages.REUSE) if recalled else ""
    download = f'<a class="button" href="{address}" download="{escape(Path(name).name)}">Download</a>'
    compare = _button("compare", name, messages.COMPARE)
    trash = _button("trash", name, messages.TRASH, ask=messages.REALLY_TRASH)
    show = _button("show", name, messages.SHOW_FILE)
    return f'<div class="actions">{reuse}{send_to.buttons(name)}{star}{compare}{download}{show}{trash}</div>'


def _button(deed: str, name: str, words: str, ask: str = "") -> str:
    asked = f' data-ask="{escape(ask)}"' if ask else ""
    return f'<button type="button" data-deed="{deed}" data-picture="{escape(name)}"{asked}>{words}</button>'


def _words(prompt: str, recalled: Recalled | None) -> str:
    negative = getattr(recalled.request, "negative_prompt", "") if recalled else ""
    without = f'<p class="prompt negative"><b>{messages.NEGATIVE}:</b> {escape(negative)}</p>' if negative else ""
    return (f'<p class="prompt">{escape(prompt)}</p>' if prompt else "") + without


def _facts(entry: Entry, recalled: Recalled | None) -> list[tuple[str, str]]:
    made = settings_in(recalled.request) if recalled else []
    program = [("Made with", recalled.program)] if recalled else []
    return [("When", _when(entry)), ("Size", f"{entry.width} × {entry.height}"), *made, *program, ("File", entry.name)]


def settings_in(request: Request) -> list[tuple[str, str]]:
    """What a request says beside its words, in words."""
    usual = {field.name: field.default for field in dataclasses.fields(request)}
    said = {name: getattr(request, name) for name in usual if name not in SKIPPED}
    return [
        (label(name), result_view.plain(value))
        for name, value in said.items()
        if value != usual[name] and value not in (None, ())
    ]


def facts(rows: list[tuple[str, str]]) -> str:
    """Names and values."""
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    return f'<dl class="facts">{shown}</dl>'


def _when(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.created).strftime("%Y-%m-%d %H:%M")
