"""Converts a foreign record to a request that can be run here, and explains in sentences what could not be honoured."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict, Unpack

from engine.records.foreign.control_units import explain_units
from engine.records.foreign.fields import Unused
from engine.records.foreign.foreign_record import ForeignRecord
from engine.records.foreign.loras import name_loras
from engine.records.foreign.nearest_names import find_by_hash, find_nearest, find_same
from engine.requests import LATENT, LIMITS, MAX_PROMPT, TextToImage
from engine.seeds import MAX_SEED, read_seed

LANCZOS = "lanczos"
"""As in :data:`engine.checkpoints.library.upscalers.LANCZOS`, which records do not import."""

_MOST_NAMED = 100
"""The most fields that one sentence lists."""


class KnownNames(TypedDict, total=False):
    """The names of schedules and of other available files; without a list, any name of that kind is accepted. ``lora_hashes``:
    SHA-256 -> name."""

    schedules: Collection[str]
    loras: Collection[str]
    lora_hashes: Mapping[str, str]
    vaes: Collection[str]
    refiners: Collection[str]
    upscalers: Collection[str]


def to_request(
    record: ForeignRecord,
    samplers: Collection[str] = (),
    checkpoints: Collection[str] = (),
    hashes: Mapping[str, str] | None = None,
    **others: Unpack[KnownNames],
) -> tuple[TextToImage, tuple[str, ...]]:
    """The closest possible request, and a sentence for each thing that could not be honoured exactly.

    ``samplers`` and ``checkpoints`` are the available names; empty means that any name is accepted. A checkpoint is also found by
    its SHA-256 in ``hashes`` (SHA-256 -> name), whatever its name here.
    """
    notes: list[str] = []
    limits = _Limits(notes)
    refiner = find_same("refiner", record.refiner, others.get("refiners"), notes)
    start = limits.check("refiner_start", record.refiner_start)
    request = TextToImage(
        prompt=_name_loras(record, others, notes),
        negative_prompt=_shorten(record.negative_prompt, notes),
        prompt_template=_read_template(record.prompt_template, record.prompt),
        negative_template=_read_template(record.negative_template, record.negative_prompt),
        scheduler=find_nearest("sampler", record.scheduler, samplers, notes),
        schedule=find_nearest("noise schedule", record.schedule, others.get("schedules", ()), notes),
        checkpoint=_find_checkpoint(record, hashes or {}, checkpoints, notes),
        steps=limits.check_whole("steps", record.steps),
        guidance_scale=limits.check("guidance_scale", record.guidance_scale),
        guidance_rescale=limits.check("guidance_rescale", record.guidance_rescale),
        seed=_read_seed(record.seed, notes),
        width=limits.check_whole("width", record.width),
        height=limits.check_whole("height", record.height),
        clip_skip=limits.check_whole("clip_skip", record.clip_skip),
        vae=find_same("VAE", record.vae, others.get("vaes"), notes),
        refiner=refiner,
        refiner_start=TextToImage.refiner_start if start is None or refiner is None else start,
        controls=record.controls,
    )
    request = _add_hires(_add_variation(request, record, notes), record, samplers, others, notes)
    return request, (*notes, *_explain(record))


def _find_checkpoint(
    record: ForeignRecord, hashes: Mapping[str, str], checkpoints: Collection[str], notes: list[str]
) -> str | None:
    known = find_by_hash(record.checkpoint_hash or "", hashes)
    return known or find_nearest("checkpoint", record.checkpoint, checkpoints, notes)


def _add_variation(request: TextToImage, record: ForeignRecord, notes: list[str]) -> TextToImage:
    if record.variation is None:
        return request
    seed, strength = record.variation
    return dataclasses.replace(
        request,
        variation_seed=_read_seed(seed, notes),
        variation_strength=_Limits(notes).check("variation_strength", strength) or 0.0,
    )


def _add_hires(
    request: TextToImage, record: ForeignRecord, samplers: Collection[str], others: KnownNames, notes: list[str]
) -> TextToImage:
    """``request``, whose size is that of the first pass, with a second, larger one if ``record`` has one."""
    hires = record.hires
    if hires is None:
        return dataclasses.replace(request, hires=False)
    limits, first = _Limits(notes), (request.width, request.height)
    if first[0] is None or first[1] is None:
        notes.append("It was made in two passes, and the size of the first is not written, so it is drawn in one.")
        return dataclasses.replace(request, hires=False)
    factor = hires.factor or 1.0
    width, height = hires.width or round(first[0] * factor), hires.height or round(first[1] * factor)
    return dataclasses.replace(
        request,
        hires=True,
        first_width=first[0],
        first_height=first[1],
        width=limits.check_whole("width", width),
        height=limits.check_whole("height", height),
        hires_upscaler=_find_upscaler(hires.upscaler, others.get("upscalers"), notes),
        hires_steps=limits.check_whole("hires_steps", hires.steps),
        hires_strength=limits.check("hires_strength", record.strength),
        hires_guidance_scale=limits.check("hires_guidance_scale", hires.guidance_scale),
        hires_scheduler=find_nearest("sampler", hires.scheduler, samplers, notes),
        hires_schedule=find_nearest("noise schedule", hires.schedule, others.get("schedules", ()), notes),
    )


def _find_upscaler(name: str | None, known: Collection[str] | None, notes: list[str]) -> str | None:
    """The upscaler between two passes that is called so, None for the built-in one."""
    if name is None or name.casefold() in ("none", LANCZOS):
        return LANCZOS if name else None
    if name.casefold().startswith(LATENT):
        if name.casefold() != LATENT:
            notes.append(f"The upscaler “{name[:100]}” is not here; “Latent” comes nearest.")
        return LATENT
    return find_same("upscaler", name, known, notes)


@dataclass(frozen=True)
class _Limits:
    """Leaves numbers open that a request does not take, with a note for each."""

    notes: list[str]

    def check(self, name: str, value: float | None) -> float | None:
        """``value`` if it is within the limits of the field ``name``, else None."""
        limit = LIMITS[name]
        if value is None or limit.least <= value <= limit.most:
            return value
        self.notes.append(f"{limit.name} was {value}; Easel takes {limit.least} to {limit.most}, so it is left open.")
        return None

    def check_whole(self, name: str, value: int | None) -> int | None:
        return value if self.check(name, value) is not None else None


def _name_loras(record: ForeignRecord, others: KnownNames, notes: list[str]) -> str:
    """The prompt with a tag for each LoRA, without them if it would be too long."""
    prompt = _shorten(record.prompt, notes)
    tagged = name_loras(prompt, record.loras, others.get("loras"), others.get("lora_hashes", {}), notes)
    return tagged if len(tagged) <= MAX_PROMPT else prompt


def _explain(record: ForeignRecord) -> Iterator[str]:
    """Sentences on what does not concern a single field."""
    if record.strength is not None and record.strength < 1 and record.hires is None:
        yield (
            f"It was made from another picture (denoising strength {record.strength:g}); "
            "these settings repeat the prompt but not that picture."
        )
    if record.program == "NovelAI" and re.search(r"[{\[]|\d::", record.prompt):
        yield "NovelAI weighs words with {braces}, [brackets] and 1.2::signs::; Easel reads (words:1.2)."
    if record.controls:
        yield explain_units(record.controls)
    yield from explain_unused(record.unused)


def explain_unused(unused: Unused) -> Iterator[str]:
    """One sentence for each category of unused fields."""
    if unused.settings:
        yield f"Easel has no settings for these, so the picture will differ: {_list(unused.settings)}."
    if unused.facts:
        yield f"These are noted in the file and not needed to make the picture: {_list(unused.facts)}."
    if unused.unknown:
        yield f"Easel does not know what these mean and leaves them out: {_list(unused.unknown)}."


def _list(items: tuple[str, ...]) -> str:
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _read_seed(seed: int | None, notes: list[str]) -> int | None:
    """The seed to use, None for a random one; adds a note if the record's seed cannot be used."""
    used = read_seed(seed)
    if used is None and seed is not None and seed != -1:
        notes.append(f"The seed was {seed}; Easel takes 0 to {MAX_SEED}, so a random one is used.")
    return used


def _read_template(template: str, drawn: str) -> str:
    """The template of a prompt, "" where it says no more than what was ``drawn``."""
    return template if template != drawn and len(template) <= MAX_PROMPT else ""


def _shorten(text: str, notes: list[str]) -> str:
    if len(text) > MAX_PROMPT:
        notes.append(f"A prompt had {len(text):,} characters; the first {MAX_PROMPT:,} are kept.")
    return text[:MAX_PROMPT]
