"""Fooocus' JSON, its older form with labels as keys, and RuinedFooocus' JSON.

Formats: Fooocus ``modules/meta_parser.py`` and ``modules/private_logger.py``; RuinedFooocus ``modules/imagesaver.py`` and,
in older versions, ``modules/async_worker.py``. Fooocus' other scheme is AUTOMATIC1111's text.
"""

from __future__ import annotations

import re

from engine.json_values import JsonValue
from engine.records.foreign.fields import Fields, KnownFields
from engine.records.foreign.foreign_record import ForeignLora, ForeignRecord
from engine.records.foreign.nearest_names import plain_name
from engine.records.foreign.programs.automatic1111 import read_size
from engine.records.foreign.sampler_names import read_sampler
from engine.records.foreign.values import number, text

_SHARED = {
    "styles": "styles",
    "performance": "performance",
    "sharpness": "sharpness",
    "adm.guidance": "ADM guidance",
    "refiner.swap.method": "refiner swap method",
    "adaptive_cfg|cfg mimicking from tsnr": "CFG mimicking from TSNR",
    "overwrite.switch": "overwrite switch",
    "freeu": "FreeU",
    "inpaint.*|outpaint.*|uov.*|enhance.*|cn.*|ip.*|mixing.*": "",
    "full_prompt|fooocus v2 expansion": "the prompt with its styles written out",
    "full_negative_prompt": "the negative prompt with its styles written out",
}
KNOWN = KnownFields(
    settings=_SHARED,
    facts={
        "created_by|user": "created by",
        "refiner_model_hash|refiner model hash": "the refiner's hash",
        "fooocus_scheme": "the layout of this text",
        "image_number|image number|metadata_scheme": "",
    },
    neutral={"overwrite.switch": (-1,), "adaptive_cfg|cfg mimicking from tsnr": (7,)},
)
KNOWN_RUINED = KnownFields(
    settings={"start_step|switch|denoise|styles?|performance": "", "cn_.*|controlnet.*|input_image.*": "ControlNet"},
    facts={"fooocus_scheme": "the layout of this text", "file_prefix|preset.*|seed_?mode": ""},
    neutral={"start_step": (0,), "denoise": (1,), "switch": (0, 1)},
)


def read_fooocus(fields: Fields) -> ForeignRecord | None:
    """The record in Fooocus' JSON, with names as keys or, before 2.2, labels."""
    raw = text(fields.look("parameters")) or ""
    written = fields.inside("parameters")
    if not any({*names} <= {*written.names()} for names in (("base_model", "prompt"), ("Base Model", "Prompt"))):
        return None
    found = read_sampler(written.text("sampler", "Sampler"), written.text("scheduler", "Scheduler"))
    width, height = _take_size(written)
    written.text("version", "Version", "metadata_scheme")
    vae = written.text("vae", "VAE")
    refiner = written.text("refiner_model", "Refiner Model")
    return ForeignRecord(
        program="Fooocus",
        raw=raw,
        prompt=written.text("prompt", "Prompt") or "",
        negative_prompt=written.text("negative_prompt", "Negative Prompt") or "",
        steps=written.whole("steps", "Steps"),
        scheduler=found.name,
        schedule=found.schedule,
        guidance_scale=written.number("guidance_scale", "Guidance Scale"),
        seed=written.whole("seed", "Seed"),
        width=width,
        height=height,
        checkpoint=written.text("base_model", "Base Model"),
        checkpoint_hash=written.text("base_model_hash", "Base Model Hash"),
        clip_skip=written.whole("clip_skip", "CLIP Skip"),
        loras=_take_loras(written),
        vae=None if vae in ("Default (model)", "Default") else vae,
        refiner=refiner,
        refiner_start=written.number("refiner_switch", "Refiner Switch"),
    )


def _take_size(written: Fields) -> tuple[int | None, int | None]:
    for name in ("resolution", "Resolution"):
        width, height = read_size(written.look(name))
        if width is not None:
            written.take(name)
            return width, height
    return None, None


def _take_loras(written: Fields) -> tuple[ForeignLora, ...]:
    """ "lora_combined_1": "name : 0.5" (or "LoRA 1": "True : name : 0.5"), and "loras" with names, weights and hashes."""
    found: dict[str, ForeignLora] = {}
    for key in written.names():
        if re.fullmatch(r"lora_combined_\d+|LoRA \d+|LoRA \[.*\] weight", key) and (
            lora := _read_combined(key, written.look(key))
        ):
            written.take(key)
            if lora.name not in ("None", ""):
                found.setdefault(plain_name(lora.name), lora)
    listed = written.look("loras")
    items = [_read_listed(item) for item in listed] if isinstance(listed, list) else []
    if items and all(items):
        written.take("loras")
        found |= {plain_name(lora.name): lora for lora in items if lora is not None}
    return tuple(found.values())


def _read_combined(key: str, value: JsonValue) -> ForeignLora | None:
    if (alone := re.fullmatch(r"LoRA \[(.*)\] weight", key)) is not None:
        weight = number(value)
        return None if weight is None else ForeignLora(alone[1], weight)
    parts = value.split(" : ") if isinstance(value, str) else []
    weight = number(parts[-1]) if len(parts) in (2, 3) else None
    if weight is None:
        return None
    used = len(parts) == 2 or parts[0] == "True"
    return ForeignLora(parts[-2] if used else "None", weight)


def _read_listed(item: JsonValue) -> ForeignLora | None:
    match item:
        case [str(name), float() | int() as weight]:
            return ForeignLora(name, float(weight))
        case [str(name), float() | int() as weight, str(digest)]:
            return ForeignLora(name, float(weight), hash=digest)
        case _:
            return None


def read_ruined_fooocus(fields: Fields) -> ForeignRecord | None:
    """The record in RuinedFooocus' JSON, which names its program."""
    raw = text(fields.look("parameters")) or ""
    written = fields.inside("parameters")
    if written.look("software") != "RuinedFooocus":
        return None
    written.take("software")
    found = read_sampler(written.text("sampler_name"), written.text("scheduler"))
    return ForeignRecord(
        program="RuinedFooocus",
        raw=raw,
        prompt=written.text("Prompt", "prompt") or "",
        negative_prompt=written.text("Negative", "negative") or "",
        steps=written.whole("steps"),
        scheduler=found.name,
        schedule=found.schedule,
        guidance_scale=written.number("cfg"),
        seed=written.whole("seed"),
        width=written.whole("width"),
        height=written.whole("height"),
        checkpoint=written.text("base_model_name"),
        checkpoint_hash=written.text("base_model_hash"),
        clip_skip=written.whole("clip_skip"),
        loras=_take_ruined_loras(written),
        refiner=written.text("refiner_model_name"),
    )


def _take_ruined_loras(written: Fields) -> tuple[ForeignLora, ...]:
    """Pairs of a hash and "0.5 - name"; in older versions one text "Loras:<name:0.5>,<name:1>"."""
    listed = written.look("loras")
    found: list[ForeignLora] = []
    if isinstance(listed, str):
        found = [ForeignLora(name, number(weight) or 0.0) for name, weight in re.findall(r"<([^<>]{1,300}):([-\d.]+)>", listed)]
        known = bool(found) or listed.strip() == "Loras:"
    else:
        items = listed if isinstance(listed, list) else []
        found = [lora for item in items if (lora := _read_ruined(item)) is not None]
        known = len(found) == len(items)
    if known:
        written.take("loras")
    return tuple(lora for lora in found if lora.name != "None")


def _read_ruined(item: JsonValue) -> ForeignLora | None:
    match item:
        case [str() | None as digest, str(named)] if (parts := named.partition(" - "))[2]:
            weight = number(parts[0])
            return None if weight is None else ForeignLora(parts[2], weight, hash=digest or "")
        case _:
            return None
