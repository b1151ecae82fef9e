"""NovelAI: ``Comment`` is JSON, ``Source`` is the version and the hash of the weights. From version 4 on with characters.

Format: NovelAI's ``novelai-image-metadata`` and records of its images.
"""

from __future__ import annotations

import re

from engine.records.foreign.fields import Fields, KnownFields
from engine.records.foreign.foreign_record import ForeignRecord
from engine.records.foreign.sampler_names import read_sampler
from engine.records.foreign.values import text

KNOWN = KnownFields(
    settings={
        "strength|noise|extra_noise_seed|img2img.*|mask.*|image|add_original_image|color_correct|inpaint.*": "",
        "uncond_scale|uncond_per_vibe|wonky_vibe_correlation": "",
        "sm|sm_dyn": "SMEA",
        "dynamic_thresholding.*": "dynamic thresholding",
        "controlnet.*|reference_.*|director_reference.*|vibe.*|lora_.*|hide_debug_overlay|skip_cfg.*|explike_fine_detail": "",
        "deliberate_euler_ancestral_bug|prefer_brownian|cfg_sched_eligibility|minimize_sigma_inf|stream|autosmea": "",
        "legacy.*|ucpreset|quality_?toggle|n_samples|params_version|version": "",
        "use_order|use_coords": "places of the characters",
        "x|y|centers": "places of the characters",
    },
    facts={
        "title|software|generation[ _]time|description|creation time|author|copyright|comment|source|parameters": "",
        "request_type|signed_hash|metadata_version|negative_prompt": "",
    },
    neutral={
        "noise|uncond_per_vibe": (0,),
        "uncond_scale|n_samples|strength|params_version|version|controlnet_strength": (1, 2, 3),
        "deliberate_euler_ancestral_bug|prefer_brownian": (False, True),
        "use_order": (True,),
    },
)


def read_novelai(fields: Fields) -> ForeignRecord | None:
    """The record of NovelAI. The prompt of each character is appended to that of the whole image."""
    raw = fields.look("Comment")
    written = fields.inside("Comment")
    if not {"steps", "scale"} <= {*written.names()}:
        return None
    name, digest = _split_source(fields.text("Source") or "")
    found = read_sampler(written.text("sampler"), written.text("noise_schedule"))
    prompt = _take_words(written.inside("v4_prompt"), written.text("prompt"))
    negative = _take_words(written.inside("v4_negative_prompt"), written.text("uc"))
    return ForeignRecord(
        program="NovelAI",
        raw=raw if isinstance(raw, str) else "",
        prompt=prompt or fields.text("Description") or "",
        negative_prompt=negative,
        steps=written.whole("steps"),
        scheduler=found.name,
        schedule=found.schedule,
        guidance_scale=written.number("scale"),
        guidance_rescale=written.number("cfg_rescale"),
        seed=written.whole("seed"),
        width=written.whole("width"),
        height=written.whole("height"),
        checkpoint=name,
        checkpoint_hash=digest,
        strength=written.number("strength"),
    )


def _split_source(source: str) -> tuple[str | None, str | None]:
    """The name of the weights, and their hash if there is one."""
    name, _, digest = source.rpartition(" ")
    return (text(name), digest) if re.fullmatch(r"[0-9A-F]{6,}", digest) else (text(source), None)


def _take_words(structured: Fields, flat: str | None) -> str:
    """The prompt of the whole image and of every character in version 4's form; else ``flat``."""
    caption = structured.inside("caption")
    base = caption.text("base_caption") or flat or ""
    words = [base]
    for character in caption.each("char_captions"):
        words.append(character.text("char_caption") or "")
        for centre in character.each("centers"):
            if centre.look("x") == 0.5 and centre.look("y") == 0.5:
                centre.take("x")
                centre.take("y")
    return "\n".join(part for part in words if part)
