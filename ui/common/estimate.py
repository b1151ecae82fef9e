"""The estimate shown before Generate is pressed: whether it fits, and about how long it takes. It follows the form."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency
from markupsafe import Markup

from engine.checkpoints.library.entry import CheckpointEntry
from engine.descriptions import EngineDescription
from engine.errors import EaselError
from engine.generate.control.prepare import find_controls
from engine.generate.detail.hires_choice import choose_hires, explain_hires
from engine.generate.estimate import Circumstances, Estimate, estimate
from engine.generate.samplers.few_steps import apply_few_steps
from engine.plan.hardware.facts import Hardware, from_text
from engine.plan.learned import LearnedFacts
from engine.plan.remedies import explain_remedies, read_result
from engine.requests import Axis, GenerationRequest, ResolvedGeneration, complete, find_cell, is_grid
from engine.settings import Settings
from ui import messages, sentences
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.fields import Fields
from ui.common.generate_button import warm_checkpoint
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Values, on
from ui.templates import Macros, render_notices

_GRID = [f"grid_{side}{part}" for side in messages.GRID_SIDES for part in ("", "_values")]

WATCHED = (
    "prompt", "checkpoint", "size", "width", "height", "steps", "guidance_scale", "count", "speed", "precision", "strength",
    "max_terms", "hires", "hires_factor", "hires_width", "hires_height", "hires_steps", "hires_strength",
    "keep_lines", "lines_model", "lines_weight", "lines_start", "lines_end", "refiner", *_GRID,
)  # fmt: skip
"""Fields that time and memory depend on."""

_SAMPLES, _STRIDE = 24, 7919
"""How many cells of a grid are looked at, and a prime, so that they are of all rows and columns."""

_HTML = Macros("common/estimate.html")


class EstimateService:
    """Estimates a request on this machine, as the worker described the machine."""

    def __init__(self, settings: Settings, checkpoint_options: CheckpointOptions) -> None:
        self._settings, self._checkpoint_options = settings, checkpoint_options
        self._notes = LearnedFacts(settings.data / "learnt.json")

    def estimate(self, asked: GenerationRequest, described: EngineDescription | None) -> str:
        """A line of HTML; "" while the worker starts, or if nothing is known about this checkpoint."""
        if described is None or not described.hardware:
            return ""
        here = Circumstances(
            settings=self._settings, hardware=from_text(described.hardware), notes=self._notes, measured=described.measured
        )
        try:
            found, passes = zip(*(self._estimate_image(image, here) for image in list_samples(asked)), strict=True)
        except (EaselError, KeyError):
            return ""  # Generate says what is wrong with the request or with the checkpoint.
        notices = render_notices(dict.fromkeys(filter(None, passes)))
        together = combine_estimates(found)
        return explain_device(here.hardware, self._settings.data) + notices + render_estimate(together, asked.count, asked.axes)

    def _estimate_image(self, asked: GenerationRequest, here: Circumstances) -> tuple[Estimate, str]:
        """The estimate of one image, and a sentence if it is drawn in two passes. Raises EaselError or KeyError."""
        entry = self._checkpoint_options.find_entry(asked.checkpoint)
        inventory = self._checkpoint_options.inventory
        asked, entry, _ = apply_few_steps(asked, entry, inventory)
        request = _complete(asked, entry)
        running, _ = find_controls(request.controls, entry, inventory)
        refiner = inventory.find(asked.refiner) if asked.refiner else None
        return estimate(entry, request, here, refiner, [each.entry for each in running]), explain_hires(asked, request)


def list_samples(asked: GenerationRequest) -> list[GenerationRequest]:
    """``asked``, or some cells of its grid, scattered over all of its axes."""
    if not is_grid(asked):
        return [asked]
    numbers = {number * _STRIDE % asked.count for number in range(min(_SAMPLES, asked.count))}
    return [find_cell(asked, number).request for number in sorted(numbers)]


def combine_estimates(found: Sequence[Estimate]) -> Estimate:
    """One estimate for several images: the most memory, and the mean time where it is known."""
    refused = next((each for each in found if each.refusal), None)
    seconds = [each.seconds for each in found if each.seconds is not None]
    largest = refused or max(found, key=lambda each: each.need)
    return dataclasses.replace(largest, seconds=sum(seconds) / len(seconds) if seconds else None)


def wire_estimate(
    shown: gr.HTML,
    fields: Fields,
    session: PageSession,
    ask: Callable[[Values], GenerationRequest],
    ended: Dependency,
    guides: Sequence[Component] = (),
) -> None:
    """``shown`` displays the estimate for ``ask(values of fields)``, anew when jobs have ``ended``: they teach how long it takes.
    ``guides`` are the fields of the request's controls.

    A checkpoint that is chosen is loaded meanwhile.
    """
    service = EstimateService(session.settings, session.checkpoint_options)

    def look(values: Values) -> str:
        try:
            return service.estimate(ask(values), session.jobs.describe())
        except EaselError:
            return ""  # The form cannot be used as it is: Generate says why.

    def warm(checkpoint: str) -> None:
        warm_checkpoint(session.jobs, session.checkpoint_options, checkpoint)

    every = {*fields.values(), *guides}
    watched = (*(fields[name] for name in WATCHED if name in fields), *guides)
    changes = [on(field, "change") for field in watched]
    gr.on(changes, look, every, shown, trigger_mode="always_last", **QUIET)
    session.worker_started.add(look, every, shown)
    ended.then(look, every, shown, **QUIET)
    on(fields["checkpoint"], "input")(warm, fields["checkpoint"], None, **QUIET)


def explain_device(hardware: Hardware, data: Path) -> Markup:
    """Why the device is not another one, and whether it computed wrong pictures, by its self-test in the ``data`` folder."""
    return render_notices((*hardware.notes, *explain_remedies(read_result(data, hardware.device))))


def render_estimate(found: Estimate, count: int, axes: Sequence[Axis] = ()) -> Markup:
    """An estimate as HTML. ``count`` images are asked for, those of a grid if there are ``axes``."""
    if found.refusal:
        return _HTML.render("refusal", sentence=f"{messages.DOES_NOT_FIT} {found.refusal}")
    grid = [sentences.grid_size([len(axis.values) for axis in axes])] if axes else []
    said = [*grid, sentences.memory_need(found.need, found.free), *found.measures, sentences.image_time(found.seconds, count)]
    return _HTML.render("estimate", sentences=" ".join(said))


def _complete(asked: GenerationRequest, entry: CheckpointEntry) -> ResolvedGeneration:
    """``asked`` with its open fields set to the checkpoint's recommended values; the seed makes no difference."""
    family = entry.family
    scale = family.guidance_scale if asked.guidance_scale is None else asked.guidance_scale
    request = complete(
        asked, checkpoint=entry.name, width=asked.width or family.native_size, height=asked.height or family.native_size,
        steps=asked.steps or family.steps, guidance_scale=scale, scheduler=asked.scheduler or family.scheduler, seed=0,
    )  # fmt: skip
    return request if family.loaded_by_diffusers else choose_hires(asked, request, family.native_size, family.size_multiple)
