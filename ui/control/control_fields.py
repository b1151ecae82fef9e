"""The controls of a tab: up to four pictures that guide the image, each with its network, and the map that is made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.components import Component

from engine.checkpoints.control.purposes import PURPOSES, find_purpose
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import EaselError, RequestError
from engine.generate.control.maps import preview_map
from engine.generate.control.preprocessors import suggest_preprocessor
from engine.records.blobs import Blobs
from engine.requests import CONTROL_MODES, MOST_CONTROLS, MOST_WEIGHT, PREPROCESSORS, SHOWN, Control, GenerationRequest
from ui import messages, sentences
from ui.common import controls
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Update, Values, on
from ui.compat.uploads import lend_file
from ui.templates import Macros, render_notice

_HTML = Macros("control/control_fields.html")

OTHER_PREPROCESSORS = tuple(name for name in PREPROCESSORS if name not in ("lines", "inpaint"))
"""Those for pictures of their own; the two others are for drawings and for masks."""


@dataclass(frozen=True)
class ControlRow:
    """The fields of one control, and the button that shows its ``map``."""

    picture: gr.File
    model: gr.Dropdown
    preprocessor: gr.Dropdown
    weight: gr.Slider
    start: gr.Slider
    end: gr.Slider
    mode: gr.Dropdown
    pixel_perfect: gr.Checkbox
    shows: gr.Dropdown
    show: gr.Button
    map: gr.HTML

    @property
    def fields(self) -> list[Component]:
        """The fields that make the control."""
        return [
            self.picture, self.model, self.preprocessor, self.weight, self.start, self.end, self.mode, self.pixel_perfect,
            self.shows,
        ]  # fmt: skip


@dataclass(frozen=True)
class ControlPanel:
    """All controls of a tab."""

    rows: tuple[ControlRow, ...]

    @property
    def fields(self) -> list[Component]:
        """The fields of all controls, in order."""
        return [field for row in self.rows for field in row.fields]


COARSE_SIDE = 512
"""Pixels of the shorter side at which a map is made that is not pixel perfect, as in AUTOMATIC1111's program."""


def create_control_panel(tab: str, known: CheckpointOptions) -> ControlPanel:
    """The box with the controls, folded at first."""
    with gr.Accordion(messages.CONTROLS, open=False, elem_id=f"{tab}-controls"):
        gr.HTML(_HTML.render("help"), **controls.BARE)
        return ControlPanel(tuple(_create_row(tab, number, known) for number in range(1, MOST_CONTROLS + 1)))


def _create_row(tab: str, number: int, known: CheckpointOptions) -> ControlRow:
    name = f"{tab}-control{number}"
    with gr.Accordion(sentences.name_control(number), open=number == 1):
        with gr.Row():
            # A file, not an image: the engine's own reader opens it and reports errors.
            picture = gr.File(label=messages.CONTROL_PICTURE, elem_id=f"{name}-picture", file_count="multiple", scale=2)
            with gr.Column(scale=3):
                model = gr.Dropdown(
                    _list_models(known, None),
                    value="",
                    label=messages.CONTROL_MODEL,
                    elem_id=f"{name}-model",
                    allow_custom_value=True,
                )
                offered = [(messages.SUGGESTED_PREPROCESSOR, ""), *_name_preprocessors()]
                preprocessor = gr.Dropdown(offered, value="", label=messages.CONTROL_MAP, elem_id=f"{name}-preprocessor")
                kinds = [(messages.SHOWN_BY_NAME, ""), *((PURPOSES[each].words, each) for each in SHOWN)]
                shows = gr.Dropdown(kinds, value="", label=messages.CONTROL_SHOWS, elem_id=f"{name}-shows", visible=False)
        with gr.Row():
            weight = gr.Slider(0, MOST_WEIGHT, 1, step=0.05, label=messages.CONTROL_WEIGHT, elem_id=f"{name}-weight")
            start = gr.Slider(0, 1, 0, step=0.05, label=messages.CONTROL_START, elem_id=f"{name}-start")
            end = gr.Slider(0, 1, 1, step=0.05, label=messages.CONTROL_END, elem_id=f"{name}-end")
        with gr.Row():
            modes = [(messages.CONTROL_MODE_NAMES[each], each) for each in CONTROL_MODES]
            mode = gr.Dropdown(modes, value=CONTROL_MODES[0], label=messages.CONTROL_MODE, elem_id=f"{name}-mode")
            perfect = gr.Checkbox(True, label=messages.PIXEL_PERFECT, elem_id=f"{name}-pixel_perfect")
            show = gr.Button(messages.SHOW_MAP, elem_id=f"{name}-show")
        shown = gr.HTML(elem_id=f"{name}-map", **controls.BARE)
    return ControlRow(picture, model, preprocessor, weight, start, end, mode, perfect, shows, show, shown)


def _name_preprocessors() -> list[tuple[str, str]]:
    return [(messages.PREPROCESSOR_NAMES[name], name) for name in OTHER_PREPROCESSORS]


def _list_models(known: CheckpointOptions, checkpoint: str | None) -> list[tuple[str, str]]:
    fitting = known.list_controls(checkpoint)
    return [
        (messages.NO_CONTROL if fitting else messages.NO_CONTROL_FITS, ""),
        *((name_model(each), each.name) for each in fitting),
    ]


def name_model(control: CheckpointEntry) -> str:
    """A control network's name, with what it reads."""
    purpose = find_purpose(control.path)
    return f"{control.name} ({PURPOSES[purpose].words})" if purpose else control.name


@dataclass(frozen=True)
class ControlService:
    """What the fields of a panel mean."""

    panel: ControlPanel
    blobs: Blobs
    known: CheckpointOptions

    def read(self, values: Values) -> tuple[Control, ...]:
        """The controls that a filled-in panel asks for. Raises EaselError, a sentence, for a picture that cannot be used."""
        found = (self._read_row(number, row, values) for number, row in enumerate(self.panel.rows, start=1))
        return tuple(control for control in found if control is not None)

    def expect(self, values: Values) -> tuple[Control, ...]:
        """The same controls for an estimate, which does not need their pictures."""
        found = (self._read_settings(row, values) for row in self.panel.rows if values[row.model])
        return tuple(found)

    def _read_row(self, number: int, row: ControlRow, values: Values) -> Control | None:
        """One control; None for an empty row."""
        pictures, model = values[row.picture], str(values[row.model] or "")
        if not model:
            if pictures:
                raise RequestError(sentences.control_without_model(number))
            return None
        image = self.blobs.put_file(Path(pictures[0])) if pictures else ""
        return dataclasses.replace(self._read_settings(row, values), image=image)

    def _read_settings(self, row: ControlRow, values: Values) -> Control:
        """The control of a row, without its picture."""
        model = str(values[row.model])
        return Control(
            model=model,
            preprocessor=str(values[row.preprocessor] or "") or self._suggest(model),
            weight=round(float(values[row.weight]), 3),
            start=round(float(values[row.start]), 3),
            end=round(float(values[row.end]), 3),
            mode=str(values[row.mode]),
            resolution=0 if values[row.pixel_perfect] else COARSE_SIDE,
            shows=str(values[row.shows] or "") if self.reads_many_kinds(model) else "",
        )

    def reads_many_kinds(self, model: str) -> bool:
        """Whether it must be said what the map shows: to a union, and to a network whose name does not tell."""
        entry = self._find(model)
        return entry is not None and not find_purpose(entry.path)

    def _suggest(self, model: str) -> str:
        entry = self._find(model)
        return suggest_preprocessor(find_purpose(entry.path)) if entry else PREPROCESSORS[0]

    def _find(self, model: str) -> CheckpointEntry | None:
        return next((each for each in self.known.list_controls(None) if each.name == model), None) or next(
            (each for each in self.known.inventory.of_kind("controlnet") if each.name == model), None
        )

    def fill(self, request: GenerationRequest) -> list[Update]:
        """The fields that ask for a request's controls again."""
        rows = [*request.controls, *[None] * MOST_CONTROLS]
        return [update for row, control in zip(self.panel.rows, rows, strict=False) for update in self._fill_row(row, control)]

    def _fill_row(self, row: ControlRow, control: Control | None) -> list[Update]:
        if control is None:
            return [None, "", "", 1, 0, 1, CONTROL_MODES[0], True, gr.update(value="", visible=False)]
        path = self.blobs.find(control.image) if control.image else None
        known = control.preprocessor in OTHER_PREPROCESSORS
        return [
            [lend_file(path, row.picture)] if path else None, control.model, control.preprocessor if known else PREPROCESSORS[0],
            control.weight, control.start, control.end, control.mode, control.resolution == 0,
            gr.update(value=control.shows, visible=self.reads_many_kinds(control.model)),
        ]  # fmt: skip

    def show_map(self, row: ControlRow, values: Values, size: tuple[int, int]) -> str:
        """The map that the network of a row reads, with a link to download it; or why there is none."""
        number = self.panel.rows.index(row) + 1
        try:
            control = self._read_row(number, row, values)
            if control is None or not control.image:
                return render_notice(sentences.control_without_picture(number))
            entry = self.known.inventory.find(control.model, "controlnet")
            stored = self.blobs.put(preview_map(control, entry, self.blobs, *size))
        except EaselError as error:
            return render_notice(str(error), "trouble")
        return _HTML.render("map", hash=stored, number=number, size=f"{size[0]} × {size[1]}")


def wire_control_panel(
    service: ControlService,
    checkpoint: Component,
    session: PageSession,
    inputs: set[Component],
    find_size: Callable[[Values], tuple[int, int]],
) -> None:
    """Offer the networks that fit the chosen checkpoint, and show maps on request. ``find_size`` reads the size of the image."""
    rows, known = service.panel.rows, session.checkpoint_options

    def offer(chosen: str | None) -> Sequence[Update]:
        return [gr.update(choices=_list_models(known, chosen)) for _ in rows]

    models: list[Component] = [row.model for row in rows]
    on(checkpoint, "change")(offer, checkpoint, models, **QUIET)
    session.scanned.add(offer, checkpoint, models)
    for row in rows:
        controls.take_first(row.picture)
        on(row.model, "change")(
            lambda model: gr.update(visible=service.reads_many_kinds(str(model or ""))), row.model, row.shows, **QUIET
        )
        _wire_map(service, row, inputs, find_size)


def _wire_map(
    service: ControlService, row: ControlRow, inputs: set[Component], find_size: Callable[[Values], tuple[int, int]]
) -> None:
    def show(values: Values) -> str:
        try:
            return service.show_map(row, values, find_size(values))
        except EaselError as error:
            return render_notice(str(error), "trouble")

    on(row.show, "click")(show, {*inputs, *row.fields}, row.map, **QUIET)
