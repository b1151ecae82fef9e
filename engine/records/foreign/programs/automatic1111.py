"""The text that AUTOMATIC1111's program and many others write: prompt, negative prompt, a line of settings.

Layouts: AUTOMATIC1111 ``modules/infotext_utils.py`` and ``processing.py``; Forge; SD.Next ``modules/processing_info.py``; Fooocus
``modules/meta_parser.py`` (scheme "a1111"); krita-ai-diffusion ``ai_diffusion/text.py``; Civitai's generator, which adds JSON
("Civitai resources", "Civitai metadata") and may write everything in one line. Key names come from there, nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from engine.json_values import JsonValue
from engine.records.foreign.control_units import take_units
from engine.records.foreign.fields import Fields, KnownFields
from engine.records.foreign.foreign_record import ForeignHires, ForeignLora, ForeignRecord
from engine.records.foreign.loras import read_tags, take_lora
from engine.records.foreign.nearest_names import plain_name
from engine.records.foreign.sampler_names import SamplerName, read_sampler
from engine.records.foreign.values import number, text, whole

_KEY = re.compile(r"\s*([A-Za-z][\w /.+()-]{0,60}?):\s*")
_LINE = re.compile(r"^[ \t]*Steps: *\d", re.MULTILINE)
_INLINE = re.compile(r"(?:^|\s)Steps: *\d+, *(?:Sampler|CFG scale|Seed|Size|Schedule type):", re.IGNORECASE)
_NEGATIVE = re.compile(r"(?:^|\n)[ \t]*Negative prompt:")
_NEGATIVE_INLINE = re.compile(r"(?:^|\s)Negative prompt:")
_MOST_SETTINGS = 5_000
"""The most settings that are parsed; an image has a few dozen."""

_WHOLE_LINES = ("Template:", "Negative Template:")
"""Lines of the extension sd-dynamic-prompts, whose value is the rest of the line. stable-diffusion-webui-wildcards writes
"Wildcard prompt" and "Wildcard negative prompt" among the settings instead."""

KNOWN = KnownFields(
    settings={
        "variation .*|seed resize from|ensd|rng|eta.*|sigma .*|s_.*": "",
        "hires .*|hypernet.*|first pass size|firstpass .*|second pass.*|hr .*": "",
        "face restoration|codeformer.*|gfpgan.*|tiling|styles?|style selector.*|performance|sharpness|adm guidance": "",
        "refiner swap method|adaptive cfg|overwrite switch|freeu.*|kohya hrfix.*|hidiffusion.*|pag.*|sag.*|mahiro.*": "",
        "token merging.*|ngms|skip early cond|pad conds|conditional mask weight|fp8 weight|cache fp16.*|sgm noise multiplier": "",
        "mask.*|inpaint.*|masked.*|soft inpainting.*|init image hash|resize mode|image cfg scale|noise multiplier": "",
        "controlnet.*|control.*|ip.?adapter.*|t2i.*|adetailer.*|dynamic thresholding.*|mimic.*|cfg (rescale|end|true).*": "",
        "schedule (min|max) sigma|schedule rho|beta schedule.*": "",
        "discard penultimate sigma|unipc.*|solver.*|timestep.*|rescale.*": "",
        "distilled cfg scale|shift|module \\d+|diffusion in low bits|emphasis|no boundary prompt rounding|vae (en|de)coder": "",
        "rp .*|regional.*|tiled diffusion.*|tile.*|multidiffusion.*|script|[xyz] (type|values)|fixed [xyz] values|cutoff.*": "",
        "addnet.*|aesthetic.*|layerdiffuse.*|latent.*|postprocess.*|upscale.*|detailer.*|hdr.*|clip guidance.*|batch size": "",
        "neverooom.*|never oom.*|self-attention guidance.*|stylealign.*|ella.*|forge.*|easy?negative.*": "",
    },
    facts={
        "vae hash|refiner hash|ti hashes|ti|hashes|lora weights|hash": "",
        "user|created date|app|backend|pipeline|operations|parser|time taken|date|job|batch pos|comment|dpp|index": "",
        "prompt_?template|wildcard.*|raw (negative )?prompt|original prompt": "",
        "civitai metadata|civitai .*": "",
        "fooocus_scheme": "the layout of this text",
    },
    neutral={
        "variation seed strength|eta.*|token merging.*|ngms|sigma .*|s_.*|schedule .*|clip guidance.*|hires steps": (0,),
        "batch size": (1,),
        "denoising strength": (1,),
        "(fp8 weight|controlnet)": ("Disable",),
    },
)


def read_automatic1111(fields: Fields) -> ForeignRecord | None:
    """The record of AUTOMATIC1111, Forge, SD.Next, Easel and all others that use this format."""
    raw = text(fields.look("parameters")) or ""
    if (parts := _split(raw)) is None:
        return None
    prompt, negative, line = parts
    settings = _open_settings(fields, line)
    found = _take_sampler(settings, program := _find_program(fields, settings))
    (width, height), (refiner, refiner_start) = _take_size(settings), _take_refiner(settings)
    prompt = settings.text("raw prompt") or prompt
    hashes, (checkpoint, resources) = _read_hashes(settings), _take_resources(settings)
    return ForeignRecord(
        program=program,
        raw=raw,
        prompt=prompt,
        negative_prompt=settings.text("raw negative prompt") or negative,
        prompt_template=settings.text("template", "wildcard prompt") or "",
        negative_template=settings.text("negative template", "wildcard negative prompt") or "",
        steps=settings.whole("steps"),
        guidance_scale=settings.number("cfg scale"),
        guidance_rescale=_take_rescale(settings, program),
        scheduler=found.name,
        schedule=found.schedule,
        seed=settings.whole("seed"),
        width=width,
        height=height,
        checkpoint=settings.text("model") or checkpoint,
        checkpoint_hash=settings.text("model hash") or hashes.get("model"),
        clip_skip=settings.whole("clip skip"),
        strength=settings.number("denoising strength"),
        loras=(*read_tags(prompt, hashes), *_take_weighted(settings, hashes), *resources),
        vae=_take_vae(settings),
        refiner=refiner,
        refiner_start=refiner_start,
        controls=take_units(settings),
        hires=_take_hires(settings),
        variation=_take_variation(settings),
    )


def _open_settings(fields: Fields, line: str) -> Fields:
    pairs = dict(_list_pairs(line))
    settings = fields.open(
        "parameters", {key.casefold(): pairs[key] for key in pairs}, "", {key.casefold(): key for key in pairs}
    )
    settings.text("easel hash")  # Easel's own record, which is read first, contains more than this text
    return settings


def _take_sampler(settings: Fields, program: str) -> SamplerName:
    usual = "Default" if program == "Easel" else "Normal"
    return read_sampler(settings.text("sampler"), settings.text("schedule type", "scheduler"), usual)


def _take_rescale(settings: Fields, program: str) -> float | None:
    """The CFG rescale; Easel writes none where there is none."""
    rescale = settings.number("cfg rescale")
    return 0.0 if rescale is None and program == "Easel" else rescale


def _take_hires(settings: Fields) -> ForeignHires | None:
    """The second pass of hires. fix. Its steps of 0 are those of the first."""
    factor, size = settings.number("hires upscale"), read_size(settings.look("hires resize"))
    if factor is None and size == (None, None):
        return None
    settings.take("hires resize")
    sampler = read_sampler(settings.text("hires sampler"), settings.text("hires schedule type"), "")
    return ForeignHires(
        factor=factor if size == (None, None) else None, width=size[0], height=size[1],
        upscaler=settings.text("hires upscaler"), steps=settings.whole("hires steps") or None,
        guidance_scale=settings.number("hires cfg scale"), scheduler=sampler.name, schedule=sampler.schedule,
    )  # fmt: skip


def _take_variation(settings: Fields) -> tuple[int | None, float] | None:
    """The seed of a variation and its strength; None where there is none."""
    seed, strength = settings.whole("variation seed"), settings.number("variation seed strength", "variation strength")
    return (seed, strength) if strength else None


def _take_vae(settings: Fields) -> str | None:
    vae = settings.text("vae")
    return None if vae in ("Automatic", "Default (model)") else vae


def _take_size(settings: Fields) -> tuple[int | None, int | None]:
    """Width and height in pixels; text that is no size is left among the unused fields."""
    width, height = read_size(settings.look("size"))
    if width is not None:
        settings.take("size")
    return width, height


def _split(raw: str) -> tuple[str, str, str] | None:
    """Prompt, negative prompt and settings; None if there are no settings."""
    starts = list(_LINE.finditer(raw)) or list(_INLINE.finditer(raw))
    if not starts:
        return None
    start = starts[-1].start()
    head = raw[:start]
    negative = next(iter(_NEGATIVE.finditer(head)), None) or next(iter(_NEGATIVE_INLINE.finditer(head)), None)
    if negative is None:
        return head.strip(), "", raw[start:]
    return head[: negative.start()].strip(), head[negative.end() :].strip(), raw[start:]


def _list_pairs(written: str) -> Iterator[tuple[str, JsonValue]]:
    """The settings; a value may be a JSON string, list or object. Text that is not a setting is yielded as a name."""
    line, *others = written.strip().split("\n")
    for other in others:
        label = next((each for each in _WHOLE_LINES if other.strip().startswith(each)), None)
        if label is None:
            line += ", " + other
        else:
            yield label.removesuffix(":"), other.strip().removeprefix(label).strip()
    position, seen = 0, set[str]()
    while position < len(line):
        if len(seen) == _MOST_SETTINGS:
            yield line[position:], True
            return
        key = _KEY.match(line, position)
        value, end = _read_value(line, key.end() if key else position)
        name = key[1].strip() if key else str(value).strip()
        if name:
            yield (name if name.casefold() not in seen else f"{name} (again at {position})"), value if key else True
            seen.add(name.casefold())
        position = end


def _read_value(line: str, start: int) -> tuple[JsonValue, int]:
    """The value that begins at ``start``, and where the next setting begins."""
    if line[start : start + 1] in ('"', "[", "{"):
        try:
            value, end = json.JSONDecoder().raw_decode(line, start)
            after = re.compile(r"\s*(?:,|$)").match(line, end)
            if after is not None:
                return value, after.end()
        except (ValueError, RecursionError):
            pass  # not JSON although it begins like it
    end = line.find(",", start)
    end = len(line) if end < 0 else end
    return line[start:end].strip().strip('"'), end + 1


def _find_program(fields: Fields, settings: Fields) -> str:
    """The program that wrote this text, by its version, or by the text that Fooocus writes beside it."""
    scheme = "Fooocus" if fields.text("fooocus_scheme") is not None else None
    version = settings.text("version") or ""
    named = next((name for name in ("Fooocus", "Easel", "ComfyUI", "RuinedFooocus") if version.startswith(name)), None)
    forge = "Forge" if re.match(r"f\d|forge|neo", version) else None
    civitai = "Civitai" if "civitai resources" in settings and not version else None
    return named or forge or settings.text("app") or civitai or scheme or "AUTOMATIC1111"


def read_size(value: JsonValue) -> tuple[int | None, int | None]:
    """Width and height from "512x768", "(512, 768)" and the like."""
    sides = re.findall(r"\d{1,9}", value[:100]) if isinstance(value, str) else []
    return (whole(sides[0]), whole(sides[1])) if len(sides) == 2 else (None, None)


def _read_hashes(settings: Fields) -> dict[str, str]:
    """Plain name of a LoRA, or "model" -> hash: of "Lora hashes" and of "Hashes", which is JSON."""
    found: dict[str, str] = {}
    for name, digest in _list_named(settings.text("lora hashes") or ""):
        found[plain_name(name)] = digest
    written = settings.inside("hashes")
    for key in written.names():
        kind, _, name = key.partition(":")
        if kind in ("lora", "model") and (digest := written.text(key)) is not None:
            found.setdefault(plain_name(name) if name else "model", digest)
    return found


def _list_named(listed: str) -> Iterator[tuple[str, str]]:
    """Names and values of "a: 1, b: 2"; of three parts the last is the value: older Fooocus writes a weight after the hash."""
    for part in listed.split(","):
        name, colon, value = part.partition(":")
        if colon and name.strip():
            yield name.strip(), value.strip()


def _take_weighted(settings: Fields, hashes: Mapping[str, str]) -> tuple[ForeignLora, ...]:
    """Fooocus' "Lora weights"; older versions write "name: hash: weight" into "Lora hashes"."""
    listed = settings.text("lora weights") or settings.text("lora hashes") or ""
    found: list[ForeignLora] = []
    for name, value in _list_named(listed):
        digest, colon, weight = value.rpartition(":")
        if ("lora weights" in settings or colon) and (strength := number(weight)) is not None:
            found.append(ForeignLora(name, strength, hash=digest.strip() or hashes.get(plain_name(name), "")))
    return tuple(found)


def _take_refiner(settings: Fields) -> tuple[str | None, float | None]:
    """The refiner without the hash that AUTOMATIC1111 appends, and the share of the steps at which it starts."""
    refiner = settings.text("refiner")
    start = settings.number("refiner switch at", "refiner switch")
    return (re.sub(r"\s*\[[0-9a-f]+\]$", "", refiner) if refiner else None), start


def _take_resources(settings: Fields) -> tuple[str | None, list[ForeignLora]]:
    """The checkpoint and the LoRAs in "Civitai resources"; those that only have an id are named by it."""
    checkpoint: str | None = None
    loras: list[ForeignLora] = []
    for resource in settings.each("civitai resources"):
        kind = (resource.text("type") or "").casefold()
        number_there = resource.whole("modelVersionId")
        name = resource.look("modelName") or (f"Civitai {number_there}" if number_there is not None else None)
        air = resource.text("air") or ""
        if kind == "checkpoint" and isinstance(name, str):
            checkpoint = resource.text("modelName") or name
            resource.text("modelVersionName", "versionName")
        elif kind in ("lora", "locon", "lycoris", "dora") or ":lora:" in air:
            named = Fields({"name": name})
            lora = take_lora(named, ("name",), ())
            if lora is not None:
                resource.take("modelName")
                resource.text("modelVersionName", "versionName")
                weight = resource.number("weight", "strength")
                loras.append(ForeignLora(lora.name, 1.0 if weight is None else weight))
    return checkpoint, loras
