"""The folded fields of a grid: up to three things that vary, and their values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import gradio as gr

from engine.errors import RequestError
from engine.events import Result
from engine.prompt.prompt_matrix import read_matrix
from engine.records import outputs
from engine.requests import AXES, Axis, GenerationRequest, ImageToImage, Request, is_grid, read_values, write_values
from ui import messages
from ui.common import controls, form
from ui.common.fields import Fields
from ui.common.form import Value
from ui.common.job_view import View

SIDES = tuple(messages.GRID_SIDES)

BLANK: dict[str, str] = {name: "" for side in SIDES for name in (f"grid_{side}", f"grid_{side}_values")}
"""The fields, with their initial values."""

MATRIX = "prompt_matrix"
"""What is chosen for an axis to make a prompt matrix, which takes two."""

MOST_SHOWN = 60
"""Cells of a grid that the page shows beside its sheet, the newest; History has all."""

_G = TypeVar("_G", bound=GenerationRequest)


def create_grid_box(tab: str, kind: type[GenerationRequest]) -> Fields:
    """The fields, for requests of a ``kind``."""
    made: Fields = {}
    only = () if issubclass(kind, ImageToImage) else ("strength",)
    varied = [(axis.label, name) for name, axis in AXES.items() if name not in only]
    choices = [(messages.GRID_NONE, ""), *varied, (messages.PROMPT_MATRIX, MATRIX)]
    with gr.Accordion(messages.GRID_BOX, open=False, elem_id=f"{tab}-grid"):
        for side in SIDES:
            with gr.Row():
                made[f"grid_{side}"] = controls.create_choice(tab, f"grid_{side}", {"choices": choices, "value": ""}, scale=2)
                made[f"grid_{side}_values"] = gr.Textbox(
                    label=form.LABELS[f"grid_{side}_values"],
                    info=messages.GRID_HELP if side == SIDES[0] else None,
                    max_lines=4,
                    scale=3,
                    elem_id=f"{tab}-grid_{side}_values",
                    html_attributes=controls.NO_CORRECTION,
                )
    return made


def add_axes(asked: _G, written: Mapping[str, Value]) -> _G:
    """``asked`` with the grid that the form has. Raises RequestError for values that cannot be read."""
    axes: list[Axis] = []
    for side in SIDES:
        field, values = str(written[f"grid_{side}"] or ""), str(written[f"grid_{side}_values"] or "")
        if field == MATRIX:
            base, combined = read_matrix(asked.prompt)
            asked = dataclasses.replace(asked, prompt=base)
            axes += combined
        elif field:
            axes.append(Axis(field=field, values=read_values(field, values)))
        elif values.strip():
            raise RequestError(messages.GRID_NO_FIELD.format(side=messages.GRID_SIDES[side].lower()))
    return dataclasses.replace(asked, axes=tuple(axes)) if axes else asked


def fill_grid(request: Request) -> dict[str, str]:
    """The fields that ask for the grid of ``request`` again; blank ones for a single image."""
    axes = request.axes if isinstance(request, GenerationRequest) else ()
    filled = dict(BLANK)
    for side, axis in zip(SIDES, axes, strict=False):
        filled[f"grid_{side}"], filled[f"grid_{side}_values"] = axis.field, write_values(axis.values)
    return filled


def choose_shown(asked: Request, view: View) -> View:
    """``view`` with the sheet of a grid first, and not more cells than the page can show."""
    if not is_grid(asked):
        return view
    sheet = [result for result in view.results if _is_sheet(asked, result.path)]
    cells = [result for result in view.results if result not in sheet]
    kept: tuple[Result, ...] = (*sheet, *cells[-MOST_SHOWN:])
    return dataclasses.replace(view, results=kept)


def _is_sheet(asked: Request, path: Path) -> bool:
    return outputs.read_index(path.name) == asked.count
