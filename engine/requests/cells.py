"""The images of a grid: the request of each cell, and the order in which they are made."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from engine.errors import RequestError
from engine.requests.axes import MOST_AXES, MOST_CELLS, WHOLE, Axis, count_cells
from engine.requests.kinds import GenerationRequest, ImageToImage, TextToImage
from engine.seeds import read_seed

_G = TypeVar("_G", bound=GenerationRequest)

_LORA = re.compile(r"(<(?:lora|lyco):[^:<>]+):?([^:<>]*)")
_SIZE = re.compile(r"(\d{1,5})\s*[x×*]\s*(\d{1,5})", re.IGNORECASE)


@dataclass(frozen=True)
class AxisKind:
    """What may vary along an axis: its ``label``, and what makes the request of a value. Axes with a smaller ``rank`` vary more
    slowly, because a change costs more: another checkpoint is another load."""

    label: str
    change: Callable[[GenerationRequest, Axis, str], GenerationRequest]
    rank: int = 3


def _set_text(request: GenerationRequest, axis: Axis, value: str) -> GenerationRequest:
    if not value:
        raise RequestError(f"A value of {AXES[axis.field].label} is empty. Take it out, or write what it is.")
    return dataclasses.replace(request, **{axis.field: value})


def _set_optional(request: GenerationRequest, axis: Axis, value: str) -> GenerationRequest:
    return dataclasses.replace(request, **{axis.field: None if value.casefold() in ("", "none", "automatic") else value})


def _set_number(request: GenerationRequest, axis: Axis, value: str) -> GenerationRequest:
    return dataclasses.replace(request, **{axis.field: _read_number(axis, value)})


def _set_seed(request: GenerationRequest, axis: Axis, value: str) -> GenerationRequest:
    number = int(_read_number(axis, value))
    if read_seed(number) is None:
        raise RequestError(f"{AXES[axis.field].label} {value} is not a seed. Write a whole number from 0.")
    return dataclasses.replace(request, **{axis.field: number})


def _set_size(request: GenerationRequest, axis: Axis, value: str) -> GenerationRequest:
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise RequestError(f"The size “{value[:60]}” cannot be read. Write width x height in pixels, such as 512x768.")
    return dataclasses.replace(request, width=int(found[1]), height=int(found[2]))


def _replace_words(request: GenerationRequest, axis: Axis, value: str) -> GenerationRequest:
    """Search and replace: the first value is searched for, in both prompts."""
    searched = axis.values[0]
    if not searched or searched not in (request.prompt + "\n" + request.negative_prompt):
        raise RequestError(
            f"“{searched[:60]}” is in neither prompt, so there is nothing to replace. It is the first of the words."
        )
    return dataclasses.replace(
        request, prompt=request.prompt.replace(searched, value), negative_prompt=request.negative_prompt.replace(searched, value)
    )


def _append(request: GenerationRequest, axis: Axis, value: str) -> GenerationRequest:
    return dataclasses.replace(request, prompt=", ".join(part for part in (request.prompt, value) if part.strip()))


def _set_lora_weight(request: GenerationRequest, axis: Axis, value: str) -> GenerationRequest:
    weight = f"{_read_number(axis, value):g}"
    if not _LORA.search(request.prompt):
        raise RequestError("The prompt names no LoRA whose weight could vary. Write one, such as <lora:name:1>.")
    return dataclasses.replace(request, prompt=_LORA.sub(rf"\g<1>:{weight}", request.prompt))


def _read_number(axis: Axis, value: str) -> float:
    """A number; a whole one where the field counts something. Raises RequestError."""
    label = AXES[axis.field].label
    try:
        return int(value) if axis.field in WHOLE else float(value)
    except ValueError:
        what = "a whole number" if axis.field in WHOLE else "a number"
        raise RequestError(f"{label} must be {what}. One of its values is “{value[:60]}”.") from None


AXES: Mapping[str, AxisKind] = {
    "seed": AxisKind("Seed", _set_seed),
    "variation_seed": AxisKind("Variation seed", _set_seed),
    "variation_strength": AxisKind("Variation strength", _set_number),
    "steps": AxisKind("Steps", _set_number),
    "guidance_scale": AxisKind("CFG scale", _set_number),
    "guidance_rescale": AxisKind("CFG rescale", _set_number),
    "guidance": AxisKind("Guidance", _set_text),
    "scheduler": AxisKind("Sampler", _set_text),
    "schedule": AxisKind("Schedule", _set_optional),
    "strength": AxisKind("Denoising strength", _set_number),
    "hires_strength": AxisKind("Strength of the second pass", _set_number),
    "hires_steps": AxisKind("Steps of the second pass", _set_number),
    "hires_guidance_scale": AxisKind("CFG scale of the second pass", _set_number),
    "hires_upscaler": AxisKind("Enlarged by", _set_optional),
    "size": AxisKind("Size", _set_size),
    "clip_skip": AxisKind("Clip skip", _set_number),
    "speed": AxisKind("Speed", _set_text),
    "words": AxisKind("Words, replaced", _replace_words),
    "append": AxisKind("Words, added", _append),
    "lora_weight": AxisKind("LoRA weight", _set_lora_weight, 2),
    "vae": AxisKind("VAE", _set_optional, 1),
    "refiner": AxisKind("Refiner", _set_optional, 1),
    "refiner_start": AxisKind("Refiner from", _set_number),
    "checkpoint": AxisKind("Checkpoint", _set_text, 0),
}
"""Field of an axis -> what it does."""

_REPEATABLE = ("words", "append")


@dataclass(frozen=True)
class Cell:
    """An image of a grid: where it stands (an index on each axis), and its request."""

    place: tuple[int, ...]
    request: GenerationRequest


def list_cells(request: GenerationRequest) -> Iterator[Cell]:
    """The images of a grid in the order in which they are made: what is costly to change changes least often."""
    return (find_cell(request, number) for number in range(count_cells(request.axes)))


def find_cell(request: GenerationRequest, number: int) -> Cell:
    """Image ``number`` of a grid."""
    axes = request.axes
    at: dict[int, int] = {}
    for fastest in sorted(range(len(axes)), key=lambda index: (-AXES[axes[index].field].rank, index)):
        number, at[fastest] = divmod(number, len(axes[fastest].values))
    place = tuple(at[index] for index in range(len(axes)))
    return Cell(place, _change(without_axes(request), axes, place))


def without_axes(request: _G) -> _G:
    """The request of one image, which nothing varies."""
    return dataclasses.replace(request, axes=(), count=1)


def describe_cell(axes: tuple[Axis, ...], place: tuple[int, ...]) -> str:
    """A cell in words: "Steps 20, CFG scale 7"."""
    return ", ".join(f"{AXES[axis.field].label} {axis.values[index]}" for axis, index in zip(axes, place, strict=True))


def list_changes(request: GenerationRequest) -> Iterator[GenerationRequest]:
    """For each value of each axis the request of an image that has it. Raises RequestError for axes that cannot be."""
    axes = request.axes
    if not axes:
        return
    for fault in _list_faults(request):
        raise RequestError(fault)
    for number, axis in enumerate(axes):
        for index in range(len(axis.values)):
            yield _change(without_axes(request), axes, tuple(index if number == other else 0 for other in range(len(axes))))


def _change(request: GenerationRequest, axes: tuple[Axis, ...], place: tuple[int, ...]) -> GenerationRequest:
    for axis, index in zip(axes, place, strict=True):
        request = AXES[axis.field].change(request, axis, axis.values[index])
    return request


def _list_faults(request: GenerationRequest) -> Iterator[str]:
    fields = [axis.field for axis in request.axes]
    if len(fields) > MOST_AXES:
        yield f"A grid has up to {MOST_AXES} directions. There were {len(fields)}."
    if not isinstance(request, TextToImage | ImageToImage):
        yield "A grid is drawn from a prompt or from a picture, not from a comparison of negative prompts."
    if isinstance(request, ImageToImage) and (request.draft or request.strengths):
        yield "A grid varies its own fields: take out the draft, or the list of strengths."
    for name in fields:
        if name not in AXES:
            yield f"{name!r} is nothing that a grid can vary. It can be {', '.join(AXES)}."
        elif fields.count(name) > 1 and name not in _REPEATABLE:
            yield f"{AXES[name].label} stands twice in the grid. Let each direction vary something else."
        elif name == "strength" and not isinstance(request, ImageToImage):
            yield "Denoising strength is for pictures to begin with. For the second pass of hires fix there is its own strength."
        elif name.startswith("hires_") and not request.hires:
            yield f"{AXES[name].label} only matters with hires fix. Switch it on first."
        elif name == "refiner_start" and not request.refiner and "refiner" not in fields:
            yield "Refiner from only matters with a refiner. Choose one first."
        elif name == "variation_seed" and not request.variation_strength and "variation_strength" not in fields:
            yield "Variation seed only matters with a variation strength above 0. Write one first."
    for axis in request.axes:
        if not axis.values:
            yield f"The grid has no values for {AXES[axis.field].label}. Write some, with commas between them."
    count = count_cells(request.axes)
    if count > MOST_CELLS:
        yield f"This grid has {count:,} pictures; a grid can have {MOST_CELLS:,}. Take out some values."
