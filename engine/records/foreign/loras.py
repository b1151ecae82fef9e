"""LoRAs of other programs' records as tags in Easel's prompt, under their files' names here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping

from engine.records.foreign.fields import Fields
from engine.records.foreign.foreign_record import ForeignLora
from engine.records.foreign.nearest_names import find_by_hash, plain_name
from engine.records.foreign.values import number

_TAG = re.compile(r"<(?:lora|lyco):([^<>:]+)((?::[^<>]*)?)>", re.IGNORECASE)
_MOST, _MOST_LISTED = 100, 10_000
"""The most LoRAs of one image that are kept, and that are examined."""

_HEAVIEST = 1000.0
"""The largest strength; strengths have as many digits as Easel's prompt syntax accepts."""


def name_loras(
    prompt: str, loras: Iterable[ForeignLora], here: Collection[str] | None, hashes: Mapping[str, str], notes: list[str]
) -> str:
    """``prompt`` with a tag for each of ``loras``, named as ``here``; None keeps all names.

    A LoRA whose hash is a prefix of a key of ``hashes`` (SHA-256 -> name) is found whatever its name. ``notes`` receives a
    sentence for each that is not here.
    """
    listed = list(itertools.islice(loras, _MOST_LISTED))
    written = {plain_name(found[1]) for found in _TAG.finditer(prompt)}
    added = [lora for lora in listed if plain_name(lora.name) not in written]
    if len(added) > _MOST:
        notes.append(f"The picture names {len(added):,} LoRAs; the first {_MOST} are kept.")
    whole = " ".join([prompt.rstrip(), *map(write_tag, added[:_MOST])]).lstrip() if added else prompt
    if here is None:
        return whole
    digests = {plain_name(lora.name): lora.hash for lora in listed}
    names = {plain_name(name): name for name in here}
    missing: dict[str, None] = {}

    def rename(found: re.Match[str]) -> str:
        plain = plain_name(found[1])
        name = find_by_hash(digests.get(plain, ""), hashes) or names.get(plain)
        if name is None:
            missing[found[1]] = None
        return f"<lora:{name or found[1]}{found[2]}>"

    named = _TAG.sub(rename, whole)
    if missing:
        notes.append(_explain_missing(list(missing)))
    return named


def _explain_missing(names: list[str]) -> str:
    quoted = ", ".join(f"“{name}”" for name in names[:_MOST])
    if len(names) == 1:
        return f"The LoRA {quoted} is not in your models folder. Put its file there, or take its tag out of the prompt."
    return f"The LoRAs {quoted} are not in your models folder. Put their files there, or take their tags out of the prompt."


def write_tag(lora: ForeignLora) -> str:
    """The tag of a LoRA; characters that would end the tag are removed from its name."""
    name = re.sub(r"[<>:\s]+", " ", re.sub(r"\.(safetensors|ckpt|pt|bin)$", "", lora.name)).strip()
    unet = "" if lora.unet_weight in (None, lora.weight) else f":{_format(lora.unet_weight or 0.0)}"
    return f"<lora:{name}:{_format(lora.weight)}{unet}>"


def _format(weight: float) -> str:
    within = max(-_HEAVIEST, min(_HEAVIEST, weight))
    return f"{within:.6f}".rstrip("0").rstrip(".")


def read_tags(prompt: str, hashes: Mapping[str, str]) -> tuple[ForeignLora, ...]:
    """The LoRAs in the tags of ``prompt``, with their hashes by plain name."""
    found: list[ForeignLora] = []
    for tag in itertools.islice(_TAG.finditer(prompt), _MOST):
        weights = [weight for part in tag[2].split(":") if (weight := number(part)) is not None]
        found.append(ForeignLora(tag[1], *weights[:2], hash=hashes.get(plain_name(tag[1]), "")))
    return tuple(found)


def take_lora(
    fields: Fields, names: tuple[str, ...], weights: tuple[str, ...], hashes: tuple[str, ...] = ()
) -> ForeignLora | None:
    """The LoRA that ``fields`` describes; None, and nothing is taken, if it has no name."""
    name = fields.text(*names)
    if name is None:
        return None
    weight = fields.number(*weights)
    return ForeignLora(name, 1.0 if weight is None else weight, hash=fields.text(*hashes) or "" if hashes else "")
