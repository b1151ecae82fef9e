"""InvokeAI's three formats: ``app/invocations/metadata.py`` and, before version 3, its ``sd-metadata`` and ``Dream`` texts."""

from __future__ import annotations

import re

from engine.json_values import JsonValue
from engine.records.foreign.fields import Fields, KnownFields
from engine.records.foreign.foreign_record import ForeignLora, ForeignRecord
from engine.records.foreign.loras import take_lora
from engine.records.foreign.sampler_names import read_sampler
from engine.records.foreign.values import number, text

KNOWN = KnownFields(
    settings={
        "generation_mode|type": "kind of run",
        "rand_device": "where its random numbers came from",
        "seamless_[xy]|seamless": "seamless tiling",
        "controlnets|control_?layers": "ControlNets",
        "ipadapters": "IP adapters",
        "t2iadapters": "T2I adapters",
        "init_image|init_image_path|initial_image": "the picture that it was made from",
        "hrf_.*|hires_fix": "",
        "(positive|negative)_style_prompt": "",
        "refiner_(?!model|start).*": "",
        "canvas_v2_metadata|regions|ref_images|(positive|negative)_.*": "",
        "perlin|threshold|variations|variation.*|with_variations|postprocessing|facetool.*|gfpgan.*|upscale|embiggen.*": "",
        "symmetry.*|h_symmetry.*|v_symmetry.*|karras_max|guidance|clip_.*|t5_encoder|qwen3.*|z_image.*|dype.*": "",
        "mask.*|inpaint.*|infill.*|fill.*|seam.*|coherence.*|precision": "",
        "fit|conditioning|hires_.*|png_compression|prompt_weights": "",
        "vae": "the VAE",
    },
    facts={
        "app_version|app_id|created_by|user|board.*|model|family|images|width_.*": "",
        "invokeai_graph|invokeai_workflow|workflow": "the graph that InvokeAI ran",
        "sd-metadata|dream|invokeai_metadata": "the same settings in another layout",
        "key|base|submodel_type|hash|weight|postprocessing_data": "",
    },
    neutral={
        "perlin|threshold": (0,),
        "generation_mode|type": ("txt2img", "sdxl_txt2img", "main"),
        "rand_device": ("cpu",),
        "hrf_.*": (False,),
        "precision": ("auto",),
    },
)


def read_invokeai(fields: Fields) -> ForeignRecord | None:
    """The record in the newest format found; that one also without a keyword, as converters leave it in a comment."""
    return (
        _read_metadata(fields, "invokeai_metadata", ("positive_prompt", "seed", "model"))
        or _read_sd_metadata(fields)
        or _read_dream(fields)
        or _read_metadata(fields, "parameters", ("positive_prompt",))
    )


def _read_metadata(fields: Fields, keyword: str, marks: tuple[str, ...]) -> ForeignRecord | None:
    written = fields.inside(keyword)
    if not any(mark in written for mark in marks):
        return None
    model = written.inside("model")
    checkpoint, digest = _take_model(model) if model.names() else (written.text("model"), None)
    refiner = written.inside("refiner_model")
    vae = written.inside("vae")
    raw = fields.look(keyword)
    return _build(
        raw if isinstance(raw, str) else "",
        written,
        prompt=written.text("positive_prompt") or "",
        negative_prompt=written.text("negative_prompt") or "",
        scheduler=written.text("scheduler"),
        checkpoint=checkpoint,
        checkpoint_hash=digest,
        loras=_take_loras(written),
        vae=_take_model(vae)[0],
        refiner=_take_model(refiner)[0],
        refiner_start=written.number("refiner_start"),
    )


def _take_model(model: Fields) -> tuple[str | None, str | None]:
    """Name and hash. Other identifiers of a model (its key and base) are taken as well."""
    for name in ("key", "base", "type", "base_model", "model_type", "submodel_type", "submodel"):
        if isinstance(model.look(name), str | None):
            model.take(name)
    return model.text("name", "model_name"), model.text("hash")


def _take_loras(written: Fields) -> tuple[ForeignLora, ...]:
    found: list[ForeignLora] = []
    for entry in written.each("loras"):
        model = entry.inside("model") if "model" in entry else entry.inside("lora")
        name, digest = _take_model(model)
        weight = entry.number("weight")
        if name is not None:
            found.append(ForeignLora(name, 1.0 if weight is None else weight, hash=digest or ""))
        elif "lora_name" in entry and (lora := take_lora(entry, ("lora_name",), ())) is not None:
            found.append(ForeignLora(lora.name, 1.0 if weight is None else weight))
    return tuple(found)


def _read_sd_metadata(fields: Fields) -> ForeignRecord | None:
    written = fields.inside("sd-metadata")
    image = written.inside("image")
    if not image.names():
        return None
    prompt, negative = _split_brackets(_take_prompt(image))
    written.text("model", "app_version", "app_id")
    for name in ("model", "app_version", "app_id"):
        written.text(name)
    return _build(
        text(fields.look("sd-metadata")) or "",
        image,
        prompt=prompt,
        negative_prompt=negative,
        scheduler=image.text("sampler"),
        checkpoint=written.text("model_weights"),
        checkpoint_hash=written.text("model_hash"),
    )


def _take_prompt(image: Fields) -> str:
    """The prompt, from weighted parts or a single text."""
    if (alone := image.text("prompt")) is not None:
        return alone
    parts = image.each("prompt")
    words: list[str] = []
    for part in parts:
        words.append(part.text("prompt") or "")
        if number(part.look("weight")) == 1:
            part.take("weight")
    listed = image.look("prompt")
    if not parts and isinstance(listed, list) and all(isinstance(each, str) for each in listed):
        image.take("prompt")
        return " ".join(each for each in listed if isinstance(each, str))
    return " ".join(words)


_DREAM = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler", "f": "strength"}


def _read_dream(fields: Fields) -> ForeignRecord | None:
    raw = text(fields.look("Dream")) or ""
    quoted = re.match(r'\s*"(.*)"(.*)$', raw, re.DOTALL)
    if quoted is None:
        return None
    switches: dict[str, JsonValue] = {}
    for key, value in re.findall(r"(?:^|\s)-{1,2}([A-Za-z_]+)[ =]?(-?[^\s-]\S*|)", quoted[2]):
        switches[_DREAM.get(key, f"-{key}")] = value or True
    written = fields.open("Dream", switches)
    prompt, negative = _split_brackets(quoted[1])
    return _build(raw, written, prompt=prompt, negative_prompt=negative, scheduler=written.text("sampler"))


def _build(
    raw: str, written: Fields, *, prompt: str, negative_prompt: str, scheduler: str | None, checkpoint: str | None = None,
    checkpoint_hash: str | None = None, loras: tuple[ForeignLora, ...] = (), vae: str | None = None, refiner: str | None = None,
    refiner_start: float | None = None,
) -> ForeignRecord:  # fmt: skip
    """The record from what the three formats have in common. InvokeAI counts skipped layers: its 1 is AUTOMATIC1111's 2."""
    skipped = written.whole("clip_skip")
    found = read_sampler(scheduler, usual="Default")
    return ForeignRecord(
        program="InvokeAI",
        raw=raw,
        prompt=prompt,
        negative_prompt=negative_prompt,
        steps=written.whole("steps"),
        scheduler=found.name,
        schedule=found.schedule,
        guidance_scale=written.number("cfg_scale"),
        guidance_rescale=written.number("cfg_rescale_multiplier"),
        seed=written.whole("seed"),
        width=written.whole("width"),
        height=written.whole("height"),
        checkpoint=checkpoint,
        checkpoint_hash=checkpoint_hash,
        clip_skip=skipped + 1 if skipped else None,
        strength=written.number("strength"),
        loras=loras,
        vae=vae,
        refiner=refiner,
        refiner_start=refiner_start,
    )


def _split_brackets(prompt: str) -> tuple[str, str]:
    """Prompt and negative prompt: before version 3 InvokeAI wrote the latter in [brackets] inside the prompt."""
    negative = ", ".join(part.strip() for part in re.findall(r"\[([^\[\]]*)\]", prompt))
    return re.sub(r"\s*\[[^\[\]]*\]", "", prompt).strip(), negative
