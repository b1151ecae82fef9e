"""A1111's requests as Easel's, with a sentence for everything that Easel leaves out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from api.a1111.control_bodies import EXTENSION, read_controls
from api.a1111.models import Generation, ImageToImageBody, TextToImageBody
from api.a1111.options import HIRES_FIX, KNOWN, Choice, load_choice, read_choice
from api.context import ApiContext
from api.errors import NotFound
from api.images import read_base64, store_image, store_mask
from api.names import find_entry, find_sampler, find_upscaler_name, is_open, join, list_refiners
from api.translation import Translation
from engine.checkpoints.library.catalogue import Inventory
from engine.errors import RequestError
from engine.prompt.presets import load_presets
from engine.requests import LATENT, GenerationRequest, ImageToImage, TextToImage
from engine.settings import Settings

_FITS = {0: "stretch", 1: "crop", 2: "pad", 3: "stretch"}
"""A1111's resize_mode -> how the input meets the size."""

_FILLS = {0: "fill", 1: "original", 2: "noise", 3: "nothing"}
"""A1111's inpainting_fill -> what the masked part begins with."""

_FEATHER = 2
"""Pixels of a soft edge for each pixel of A1111's blur."""

_HIRES_STRENGTH = 0.75
"""A1111's strength of the second pass where a client sends none."""

_BLUR, _PADDING = 4, 32
"""A1111's mask_blur and inpaint_full_res_padding where a client sends none."""

Test = Callable[[JsonValue], bool]


def _is_positive(value: JsonValue) -> bool:
    return isinstance(value, int | float) and value > 0


def _is_other_than(*usual: float) -> Test:
    return lambda value: value is not None and value not in usual


_LEFT_OUT: Mapping[str, tuple[Test, str]] = {
    "restore_faces": (bool, "Faces were not restored."),
    "tiling": (bool, "The picture was not made to tile."),
    "seed_resize_from_w": (_is_positive, "Resizing from another seed's size was left out."),
    "eta": (_is_other_than(0, 1), "“eta” was left out: the sampler has its own."),
    "s_churn": (_is_positive, "“s_churn” was left out."),
    "s_tmin": (_is_positive, "“s_tmin” was left out."),
    "s_noise": (_is_other_than(1), "“s_noise” was left out."),
    "s_min_uncond": (_is_positive, "“s_min_uncond” was left out."),
    "initial_noise_multiplier": (_is_other_than(1), "“initial_noise_multiplier” was left out."),
    "do_not_save_samples": (bool, "The picture was saved all the same, as every picture that Easel makes."),
}
"""Field -> whether its value asks for something that Easel does not do, and the sentence that says so."""


def translate_text_to_image(context: ApiContext, body: TextToImageBody) -> Translation:
    """What ``body`` asks for. Raises EaselError for values that cannot be used."""
    translated = _translate(context, body, TextToImage())
    if not body.enable_hr:
        return translated
    notes = [*translated.notes, *_explain_hires(body)]
    return Translation(_add_hires(translated.request, body, context.catalogue.scan(), notes), tuple(notes))


def _add_hires(request: GenerationRequest, body: TextToImageBody, inventory: Inventory, notes: list[str]) -> TextToImage:
    """``request``, whose size is that of the first pass, with a second, larger one."""
    assert isinstance(request, TextToImage), "it was translated from the body of one"
    native = _find_native(request, inventory)
    width, height = request.width or native, request.height or native
    sampler, schedule = find_sampler(body.hr_sampler_name, body.hr_scheduler, notes)
    large = _find_large_size(body, width, height)
    return dataclasses.replace(
        request,
        hires=True,
        first_width=width,
        first_height=height,
        width=large[0],
        height=large[1],
        hires_upscaler=_find_hires_upscaler(body.hr_upscaler, inventory),
        hires_steps=body.hr_second_pass_steps or None,
        hires_strength=_HIRES_STRENGTH if body.denoising_strength is None else body.denoising_strength,
        hires_guidance_scale=body.hr_cfg or None,
        hires_scheduler=sampler,
        hires_schedule=schedule,
    )


def _find_native(request: TextToImage, inventory: Inventory) -> int:
    return inventory.find(request.checkpoint).family.native_size


def _find_large_size(body: TextToImageBody, width: int, height: int) -> tuple[int, int]:
    """The size of the second pass: as named, with one side named in the shape of the first, or a factor times the first."""
    across, down = body.hr_resize_x or 0, body.hr_resize_y or 0
    if across and down:
        return across, down
    factor = across / width if across else down / height if down else (body.hr_scale or 2.0)
    return round(width * factor), round(height * factor)


def _find_hires_upscaler(name: str | None, inventory: Inventory) -> str | None:
    """None for the built-in one. A1111 has several ways to stretch latents; Easel has one."""
    if is_open(name) or name is None:
        return None
    if name.casefold().startswith(LATENT):
        return LATENT
    return find_upscaler_name(name, inventory)


def _explain_hires(body: TextToImageBody) -> Iterator[str]:
    if not is_open(body.hr_checkpoint_name) and body.hr_checkpoint_name != "Use same checkpoint":
        yield "“hr_checkpoint_name” was left out: both passes use one checkpoint."
    if body.hr_prompt or body.hr_negative_prompt:
        yield "“hr_prompt” and “hr_negative_prompt” were left out: both passes have the same prompts."


def translate_image_to_image(context: ApiContext, body: ImageToImageBody) -> Translation:
    """The same for an image to begin with."""
    images = body.init_images or []
    if not images:
        raise NotFound("Init image not found: “init_images” must hold a picture in base64.")
    content = read_base64(images[0])
    blank = ImageToImage(init_image=store_image(context, content), fit=_FITS.get(body.resize_mode or 0, "stretch"))
    request = dataclasses.replace(
        blank,
        strength=blank.strength if body.denoising_strength is None else body.denoising_strength,
        mask_image=_store_mask(context, body, content),
        feather=_FEATHER * max(_read_blur(body), 0),
        mask_area="picture" if body.inpaint_full_res is False else "region",
        fill=_FILLS.get(1 if body.inpainting_fill is None else body.inpainting_fill, "original"),
        padding=_PADDING if body.inpaint_full_res_padding is None else body.inpaint_full_res_padding,
    )
    return _translate(context, body, request, tuple(_explain_image(body)))


def _translate(context: ApiContext, body: Generation, blank: GenerationRequest, said: Sequence[str] = ()) -> Translation:
    if not is_open(body.script_name):
        raise RequestError(f"Script '{body.script_name}' not found: Easel has no scripts.")
    inventory = context.catalogue.scan()
    overrides = body.override_settings or {}
    choice = read_choice(overrides, inventory, load_choice(context, inventory))
    notes = [*said, *_explain(body)]
    sampler, schedule = find_sampler(_read_sampler(body), body.scheduler, notes)
    prompt, negative_prompt = _apply_styles(context.settings, body, notes)
    request = dataclasses.replace(
        blank,
        prompt=prompt,
        negative_prompt=negative_prompt,
        steps=body.steps,
        guidance_scale=body.cfg_scale,
        scheduler=sampler,
        schedule=schedule,
        seed=body.seed,
        variation_seed=body.subseed,
        variation_strength=body.subseed_strength or 0.0,
        count=(body.batch_size or 1) * (body.n_iter or 1),
        width=body.width or None,
        height=body.height or None,
        checkpoint=choice.checkpoint,
        vae=choice.vae,
        clip_skip=_read_clip_skip(body, choice),
        controls=read_controls(context, body.alwayson_scripts or {}, inventory, notes),
    )
    return Translation(_add_refiner(request, body, inventory), tuple(notes))


def _read_sampler(body: Generation) -> str | None:
    return body.sampler_name or (body.sampler_index if isinstance(body.sampler_index, str) else None)


def _read_clip_skip(body: Generation, choice: Choice) -> int | None:
    return choice.clip_skip if body.clip_skip is None else body.clip_skip


def _add_refiner(request: GenerationRequest, body: Generation, inventory: Inventory) -> GenerationRequest:
    if body.refiner_checkpoint is None or is_open(body.refiner_checkpoint):
        return request
    refiner = find_entry("Refiner", body.refiner_checkpoint, list_refiners(inventory)).name
    start = request.refiner_start if body.refiner_switch_at is None else body.refiner_switch_at
    return dataclasses.replace(request, refiner=refiner, refiner_start=start)


def _apply_styles(settings: Settings, body: Generation, notes: list[str]) -> tuple[str, str]:
    prompts = body.prompt or "", body.negative_prompt or ""
    names = [name for name in body.styles or [] if not is_open(name)]
    presets = load_presets(settings)[0] if names else {}
    for name in names:
        prompts = presets[name].apply(*prompts) if name in presets else prompts
    if missing := [name for name in names if name not in presets]:
        notes.append(f"There is no style called {join(missing)}, so it was left out.")
    return prompts


def _explain(body: Generation) -> Iterator[str]:
    """Sentences on what is left out."""
    for field, value in body.model_dump().items():
        asks, sentence = _LEFT_OUT.get(field, (None, ""))
        if asks is not None and asks(value):
            yield sentence
    unknown = [name for name in body.override_settings or {} if name not in (*KNOWN, HIRES_FIX)]
    if unknown:
        yield f"Easel has no settings called {join(unknown[:20])}; they were left out."
    if body.override_settings and body.override_settings_restore_afterwards is False:
        yield "The settings in “override_settings” were used for this request only."
    others = {name: value for name, value in (body.alwayson_scripts or {}).items() if name.casefold() != EXTENSION}
    if scripts := [name for name, value in others.items() if _is_wanted(value)]:
        yield f"Easel has no extensions called {join(scripts[:20])}; they were left out."


def _explain_image(body: ImageToImageBody) -> Iterator[str]:
    if len(body.init_images or []) > 1:
        yield "Only the first picture in “init_images” was used."
    if body.resize_mode == 3:
        yield "The picture was stretched to the size before it was encoded, not in the latent space."


def _is_wanted(script: JsonValue) -> bool:
    """Whether the arguments of an extension switch it on. A unit says so by ``enabled``; a lone ``false`` is off."""
    arguments = script.get("args") if isinstance(script, dict) else script
    values = arguments if isinstance(arguments, list) else list(arguments.values()) if isinstance(arguments, dict) else []
    return bool(values) and values[0] is not False and any(not isinstance(v, dict) or v.get("enabled", True) for v in values)


def _read_blur(body: ImageToImageBody) -> int:
    given = [blur for blur in (body.mask_blur, body.mask_blur_x, body.mask_blur_y) if blur is not None]
    return min(max(given, default=_BLUR), 256)


def _store_mask(context: ApiContext, body: ImageToImageBody, image: bytes) -> str | None:
    if not body.mask:
        return None
    return store_mask(context, read_base64(body.mask), image, "black" if body.inpainting_mask_invert else "white")
