"""Converts a foreign record to a request that can be run here, and explains in sentences what could not be honoured."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from engine.records.foreign.fields import Unused
from engine.records.foreign.foreign_record import ForeignRecord
from engine.records.foreign.loras import name_loras
from engine.records.foreign.nearest_names import find_by_hash, find_nearest, find_same
from engine.requests import LIMITS, MAX_PROMPT, Limit, TextToImage
from engine.seeds import MAX_SEED, read_seed

_MOST_NAMED = 100
"""The most fields that one sentence lists."""


def to_request(
    record: ForeignRecord,
    samplers: Collection[str] = (),
    checkpoints: Collection[str] = (),
    hashes: Mapping[str, str] | None = None,
    *,
    schedules: Collection[str] = (),
    loras: Collection[str] | None = None,
    lora_hashes: Mapping[str, str] | None = None,
    vaes: Collection[str] | None = None,
    refiners: Collection[str] | None = None,
) -> tuple[TextToImage, tuple[str, ...]]:
    """The closest possible request, and a sentence for each thing that could not be honoured exactly.

    ``samplers``, ``schedules`` and ``checkpoints`` are the available names; empty means that any name is accepted, as None does
    for the others.
    A checkpoint or LoRA is also found by its SHA-256 in ``hashes`` or ``lora_hashes`` (SHA-256 -> name), whatever its name here.
    """
    notes: list[str] = []

    def within(name: str, value: float | None) -> float | None:
        return _check_limit(LIMITS[name], value, notes)

    def whole(name: str, value: int | None) -> int | None:
        return value if within(name, value) is not None else None

    same_file = find_by_hash(record.checkpoint_hash or "", hashes or {})
    prompt = name_loras(_shorten(record.prompt, notes), record.loras, loras, lora_hashes or {}, notes)
    refiner = find_same("refiner", record.refiner, refiners, notes)
    start = within("refiner_start", record.refiner_start)
    request = TextToImage(
        prompt=prompt if len(prompt) <= MAX_PROMPT else _shorten(record.prompt, notes),
        negative_prompt=_shorten(record.negative_prompt, notes),
        prompt_template=_read_template(record.prompt_template, record.prompt),
        negative_template=_read_template(record.negative_template, record.negative_prompt),
        scheduler=find_nearest("sampler", record.scheduler, samplers, notes),
        schedule=find_nearest("noise schedule", record.schedule, schedules, notes),
        checkpoint=same_file or find_nearest("checkpoint", record.checkpoint, checkpoints, notes),
        steps=whole("steps", record.steps),
        guidance_scale=within("guidance_scale", record.guidance_scale),
        guidance_rescale=within("guidance_rescale", record.guidance_rescale),
        seed=_read_seed(record.seed, notes),
        width=whole("width", record.width),
        height=whole("height", record.height),
        clip_skip=whole("clip_skip", record.clip_skip),
        vae=find_same("VAE", record.vae, vaes, notes),
        refiner=refiner,
        refiner_start=TextToImage.refiner_start if start is None or refiner is None else start,
    )
    notes += _explain(record)
    return request, tuple(notes)


def _explain(record: ForeignRecord) -> Iterator[str]:
    """Sentences on what does not concern a single field."""
    if record.strength is not None and record.strength < 1:
        yield (
            f"It was made from another picture or in a second pass (denoising strength {record.strength:g}); "
            "these settings repeat the prompt but not that picture."
        )
    if record.program == "NovelAI" and re.search(r"[{\[]|\d::", record.prompt):
        yield "NovelAI weighs words with {braces}, [brackets] and 1.2::signs::; Easel reads (words:1.2)."
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


def _check_limit(limit: Limit, value: float | None, notes: list[str]) -> float | None:
    """``value`` if it is within ``limit``, else None and a note."""
    if value is None or limit.least <= value <= limit.most:
        return value
    notes.append(f"{limit.name} was {value}; Easel takes {limit.least} to {limit.most}, so it is left open.")
    return None


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
