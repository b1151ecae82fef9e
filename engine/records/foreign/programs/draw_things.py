"""Draw Things: JSON in XMP and in EXIF's UserComment. The keys "c" and "uc" hold the prompts, ``v2`` all settings.

Format: records of its images, as read by Draw Things' community tools (kcjerrell/dtm, DrawThingsStudio).
"""

from __future__ import annotations

from typing import TypeVar

from engine.records.foreign.fields import Fields, KnownFields
from engine.records.foreign.foreign_record import ForeignLora, ForeignRecord
from engine.records.foreign.loras import take_lora
from engine.records.foreign.programs.automatic1111 import read_size
from engine.records.foreign.sampler_names import read_sampler
from engine.records.foreign.values import text

T = TypeVar("T")

_OFF = (0, 1, False, None, "")

KNOWN = KnownFields(
    settings={
        "control|controls": "ControlNets",
        "hires_?fix.*|first_?stage.*|second_?stage.*|stage_?2.*|upscaler.*|face_?restoration": "",
        "mask_?blur.*|preserve_?original.*|image_?guidance|image_?prior.*": "",
        "clip_?weight|sharpness|shift|resolution_?dependent.*": "",
        "seed_?mode": "how it makes noise from a seed",
        "strength|mode|batch_?(size|count)|num_?frames|motion.*|fps.*|start_?frame.*|cond_?aug|guiding_?frame.*": "",
        "tiled.*|decoding_?tile.*|diffusion_?tile.*|original_?(size|width|height)|target_?(size|width|height)|negative_.*": "",
        "crop_?(top|left)|aesthetic.*|negativeaesthetic.*|negativeoriginal.*|zero_?negative.*|stochastic.*|tea_?cache.*": "",
        "cfg_?zero.*|causal.*|compression.*|separate.*|t5.*|clip_?l.*": "",
        "open_?clip.*|guidance_?embed|speed_?up.*|custom.*|tanque": "",
        "refiner|refiner_?model|refiner_?start|imageguidancescale|clipltext|openclipgtext|vae|enable.*|use.*": "",
    },
    facts={"profile|id|name|version|t|upscalerscalefactor|parameters|xmp:creatortool": "", "xml:com.adobe.xmp": "XMP"},
    neutral={
        "strength|shift|batch_?(size|count)|clip_?weight|stage_?2.*": (1, 1.0),
        "mode": ("all", "base"),
        "seed_?mode": ("Scale Alike", 2),
        ".*": _OFF,
    },
)
_SAMPLERS = (
    "DPM++ 2M Karras", "Euler a", "DDIM", "PLMS", "DPM++ SDE Karras", "UniPC", "LCM", "Euler a Substep",
    "DPM++ SDE Substep", "TCD",
    "Euler a Trailing", "DPM++ SDE Trailing", "DPM++ 2M AYS", "Euler a AYS", "DPM++ SDE AYS", "DPM++ 2M Trailing",
    "DDIM Trailing",
    "UniPC Trailing", "UniPC AYS",
)  # fmt: skip
"""Names of the sampler numbers in ``v2``."""


def read_draw_things(fields: Fields) -> ForeignRecord | None:
    """The record in Draw Things' JSON."""
    raw = text(fields.look("parameters")) or ""
    written = fields.inside("parameters")
    if "c" not in written or not any(name in written for name in ("v2", "sampler", "model")):
        return None
    settings = written.inside("v2")
    found = read_sampler(written.text("sampler") or _read_number(settings))
    settings.take("sampler")
    width, height = read_size(written.look("size"))
    if width is not None:
        written.take("size")
    inner_width, inner_height = settings.whole("width"), settings.whole("height")
    skipped = settings.whole("clipSkip", "clip_skip")
    record = ForeignRecord(
        program="Draw Things",
        raw=raw,
        prompt=written.text("c") or "",
        negative_prompt=written.text("uc") or "",
        steps=_first(written.whole("steps"), settings.whole("steps")),
        scheduler=found.name,
        schedule=found.schedule,
        guidance_scale=_first(written.number("scale"), settings.number("guidanceScale", "guidance_scale")),
        seed=_first(written.whole("seed"), settings.whole("seed")),
        width=_first(written.whole("width"), width, inner_width),
        height=_first(written.whole("height"), height, inner_height),
        checkpoint=_first(written.text("model"), settings.text("model")),
        clip_skip=skipped if skipped and skipped > 1 else None,
        strength=_first(written.number("strength"), settings.number("strength")),
        loras=_take_loras(written, settings),
        refiner=_first(written.text("refiner"), settings.text("refinerModel", "refiner_model")),
        refiner_start=_first(written.number("refiner_start"), settings.number("refinerStart", "refiner_start")),
    )
    return record


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)


def _read_number(settings: Fields) -> str | None:
    number = settings.whole("sampler")
    return _SAMPLERS[number] if number is not None and 0 <= number < len(_SAMPLERS) else None


def _take_loras(written: Fields, settings: Fields) -> tuple[ForeignLora, ...]:
    found: dict[str, ForeignLora] = {}
    for entry in (*written.each("lora"), *settings.each("loras")):
        if (lora := take_lora(entry, ("model", "file"), ("weight",))) is not None:
            found.setdefault(lora.name, lora)
    return tuple(found.values())
