"""The history as HTML: a page of thumbnails, one image with its settings, or two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from engine.records.history import Entry
from engine.records.local_time import to_local_time
from engine.records.recall import Recalled
from ui import messages, sentences
from ui.common import result_view, send_to
from ui.common.result_view import Pair, ShownImage, Side, find_differences, list_settings
from ui.image_folders import split_name
from ui.server import image_routes, scripts
from ui.templates import Macros

ON_THUMBS = scripts.on_load("tabs/history/thumbnails.js", ["turn", "choose", "many"])
"""A press on a thumbnail chooses it, one on the pager turns the page, and others do something with all that are selected."""

ON_CHOSEN = scripts.on_load("tabs/history/detail.js", ["reuse", "action"])
"""A press on one of the buttons under the chosen image."""

_HTML = Macros("tabs/history/view.html")


@dataclass(frozen=True)
class Thumbnail:
    """A thumbnail."""

    name: str
    words: str
    address: str
    chosen: bool
    favourite: bool


@dataclass(frozen=True)
class Day:
    """The thumbnails of one day, in the order of the history."""

    label: str
    images: list[Thumbnail]


@dataclass(frozen=True)
class Pager:
    """Which thumbnails are shown, and whether there are newer and older ones."""

    words: str
    newer: bool
    older: bool


def render_thumbnails(
    entries: Sequence[Entry], offset: int, count: int, chosen: str, reading: int, trouble: str = "", *, is_own: bool = True
) -> Markup:
    """A page of thumbnails, from the image numbered ``offset`` on. ``reading``: how many are still to be looked at.
    ``trouble`` is a sentence about the history as a whole. ``is_own``: they are Easel's, and may be changed."""
    last = offset + len(entries)
    by_day = groupby(entries, key=lambda entry: to_local_time(entry.created).date())
    return _HTML.render(
        "thumbnails",
        days=[Day(sentences.day_heading(day), [_describe_thumbnail(each, chosen) for each in group]) for day, group in by_day],
        reading=sentences.reading_progress(reading) if reading else "",
        trouble=trouble,
        is_own=is_own,
        pager=Pager(sentences.thumbnail_range(offset + 1, last, count), newer=offset > 0, older=last < count),
    )


def _describe_thumbnail(entry: Entry, chosen: str) -> Thumbnail:
    return Thumbnail(
        name=entry.name,
        words=sentences.short_text(entry.prompt, 160) or split_name(entry.name)[1],
        address=image_routes.locate(entry.name, image_routes.SMALL),
        chosen=entry.name == chosen,
        favourite=entry.favourite,
    )


def render_nothing() -> Markup:
    """The hint shown while no image is chosen."""
    return _HTML.render("nothing")


def render_chosen(entry: Entry, recalled: Recalled | None, problem: str = "", *, is_own: bool = True) -> Markup:
    """The chosen image with its settings and buttons. ``problem`` says why its record cannot be read. ``is_own``: it is Easel's,
    and may be changed."""
    settings = list_settings(recalled.request) if recalled else []
    program = [("Made with", recalled.program)] if recalled else []
    size = f"{entry.width} × {entry.height}"
    return _HTML.render(
        "chosen",
        image=_describe(entry),
        favourite=entry.favourite,
        is_own=is_own,
        can_reuse=recalled is not None,
        has_template=recalled is not None and send_to.has_template(recalled.request),
        problem=problem,
        prompt=entry.prompt,
        negative_prompt=recalled.request.negative_prompt if recalled else "",
        rows=[("When", _format_time(entry)), ("Size", size), *settings, *program, ("File", split_name(entry.name)[1])],
        targets=send_to.list_targets(),
    )


def render_pair(first: Entry, second: Entry, first_recalled: Recalled | None, second_recalled: Recalled | None) -> Markup:
    """Two images under a slider, and in which settings they differ."""
    rows: list[tuple[str, str, str]] = []
    sentence = messages.NO_RECORD
    if first_recalled is not None and second_recalled is not None:
        rows = find_differences(first_recalled.request, second_recalled.request)
        sentence = "" if rows else messages.SAME_SETTINGS
    left, right = (Side(_describe(entry).shown, _format_time(entry)) for entry in (first, second))
    images = Pair(left, right, result_view.format_ratio(first.width, first.height))
    return _HTML.render("pair", images=images, name=second.name, rows=rows, sentence=sentence)


def _describe(entry: Entry) -> ShownImage:
    return result_view.describe_image(entry.name, entry.width, entry.height, sentences.short_text(entry.prompt, 300))


def _format_time(entry: Entry) -> str:
    return to_local_time(entry.created).isoformat(" ", "minutes")
