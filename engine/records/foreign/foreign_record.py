"""The common form of other programs' records."""

from __future__ import annotations

from dataclasses import dataclass

from engine.records.foreign.fields import NOTHING_UNUSED, Unused
from engine.requests import Control


@dataclass(frozen=True)
class ForeignLora:
    """A LoRA by its file's name, its strength in both networks or the text encoder's alone, and its hash if known.

    ``hash`` is the beginning of a SHA-256: of the file, or of its weights without the header ("AutoV3").
    """

    name: str
    weight: float = 1.0
    unet_weight: float | None = None
    hash: str = ""


@dataclass(frozen=True, kw_only=True)
class ForeignHires:
    """A second, larger pass: ``factor`` times the size of the first, or ``width`` x ``height`` pixels. ``upscaler`` is its name
    there. None for what the program did not write."""

    factor: float | None = None
    width: int | None = None
    height: int | None = None
    upscaler: str | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None
    schedule: str | None = None


@dataclass(frozen=True, kw_only=True)
class ForeignRecord:
    """What a record contains; None for what the program did not write. ``raw`` is the text that it was read from.

    ``scheduler`` and ``schedule`` are in AUTOMATIC1111's spelling. ``clip_skip`` is in AUTOMATIC1111's counting (2: the last
    layer but one). ``prompt_template`` and ``negative_template`` are what the prompts were drawn from, "" for nothing.
    ``strength`` is that of the second pass where there is one (``hires``). ``loras`` may also be in the prompt as tags.
    ``controls`` have no pictures. ``variation`` is the seed of a variation, and how far it goes. ``unused`` is everything else in
    the record.
    """

    program: str
    raw: str
    prompt: str = ""
    negative_prompt: str = ""
    prompt_template: str = ""
    negative_template: str = ""
    steps: int | None = None
    scheduler: str | None = None
    schedule: str | None = None
    guidance_scale: float | None = None
    guidance_rescale: float | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    checkpoint: str | None = None
    checkpoint_hash: str | None = None
    clip_skip: int | None = None
    strength: float | None = None
    loras: tuple[ForeignLora, ...] = ()
    vae: str | None = None
    refiner: str | None = None
    refiner_start: float | None = None
    controls: tuple[Control, ...] = ()
    hires: ForeignHires | None = None
    variation: tuple[int | None, float] | None = None
    unused: Unused = NOTHING_UNUSED
