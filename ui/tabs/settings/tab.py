"""The Settings tab: preferences for all tabs, stored in a human-readable file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import gradio as gr
from gradio.components import Component

from engine.preferences import FILE_FORMATS, MOST_MINUTES, MOST_WATERMARK, Preferences
from engine.requests import DTYPES
from engine.storage.name_pattern import DEFAULT, PARTS
from ui import messages, sentences
from ui.common import controls
from ui.common.fields import Fields, read_fields
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Update, Values, on
from ui.server import repair_routes, scripts
from ui.tabs.settings.programs import create_programs
from ui.tabs.settings.service import SettingsService, describe_freed_memory, list_disk_parts, remove_caches
from ui.tabs.settings.view import render_disk, render_machine
from ui.templates import render_notice

NAME = "settings"
LABEL = "Settings"

_ON_LOAD = scripts.on_load("tabs/settings/repair.js", [])
"""A press on Repair asks first, and waits for the new Easel."""


def create_settings_tab(session: PageSession) -> None:
    """Make the tab inside the open ``gr.Tab``, with all its listeners."""
    service = SettingsService(session.settings)
    with gr.Column(elem_classes="preferences"):
        with gr.Accordion(messages.MACHINE, open=False) as box:
            computer = gr.HTML(js_on_load=_ON_LOAD, elem_id=f"{NAME}-machine", **controls.BARE)
            free = gr.Button(messages.FREE_MEMORY, size="sm", elem_id=f"{NAME}-free-memory")
            freed = gr.HTML(elem_id=f"{NAME}-freed-memory", **controls.BARE)
        create_programs(session)
        _create_disk(session)
        fields = _create_fields()
        # Saving is disabled until the file was read, because blank fields would overwrite it.
        save = gr.Button(messages.SAVE, variant="primary", interactive=False, elem_id=f"{NAME}-save")
        notice = controls.create_notice(NAME)

    def read() -> dict[Component, Update]:
        known, said = service.read()
        return {**{fields[name]: value for name, value in known.items()}, notice: said, save: gr.update(interactive=True)}

    keep = _save_in_turn(service, fields)

    session.arrived.add(read, None, [*fields.values(), notice, save])

    def look() -> str:
        return render_machine(session.jobs.describe(), repair_routes.is_offered(), session.settings.data)

    def free_memory() -> str:
        return render_notice(describe_freed_memory(session.jobs))

    on(box, "expand")(look, None, computer, **QUIET)
    session.worker_started.add(look, None, computer)
    on(free, "click")(free_memory, None, freed).then(look, None, computer, **QUIET)
    # A second press while the folders of the first are still being read is a press all the same.
    on(save, "click")(keep, set(fields.values()), notice, trigger_mode="multiple")
    typed = [on(each, "input") for each in fields.values()]
    gr.on(typed, None, None, notice, js="() => ['']", trigger_mode="multiple", **QUIET)


def _save_in_turn(service: SettingsService, fields: Fields) -> Callable[[Values], Awaitable[str]]:
    """What saves the form, one press after the other: what was pressed last is what stays."""
    turn = asyncio.Lock()

    async def keep(values: Values) -> str:
        async with turn:
            return await asyncio.to_thread(service.save, read_fields(fields, values))

    return keep


def _create_disk(session: PageSession) -> None:
    """What Easel keeps on the disk, measured when the box is opened, and a button that removes its caches."""
    with gr.Accordion(messages.DISK, open=False) as box:
        disk = gr.HTML(elem_id=f"{NAME}-disk", **controls.BARE)
        remove = gr.Button(messages.REMOVE_CACHES, size="sm", elem_id=f"{NAME}-remove-caches")
        removed = gr.HTML(elem_id=f"{NAME}-removed-caches", **controls.BARE)

    def show() -> str:
        return render_disk([(part.label, part.measure(), part.folders[0]) for part in list_disk_parts(session.settings)])

    on(box, "expand")(show, None, disk, **QUIET)
    on(remove, "click")(lambda: remove_caches(session.settings, session.jobs), None, removed).then(show, None, disk, **QUIET)


def _create_fields() -> Fields:
    return {
        **_create_folder_fields(),
        "precision": gr.Dropdown(
            ["auto", *DTYPES], value="auto", label=messages.PRECISION, info=messages.PRECISION_HELP, elem_id=f"{NAME}-precision",
        ),
        "compile": gr.Checkbox(label=messages.COMPILE, info=messages.COMPILE_HELP, elem_id=f"{NAME}-compile"),
        "keep_usable": gr.Checkbox(label=messages.KEEP_USABLE, info=messages.KEEP_USABLE_HELP, elem_id=f"{NAME}-keep_usable"),
        "unload_minutes": gr.Number(
            value=Preferences().unload_minutes, minimum=0, maximum=MOST_MINUTES, precision=0, label=messages.UNLOAD_MINUTES,
            info=messages.UNLOAD_MINUTES_HELP, elem_id=f"{NAME}-unload_minutes",
        ),
        "leave_metadata_out": gr.Checkbox(
            label=messages.LEAVE_METADATA_OUT, info=messages.LEAVE_METADATA_OUT_HELP, elem_id=f"{NAME}-leave_metadata_out",
        ),
        "safety_checker": gr.Checkbox(
            label=messages.SAFETY_CHECKER, info=messages.SAFETY_CHECKER_HELP, elem_id=f"{NAME}-safety_checker",
        ),
        "watermark": gr.Textbox(
            label=messages.WATERMARK, info=messages.WATERMARK_HELP, max_lines=1, max_length=MOST_WATERMARK,
            elem_id=f"{NAME}-watermark", html_attributes=controls.NO_CORRECTION,
        ),
        "file_format": gr.Dropdown(
            [(messages.FILE_FORMATS[name], name) for name in FILE_FORMATS], value="png", label=messages.FILE_FORMAT,
            info=messages.FILE_FORMAT_HELP, elem_id=f"{NAME}-file_format",
        ),
        "quality": gr.Textbox(
            label=messages.QUALITY, info=messages.QUALITY_HELP, placeholder="95", max_lines=1, elem_id=f"{NAME}-quality",
            html_attributes=controls.NO_CORRECTION,
        ),
        "name_pattern": gr.Textbox(
            label=messages.NAME_PATTERN, info=sentences.name_pattern_help(PARTS), placeholder=DEFAULT, max_lines=1,
            elem_id=f"{NAME}-name_pattern", html_attributes=controls.NO_CORRECTION,
        ),
    }  # fmt: skip


def _create_folder_fields() -> Fields:
    return {
        "extra_models": gr.Textbox(
            label=messages.EXTRA_MODELS, info=messages.EXTRA_MODELS_HELP, lines=3, elem_id=f"{NAME}-extra_models",
            html_attributes=controls.NO_CORRECTION,
        ),
        "extra_outputs": gr.Textbox(
            label=messages.EXTRA_OUTPUTS, info=messages.EXTRA_OUTPUTS_HELP, lines=2, elem_id=f"{NAME}-extra_outputs",
            html_attributes=controls.NO_CORRECTION,
        ),
    }  # fmt: skip
