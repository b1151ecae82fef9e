"""Readers for programs that write their settings as one flat text or JSON object.

Layouts: AUTOMATIC1111 and Forge ``modules/infotext_utils.py``; Fooocus ``modules/meta_parser.py``; InvokeAI
``app/invocations/metadata.py`` and, before version 3, its ``sd-metadata`` and ``Dream`` texts; Easy Diffusion
``utils/save_utils.py`` and sdkit ``file_utils.py``; NovelAI's ``Comment``. Key names come from there, nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from engine.json_values import JsonObject, JsonValue
from engine.records.foreign.foreign_record import ForeignRecord, as_object, json_object, number, sampler, text, whole

_PAIR = re.compile(r'([A-Za-z][\w /.-]{0,40}?):\s*("(?:[^"\\]|\\.)*"|[^,]*)(?:,\s*|$)')
_NEGATIVE = "Negative prompt:"


def read_automatic1111(fields: Mapping[str, str]) -> ForeignRecord | None:
    """AUTOMATIC1111, Forge, SD.Next, Easel and all who write the same: prompt, negative prompt, a line of settings."""
    raw = fields.get("parameters", "")
    lines = raw.splitlines()
    last = next((i for i in reversed(range(len(lines))) if re.match(r"\s*Steps: *\d", lines[i])), None)
    if last is None:
        return None
    settings = {key.strip().casefold(): _unquote(value) for key, value in _PAIR.findall(lines[last])}
    prompt, _, negative = ("\n" + "\n".join(lines[:last])).partition("\n" + _NEGATIVE)
    width, height = _size(settings.get("size"))
    return ForeignRecord(
        program=_program(settings),
        raw=raw,
        prompt=settings.get("raw prompt") or prompt.strip(),
        negative_prompt=settings.get("raw negative prompt") or negative.strip(),
        steps=whole(settings.get("steps")),
        guidance_scale=number(settings.get("cfg scale")),
        scheduler=sampler(settings.get("sampler"), settings.get("schedule type")),
        seed=whole(settings.get("seed")),
        width=width,
        height=height,
        checkpoint=text(settings.get("model")),
        checkpoint_hash=text(settings.get("model hash")),
        clip_skip=whole(settings.get("clip skip")),
        strength=number(settings.get("denoising strength")),
    )


def _program(settings: Mapping[str, str]) -> str:
    """Which of the many programs that write this text it was, by its version."""
    version = settings.get("version", "")
    named = next((name for name in ("Fooocus", "Easel", "ComfyUI") if version.startswith(name)), None)
    forge = "Forge" if re.match(r"f\d|forge|neo", version) else None
    return named or forge or text(settings.get("app")) or "AUTOMATIC1111"


def _unquote(value: str) -> str:
    try:
        return str(json.loads(value)) if value.startswith('"') else value.strip()
    except ValueError:
        return value.strip('" ')


def _size(value: JsonValue) -> tuple[int | None, int | None]:
    """Both sides of "512x768", "(512, 768)" and the like."""
    sides = re.findall(r"\d+", value) if isinstance(value, str) else []
    return (whole(sides[0]), whole(sides[1])) if len(sides) == 2 else (None, None)


def read_fooocus(fields: Mapping[str, str]) -> ForeignRecord | None:
    """Fooocus' own JSON; its other scheme is AUTOMATIC1111's text."""
    raw = fields.get("parameters", "")
    written = json_object(raw)
    if "base_model" not in written or "prompt" not in written:
        return None
    width, height = _size(written.get("resolution"))
    return ForeignRecord(
        program="Fooocus",
        raw=raw,
        prompt=text(written["prompt"]) or "",
        negative_prompt=text(written.get("negative_prompt")) or "",
        steps=whole(written.get("steps")),
        scheduler=sampler(written.get("sampler"), written.get("scheduler")),
        guidance_scale=number(written.get("guidance_scale")),
        seed=whole(written.get("seed")),
        width=width,
        height=height,
        checkpoint=text(written["base_model"]),
        checkpoint_hash=text(written.get("base_model_hash")),
        clip_skip=whole(written.get("clip_skip")),
    )


def read_invokeai(fields: Mapping[str, str]) -> ForeignRecord | None:
    """InvokeAI's three layouts, the newest first; that one also alone, as converters leave it in a JPEG's or WebP's comment."""
    for key, read in _INVOKE:
        if key in fields and (record := read(fields[key])) is not None:
            return record
    return None


def _invoke_now(raw: str) -> ForeignRecord | None:
    written = json_object(raw)
    if not written.keys() & {"positive_prompt", "seed", "model"}:
        return None
    model = written.get("model")
    checkpoint: JsonObject = model if isinstance(model, dict) else {"name": model}
    return _invoke(
        raw,
        written,
        written.get("positive_prompt"),
        written.get("negative_prompt"),
        written.get("scheduler"),
        checkpoint.get("name") or checkpoint.get("model_name"),
        checkpoint.get("hash"),
    )


def _invoke_alone(raw: str) -> ForeignRecord | None:
    return _invoke_now(raw) if "positive_prompt" in json_object(raw) else None


def _invoke_2(raw: str) -> ForeignRecord | None:
    written = json_object(raw)
    image = written.get("image")
    if not isinstance(image, dict):
        return None
    prompts = image.get("prompt")
    parts = prompts if isinstance(prompts, list) else [prompts]
    words = [part.get("prompt") if isinstance(part, dict) else part for part in parts]
    prompt, negative = _split_brackets(" ".join(word for word in words if isinstance(word, str)))
    return _invoke(raw, image, prompt, negative, image.get("sampler"), written.get("model_weights"), written.get("model_hash"))


_DREAM = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler"}


def _invoke_1(raw: str) -> ForeignRecord | None:
    quoted = re.match(r'\s*"(.*)"(.*)$', raw, re.DOTALL)
    if quoted is None:
        return None
    switches = {_DREAM[k]: v for k, v in re.findall(r"-([sSWHCA])\s*(\S+)", quoted[2])}
    prompt, negative = _split_brackets(quoted[1])
    return _invoke(raw, switches, prompt, negative, switches.get("sampler"), None, None)


_INVOKE = (("invokeai_metadata", _invoke_now), ("sd-metadata", _invoke_2), ("Dream", _invoke_1), ("parameters", _invoke_alone))
"""Keyword -> what reads it."""


def _invoke(
    raw: str, written: Mapping[str, JsonValue], prompt: JsonValue, negative: JsonValue, scheduler: JsonValue,
    checkpoint: JsonValue, checkpoint_hash: JsonValue,
) -> ForeignRecord:  # fmt: skip
    """What the three layouts have in common. InvokeAI counts the layers that it leaves out: 1 is our 2."""
    skipped = whole(written.get("clip_skip"))
    return ForeignRecord(
        program="InvokeAI",
        raw=raw,
        prompt=text(prompt) or "",
        negative_prompt=text(negative) or "",
        steps=whole(written.get("steps")),
        scheduler=sampler(scheduler),
        guidance_scale=number(written.get("cfg_scale")),
        seed=whole(written.get("seed")),
        width=whole(written.get("width")),
        height=whole(written.get("height")),
        checkpoint=text(checkpoint),
        checkpoint_hash=text(checkpoint_hash),
        clip_skip=skipped + 1 if skipped else None,
        strength=number(written.get("strength")),
    )


def _split_brackets(prompt: str) -> tuple[str, str]:
    """InvokeAI before version 3 wrote the negative prompt in [brackets] inside the prompt."""
    negative = ", ".join(part.strip() for part in re.findall(r"\[([^\[\]]*)\]", prompt))
    return re.sub(r"\s*\[[^\[\]]*\]", "", prompt).strip(), negative


def read_novelai(fields: Mapping[str, str]) -> ForeignRecord | None:
    """NovelAI: ``Comment`` is JSON, ``Source`` names the version and the hash of the weights."""
    raw = fields.get("Comment", "")
    written = json_object(raw)
    if not written.keys() >= {"steps", "scale"}:
        return None
    name, _, digest = fields.get("Source", "").rpartition(" ")
    hashed = re.fullmatch(r"[0-9A-F]{6,}", digest) is not None
    return ForeignRecord(
        program="NovelAI",
        raw=raw,
        prompt=text(written.get("prompt")) or fields.get("Description", ""),
        negative_prompt=text(written.get("uc")) or _caption(written.get("v4_negative_prompt")),
        steps=whole(written["steps"]),
        scheduler=sampler(written.get("sampler"), written.get("noise_schedule")),
        guidance_scale=number(written["scale"]),
        seed=whole(written.get("seed")),
        width=whole(written.get("width")),
        height=whole(written.get("height")),
        checkpoint=text(name if hashed else fields.get("Source")),
        checkpoint_hash=digest if hashed else None,
        strength=number(written.get("strength")),
    )


def _caption(prompt: JsonValue) -> str:
    return text(as_object(as_object(prompt).get("caption")).get("base_caption")) or ""


_EASY = {
    "prompt": "Prompt",
    "negative_prompt": "Negative Prompt",
    "seed": "Seed",
    "sampler_name": "Sampler",
    "width": "Width",
    "use_stable_diffusion_model": "Stable Diffusion model",
    "clip_skip": "Clip Skip",
    "height": "Height",
    "num_inference_steps": "Steps",
    "guidance_scale": "Guidance Scale",
    "prompt_strength": "Prompt Strength",
}
"""Easy Diffusion's keys in code and, in some files, on the page."""


def read_easy_diffusion(fields: Mapping[str, str]) -> ForeignRecord | None:
    """Easy Diffusion: a text for each setting in PNG, the same as one JSON object in JPEG and WebP."""
    written = {key: fields.get(key, fields.get(label)) for key, label in _EASY.items()}
    if written["use_stable_diffusion_model"] is None or written["num_inference_steps"] is None:
        return None
    skips = str(written["clip_skip"]).casefold() == "true"
    raw = json.dumps({key: value for key, value in written.items() if value is not None})
    return ForeignRecord(
        program="Easy Diffusion",
        raw=raw,
        prompt=text(written["prompt"]) or "",
        negative_prompt=text(written["negative_prompt"]) or "",
        steps=whole(written["num_inference_steps"]),
        scheduler=sampler(written["sampler_name"]),
        guidance_scale=number(written["guidance_scale"]),
        seed=whole(written["seed"]),
        width=whole(written["width"]),
        height=whole(written["height"]),
        checkpoint=text(written["use_stable_diffusion_model"]),
        clip_skip=2 if skips else None,
        strength=number(written["prompt_strength"]),
    )
