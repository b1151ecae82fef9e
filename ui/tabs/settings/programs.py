"""The part of the Settings tab for other programs: the addresses that they need, and keys."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import segno
from markupsafe import Markup

from api.keys import MOST_NAME, create_key, read_keys, revoke_key
from api.reach import Reach
from engine.errors import EaselError
from ui import messages, sentences
from ui.common import controls
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Update, on
from ui.templates import Macros, render_notice

_NAME = "settings-programs"
_HTML = Macros("tabs/settings/programs.html")

_PIXELS = 5
"""The side of a square of a QR code."""


def create_programs(session: PageSession) -> None:
    """Make the section inside the open tab, with its listeners."""
    data, reach = session.settings.data, session.reach
    with gr.Accordion(messages.PROGRAMS, open=False, elem_id=_NAME) as box:
        addresses = gr.HTML(elem_id=f"{_NAME}-addresses", **controls.BARE)
        with gr.Row():
            name = gr.Textbox(
                label=messages.KEY_NAME, info=messages.KEY_NAME_HELP, max_lines=1, max_length=MOST_NAME, elem_id=f"{_NAME}-name",
                html_attributes=controls.NO_CORRECTION,
            )  # fmt: skip
            add = gr.Button(messages.ADD_KEY, size="sm", elem_id=f"{_NAME}-add")
        with gr.Row():
            chosen = gr.Dropdown(list(read_keys(data)), value=None, label=messages.KEYS, elem_id=f"{_NAME}-keys")
            revoke = gr.Button(messages.REVOKE_KEY, size="sm", elem_id=f"{_NAME}-revoke")
        said = gr.HTML(elem_id=f"{_NAME}-says", **controls.BARE)

    def look() -> tuple[str, Update]:
        return render_addresses(reach), _list_keys(data)

    def make(wanted: str) -> tuple[str, Update, Update]:
        if reach.is_open_to_all:
            return render_notice(messages.KEYS_FOR_OWNERS, "trouble"), _list_keys(data), wanted
        shown = render_new_key(data, wanted)
        return shown, _list_keys(data), "" if wanted.strip() in read_keys(data) else wanted

    def remove(wanted: str | None) -> tuple[str, Update]:
        told = messages.KEYS_FOR_OWNERS if reach.is_open_to_all else describe_revoked_key(data, wanted)
        return render_notice(told), _list_keys(data)

    on(box, "expand")(look, None, [addresses, chosen], **QUIET)
    on(add, "click")(make, [name], [said, chosen, name], **QUIET)
    on(revoke, "click")(remove, [chosen], [said, chosen], **QUIET)


def render_addresses(reach: Reach) -> Markup:
    """The addresses to give to programs, and a QR code of the one that other computers and phones open."""
    network = reach.find_network_url()
    code = segno.make(network, micro=False) if network else None
    return _HTML.render(
        "addresses",
        local=reach.local_url,
        network=network,
        code=Markup(code.svg_inline(scale=_PIXELS, light="#fff", omitsize=True)) if code else None,
        on_network=reach.on_network,
        has_login=reach.has_login,
    )


def render_new_key(data: Path, name: str) -> Markup:
    """Make a key; what to show, where it can be read this once."""
    try:
        return _HTML.render("new_key", name=name.strip(), secret=create_key(data, name.strip()))
    except EaselError as error:
        return render_notice(str(error), "trouble")


def describe_revoked_key(data: Path, name: str | None) -> str:
    """Revoke a key; a sentence on it."""
    if not name:
        return messages.NO_KEY_CHOSEN
    try:
        revoke_key(data, name)
    except EaselError as error:
        return str(error)
    return sentences.revoked_key(name)


def _list_keys(data: Path) -> Update:
    return gr.update(choices=list(read_keys(data)), value=None)
