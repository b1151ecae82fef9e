"""SwarmUI: ``docs/Image Metadata Format.md`` and ``src/Text2Image/T2IParamInput.cs``."""

from __future__ import annotations

from engine.json_values import JsonValue
from engine.records.foreign.fields import Fields, KnownFields
from engine.records.foreign.foreign_record import ForeignLora, ForeignRecord
from engine.records.foreign.nearest_names import plain_name
from engine.records.foreign.sampler_names import read_sampler
from engine.records.foreign.values import number, text

KNOWN = KnownFields(
    settings={
        "variationseed|variationseedstrength|seamlesstileable|loraworkflow.*|loratencweights|lorasectionconfinement": "",
        "refiner(?!model$|controlpercentage$).*": "",
        "init ?image.*|maskimage.*|mask.*|resetto.*|inpaint.*|unsamplerprompt|endstepsearly|initimage.*": "",
        "controlnet.*|revision.*|promptimages.*|useipadapter.*|ipadapter.*|usestyle.*|styl.*": "",
        "fluxguidancescale|sigma.*|shiftedlatent.*|sampler.*|scheduler.*|cfg(?!scale$).*|teacache.*|freeu.*|zeronegative": "",
        "comfyui.*|custom.*|workflow.*|video.*|text2video.*|segment.*|regional.*|globalregionfactor|batchsize|images": "",
        "colordepth.*|vaetile.*|torchcompile|preferreddtype|noopt.*|eulerrenoise.*|altresolution.*|sidelength": "",
    },
    facts={
        "swarm_version|swarmversion|date|generation_time|prep_time": "",
        "aspectratio|automaticvae|nopreviews|imageformat|donotsave.*": "",
        "original_?prompt|original_?negativeprompt|used_wildcards": "",
        "used_embeddings|wildcardseed.*|personalnote|presets.*|outpath.*": "",
        "exactbackendid|backendtype|internalbackendtype|nointernalspecialhandling|debug.*|parser_warnings|intermediates?": "",
        "name|param|hash|sui_models": "files of other kinds",
        "sui_image_params": "",
    },
    neutral={"variationseedstrength": (0,), "images|batchsize": (1,), "fluxguidancescale": (3.5,), "loratencweights": ("",)},
)


def read_swarmui(fields: Fields) -> ForeignRecord | None:
    """The record in SwarmUI's JSON."""
    raw = text(fields.look("parameters")) or ""
    whole = fields.inside("parameters")
    written = whole.inside("sui_image_params") if "sui_image_params" in whole else fields.inside("sui_image_params")
    if not written.names():
        return None
    whole.inside("sui_extra_data")
    fields.inside("sui_extra_data")
    hashes = _read_hashes(whole if "sui_models" in whole else fields)
    found = read_sampler(written.text("sampler", "comfyuisampler"), written.text("scheduler", "comfyuischeduler"))
    checkpoint = written.text("model")
    skipped = written.whole("clipstopatlayer")
    return ForeignRecord(
        program="SwarmUI",
        raw=raw,
        prompt=written.text("prompt") or "",
        negative_prompt=written.text("negativeprompt") or "",
        steps=written.whole("steps"),
        scheduler=found.name,
        schedule=found.schedule,
        guidance_scale=written.number("cfgscale"),
        seed=written.whole("seed"),
        width=written.whole("width"),
        height=written.whole("height"),
        checkpoint=checkpoint,
        checkpoint_hash=hashes.get(plain_name(checkpoint or "")),
        clip_skip=-skipped if skipped and skipped < 0 else None,
        strength=written.number("initimagecreativity"),
        loras=_take_loras(written, hashes),
        vae=None if (vae := written.text("vae")) in ("Automatic", "None") else vae,
        refiner=written.text("refinermodel"),
        refiner_start=_share(written.number("refinercontrolpercentage")),
    )


def _share(left: float | None) -> float | None:
    """Where the refiner starts, as a share of the steps; SwarmUI writes the share that the refiner runs."""
    return None if left is None else round(1 - left, 6)


def _take_loras(written: Fields, hashes: dict[str, str]) -> tuple[ForeignLora, ...]:
    names, weights = _as_list(written.take("loras")), _as_list(written.take("loraweights"))
    strengths = [1.0 if (weight := number(each)) is None else weight for each in weights]
    strengths += [1.0] * (len(names) - len(strengths))
    return tuple(
        ForeignLora(name, weight, hash=hashes.get(plain_name(name), "")) for name, weight in zip(names, strengths, strict=False)
    )


def _as_list(value: JsonValue) -> list[str]:
    """A list, also from text with commas."""
    items = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else []
    return [str(item).strip() for item in items if not isinstance(item, dict | list) and str(item).strip()]


def _read_hashes(fields: Fields) -> dict[str, str]:
    """Plain name of a file -> its SHA-256."""
    found: dict[str, str] = {}
    for model in fields.each("sui_models"):
        if model.look("param") in ("model", "loras") and (name := model.text("name")) is not None:
            model.text("param")
            found[plain_name(name)] = model.text("hash") or ""
    return found
