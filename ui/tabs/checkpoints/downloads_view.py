"""Checkpoints that can be downloaded, and running downloads, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.checkpoints.download import background
from engine.checkpoints.download.background import Download
from engine.checkpoints.download.sources import Offer
from engine.plan.hardware.facts import Hardware
from engine.plan.reference_checkpoints import RECOMMENDED, TOO_LARGE, UNKNOWN, USABLE, estimate_file_bytes, judge
from ui import messages, sentences
from ui.formatting import format_size
from ui.server import scripts
from ui.templates import Macros

ON_LOAD = scripts.on_load("tabs/checkpoints/downloads.js", ["press"])
"""A press on a button becomes an event: what to do, with which offer or download."""

BUTTONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    background.ASKING: (("cancel", "Cancel"),),
    background.CONFIRMING: (("start", "Continue"), ("cancel", "Not now")),
    background.OFFERED: (("start", "Download"), ("cancel", "Not now")),
    background.RUNNING: (("pause", "Pause"), ("cancel", "Cancel")),
    background.PAUSED: (("start", "Resume"), ("cancel", "Cancel")),
    background.FINISHED: (("dismiss", "Close"),),
    background.FAILED: (("start", "Try again"), ("discard", "Delete the part"), ("dismiss", "Close")),
    background.CANCELLED: (("start", "Go on"), ("discard", "Delete the part"), ("dismiss", "Close")),
}
"""State of a download -> its buttons: what they do, and what they say. A partial file can be deleted only if there is one."""


_HTML = Macros("tabs/checkpoints/downloads.html")


@dataclass(frozen=True)
class Button:
    """A button: its action, the offer or download that it belongs to, its label, and its accessible name."""

    what: str
    which: str
    words: str
    label: str


@dataclass(frozen=True)
class ShownOffer:
    """A known checkpoint; ``button`` is None if it is already there. ``suits`` says how it suits this computer."""

    label: str
    note: str
    size: str
    suits: str
    is_best: bool
    licence: str
    link: str
    button: Button | None


@dataclass(frozen=True)
class ShownDownload:
    """A download; ``rows`` and the licence are shown before it starts, ``percent`` is None where no bar is shown.

    ``said`` is a question or what went wrong, ``kind`` that of its notice.
    """

    label: str
    state: str
    is_offered: bool
    rows: list[tuple[str, str]]
    licence: str
    link: str
    percent: int | None
    status: str
    said: str
    kind: str
    buttons: list[Button]


def render_downloads(known: Sequence[Download]) -> str:
    """The downloads since Easel started, the newest first."""
    return _HTML.render("downloads", downloads=[_show_download(each) for each in known]) if known else ""


def render_offers(offers: Sequence[Offer], there: set[str], hardware: Hardware | None = None) -> str:
    """Known checkpoints and LoRAs, those that suit ``hardware`` best first. ``there``: those in the models folder, by name."""
    judged = [(offer, UNKNOWN if hardware is None or offer.is_lora else judge(offer.family, hardware)) for offer in offers]
    ordered = sorted(judged, key=lambda each: _ORDER.index(each[1]))
    return _HTML.render("offers", offers=[_show_offer(offer, verdict, offer.name in there) for offer, verdict in ordered])


_ORDER = (RECOMMENDED, USABLE, UNKNOWN, TOO_LARGE)


def _show_offer(offer: Offer, verdict: str, there: bool) -> ShownOffer:
    size = None if offer.is_lora else estimate_file_bytes(offer.family)
    button = None if there else Button("ask", offer.name, "Download …", f"Download … {offer.label}")
    return ShownOffer(
        label=offer.label,
        note=offer.note,
        size="" if size is None else sentences.rough_size(format_size(size)),
        suits=messages.SUITS[verdict],
        is_best=verdict == RECOMMENDED,
        licence=offer.licence,
        link=offer.licence_link,
        button=button,
    )


def _show_download(download: Download) -> ShownDownload:
    total = format_size(download.total) if download.total else ""
    return ShownDownload(
        label=download.label,
        state=download.state,
        is_offered=download.state == background.OFFERED,
        rows=[
            ("From", download.source), ("Size", total or messages.SIZE_UNKNOWN), ("Free on the disk", format_size(download.free)),
        ],
        licence=download.licence,
        link=download.licence_link,
        percent=_find_percent(download),
        status=sentences.download_status(download.state, format_size(download.done), total, download.done > 0),
        said=download.said,
        kind="trouble" if download.state == background.FAILED else "note",
        buttons=[
            Button(what, str(download.number), words, f"{words} {download.label}")
            for what, words in BUTTONS[download.state]
            if what != "discard" or download.done
        ],
    )  # fmt: skip


def _find_percent(download: Download) -> int | None:
    going = download.state in (background.RUNNING, background.PAUSED) and download.total
    return round(100 * download.done / download.total) if going else None
