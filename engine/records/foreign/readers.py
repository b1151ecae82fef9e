"""What other programs wrote into an image, as Easel's settings.

Each program's layout is read by its own function in ``foreign_texts`` and ``foreign_graph``; this room knows the order in
which they are asked and turns what they found into a request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from engine.records.foreign import stealth
from engine.records.foreign.comfyui import read_comfyui
from engine.records.foreign.flat_texts import read_automatic1111, read_easy_diffusion, read_fooocus, read_invokeai, read_novelai
from engine.records.foreign.foreign_record import ForeignRecord, json_object
from engine.records.foreign.nearest_names import find_nearest
from engine.records.images import metadata_chunks
from engine.records.images.decoder import decode
from engine.requests import LIMITS, MAX_PROMPT, Limit, TextToImage
from engine.seeds import MAX_SEED, read_seed

__all__ = ["ForeignRecord", "read", "to_request"]

_READERS: tuple[Callable[[Mapping[str, str]], ForeignRecord | None], ...] = (
    read_fooocus,
    read_automatic1111,
    read_comfyui,
    read_invokeai,
    read_novelai,
    read_easy_diffusion,
)
"""In this order: a text made for other programs is more exact than a graph that is found beside it."""

_TAGS = (0x010E, 0x010F, 0x0110, 0x8298)
"""EXIF's ImageDescription, Make, Model, Copyright: ComfyUI and its nodes write "prompt:{...}" into them."""


def read(source: Path | bytes, hidden: bool = True) -> ForeignRecord | None:
    """What another program wrote into a PNG, JPEG or WebP; None if nothing is found. Raises OSError if it cannot be read.

    Give it the file itself or its bytes: an image that the page re-encoded has lost its texts. ``hidden`` also looks into the
    alpha plane, for which the image is decoded.
    """
    texts = metadata_chunks.read_texts(source)
    if texts is None:
        return None
    return _read_first(_collect_fields(texts)) or (_read_first(_read_hidden(source)) if hidden else None)


def to_request(
    record: ForeignRecord,
    samplers: Collection[str] = (),
    checkpoints: Collection[str] = (),
    hashes: Mapping[str, str] | None = None,
) -> tuple[TextToImage, tuple[str, ...]]:
    """The request that comes nearest, and a sentence for each thing that cannot be honoured as it was.

    ``samplers`` and ``checkpoints`` are the names that there are here; empty means that any name will do. A checkpoint whose
    SHA-256 in ``hashes`` (SHA-256 -> name) is that of the record is taken whatever it is called here.
    """
    notes: list[str] = []

    def within(name: str, value: float | None) -> float | None:
        return _check_limit(LIMITS[name], value, notes)

    def whole(name: str, value: int | None) -> int | None:
        return value if within(name, value) is not None else None

    same_file = _find_by_hash(record.checkpoint_hash or "", hashes or {})
    request = TextToImage(
        prompt=_shorten(record.prompt, notes),
        negative_prompt=_shorten(record.negative_prompt, notes),
        scheduler=find_nearest("sampler", record.scheduler, samplers, notes),
        checkpoint=same_file or find_nearest("checkpoint", record.checkpoint, checkpoints, notes),
        steps=whole("steps", record.steps),
        guidance_scale=within("guidance_scale", record.guidance_scale),
        seed=_read_seed(record.seed, notes),
        width=whole("width", record.width),
        height=whole("height", record.height),
        clip_skip=whole("clip_skip", record.clip_skip),
    )
    if record.strength is not None and record.strength < 1:
        notes.append(
            f"It was made from another picture or in a second pass (denoising strength {record.strength:g}); "
            "these settings repeat the prompt but not that picture."
        )
    if record.program == "NovelAI" and any(c in record.prompt for c in "{["):
        notes.append("NovelAI weighs words with {braces} and [brackets]; Easel reads (words:1.2).")
    return request, tuple(notes)


def _find_by_hash(written: str, hashes: Mapping[str, str]) -> str | None:
    """The checkpoint whose SHA-256 begins with ``written``: most programs write the first 10 digits."""
    if not re.fullmatch(r"[0-9a-fA-F]{10,64}", written):
        return None
    return next((name for sha256, name in hashes.items() if sha256.startswith(written.lower())), None)


def _check_limit(limit: Limit, value: float | None, notes: list[str]) -> float | None:
    """``value`` if Easel can honour it, else None and a note."""
    if value is None or limit.least <= value <= limit.most:
        return value
    notes.append(f"{limit.name} was {value}; Easel takes {limit.least} to {limit.most}, so it is left open.")
    return None


def _read_seed(seed: int | None, notes: list[str]) -> int | None:
    """The seed to use, None for a random one; a note if the record has one that cannot be used."""
    used = read_seed(seed)
    if used is None and seed is not None and seed != -1:
        notes.append(f"The seed was {seed}; Easel takes 0 to {MAX_SEED}, so a random one is used.")
    return used


def _shorten(text: str, notes: list[str]) -> str:
    if len(text) > MAX_PROMPT:
        notes.append(f"A prompt had {len(text):,} characters; the first {MAX_PROMPT:,} are kept.")
    return text[:MAX_PROMPT]


def _read_first(fields: Mapping[str, str]) -> ForeignRecord | None:
    return next((record for reader in _READERS if (record := reader(fields)) is not None), None)


def _collect_fields(texts: metadata_chunks.Texts) -> dict[str, str]:
    """All texts by keyword, as if they had come from a PNG: JPEG and WebP carry the same texts in EXIF."""
    fields = dict(texts.keyed)
    for text in (texts.tag(number) for number in _TAGS):
        key, colon, value = text.partition(":")
        if colon and key.isidentifier():
            fields.setdefault(key.casefold(), value)
    for text in (texts.user_comment, texts.comment):
        fields |= {key: value for key, value in _list_fields(text).items() if key not in fields}
    return fields


def _list_fields(text: str) -> dict[str, str]:
    """A comment as fields: the entries of a JSON object, its whole as ``parameters`` besides."""
    return {} if not text else {"parameters": text, **_read_entries(text)}


def _read_entries(text: str) -> dict[str, str]:
    written = json_object(text)
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in written.items() if v is not None}


def _read_hidden(source: Path | bytes) -> dict[str, str]:
    """The fields that lie in the lowest bits of the alpha plane."""
    hidden = decode([source], stealth.read, source) if isinstance(source, Path) else stealth.read(source)
    return _list_fields(hidden)
