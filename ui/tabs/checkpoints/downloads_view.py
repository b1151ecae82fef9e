"""Known checkpoints that can be fetched, and the downloads that go on, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from engine.checkpoints.download import background
from engine.checkpoints.download.background import Download
from engine.checkpoints.download.sources import Offer
from ui import messages
from ui.server import scripts
from ui.tabs.checkpoints.view import size

ON_LOAD = scripts.on_load("tabs/checkpoints/downloads.js", ["press"])
"""A press on a button becomes an event: what to do, with which offer or download."""

BUTTONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    background.ASKING: (),
    background.OFFERED: (("start", "Download"), ("cancel", "Not now")),
    background.RUNNING: (("pause", "Pause"), ("cancel", "Cancel")),
    background.PAUSED: (("start", "Resume"), ("cancel", "Cancel")),
    background.FINISHED: (("dismiss", "Close"),),
    background.FAILED: (("start", "Try again"), ("dismiss", "Close")),
    background.CANCELLED: (("start", "Go on"), ("dismiss", "Close")),
}
"""State of a download -> its buttons: what they do, and what they say."""


def show_downloads(known: Sequence[Download]) -> str:
    """The downloads since Easel started, the newest first."""
    return f'<div class="downloads">{"".join(_download(each) for each in known)}</div>' if known else ""


def show_offers(offers: Sequence[Offer], there: set[str]) -> str:
    """Known checkpoints. ``there`` are the names of those that lie in the models folder."""
    return f'<ul class="offers">{"".join(_offer(offer, offer.name in there) for offer in offers)}</ul>'


def _offer(offer: Offer, there: bool) -> str:
    button = f"<span>{messages.THERE}</span>" if there else _button("ask", offer.name, "Download …", offer.label)
    return (
        f"<li><div><strong>{escape(offer.label)}</strong><p>{escape(offer.note)}</p>"
        f"<p>{_licence(offer.licence, offer.licence_link)}</p></div>{button}</li>"
    )


def _download(download: Download) -> str:
    buttons = "".join(_button(what, str(download.number), says, download.label) for what, says in BUTTONS[download.state])
    status = messages.download_status(download.state, size(download.done), size(download.total) if download.total else "")
    said = f'<p class="says trouble" role="alert">{escape(download.said)}</p>' if download.said else ""
    return (
        f'<section data-state="{download.state}"><h4>{escape(download.label)}</h4>{_facts(download)}{_bar(download)}'
        f'<p class="status" role="status">{escape(status)}</p>{said}<div class="actions">{buttons}</div></section>'
    )


def _facts(download: Download) -> str:
    if download.state != background.OFFERED:
        return ""
    facts = {
        "From": escape(download.source), "Size": size(download.total) if download.total else messages.SIZE_UNKNOWN,
        "Free on the disk": size(download.free), "Licence": _licence(download.licence, download.licence_link),
    }  # fmt: skip
    return f'<dl class="facts">{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())}</dl>'


def _licence(licence: str, link: str) -> str:
    if not licence:
        return escape(messages.LICENCE_UNKNOWN)
    return f'<a href="{escape(link)}" target="_blank" rel="noreferrer">{escape(licence)}</a>'


def _bar(download: Download) -> str:
    if download.state not in (background.RUNNING, background.PAUSED) or not download.total:
        return ""
    percent = round(100 * download.done / download.total)
    ranged = f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}"'
    return f'<div class="bar" role="progressbar" aria-label="Downloaded" {ranged}><div style="width:{percent}%"></div></div>'


def _button(what: str, which: str, says: str, of: str) -> str:
    return f'<button type="button" data-do="{what}" data-which="{escape(which)}" aria-label="{says} {escape(of)}">{says}</button>'
