"""Finished images as A1111's clients read them: files in base64, and ``info``, which is JSON in a string."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from api.a1111.models import Generation
from api.context import ApiContext
from api.images import encode_image, write_base64
from api.names import SHORT_HASH
from engine.errors import RequestError
from engine.events import Result
from engine.json_values import JsonObject, JsonValue
from engine.records import metadata
from engine.records.record import Record, parameters
from engine.requests import GenerationRequest, ImageToImage, Request
from engine.settings import VERSION

_LONG = ("init_images", "mask")
"""Fields of a request that are not sent back."""


@dataclass(frozen=True)
class FinishedImage:
    """A file and its record, None if records are switched off."""

    content: bytes
    record: Record | None
    result: Result


def write_generation(context: ApiContext, job: str, body: Generation, asked: GenerationRequest, notes: Sequence[str]) -> bytes:
    """The answer of txt2img and img2img, as JSON."""
    state = context.jobs.state(job)
    images = [_read_image(result) for result in state.results]
    info = _write_info(images, asked, (*notes, *state.notices))
    sent = [write_base64(image.content) for image in images] if body.send_images is not False else []
    echoed = {**body.model_dump(mode="json"), **dict.fromkeys(_LONG)}
    return json.dumps({"images": sent, "parameters": echoed, "info": json.dumps(info)}).encode()


def _read_image(result: Result) -> FinishedImage:
    content = encode_image(result.path, "png")
    try:
        return FinishedImage(content, metadata.read(content), result)
    except RequestError:
        return FinishedImage(content, None, result)


def _write_info(images: Sequence[FinishedImage], asked: GenerationRequest, notes: Sequence[str]) -> JsonObject:
    """What clients read from ``info``: what was drawn, not what was asked for. ``notes`` are Easel's own sentences."""
    records = [image.record for image in images]
    requests = [record.resolved.request if record else asked for record in records] or [asked]
    first = records[0] if records else None
    seeds: list[JsonValue] = [image.result.seed for image in images]
    variations: list[JsonValue] = [
        _find_variation(request, image.result.seed) for request, image in zip(requests, images, strict=False)
    ]
    sizes = [(image.result.width, image.result.height) for image in images] or [(asked.width or 0, asked.height or 0)]
    return {
        **_write_settings(requests[0]),
        "all_prompts": [request.prompt for request in requests],
        "all_negative_prompts": [request.negative_prompt for request in requests],
        "seed": seeds[0] if seeds else asked.seed,
        "all_seeds": seeds,
        "subseed": variations[0] if variations else asked.seed,
        "all_subseeds": variations,
        "width": sizes[0][0],
        "height": sizes[0][1],
        "batch_size": asked.count,
        "sd_model_hash": (first.resolved.checkpoint_sha256 or first.resolved.checkpoint_hash)[:SHORT_HASH] if first else None,
        "infotexts": [parameters(record) if record else "" for record in records],
        "notes": list(notes),
    }


def _find_variation(request: Request, seed: int) -> int:
    """The seed of a variation; A1111 has one for each image, and Easel gives the seed where there is no variation."""
    if isinstance(request, GenerationRequest) and request.variation_strength:
        return request.variation_seed or 0
    return seed


def _write_settings(request: Request) -> JsonObject:
    """The settings that all images of a job share, and those that A1111 has and Easel has not, at their neutral values."""
    generation = request if isinstance(request, GenerationRequest) else None
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "sampler_name": request.scheduler,
        "scheduler": request.schedule,
        "cfg_scale": request.guidance_scale,
        "steps": request.steps,
        "clip_skip": request.clip_skip,
        "sd_model_name": generation.checkpoint if generation else None,
        "sd_vae_name": generation.vae if generation else None,
        "denoising_strength": request.strength if isinstance(request, ImageToImage) else None,
        "subseed_strength": generation.variation_strength if generation else 0,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "restore_faces": False,
        "face_restoration_model": None,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "styles": [],
        "is_using_inpainting_conditioning": False,
        "version": f"Easel {VERSION}",
    }
