"""The routes that read the settings in an image, and say what an image shows."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request

from api.a1111.models import CaptionAnswer, ImageBody, PngInfoAnswer
from api.context import COMPATIBLE_PAGE, ApiContext, Json
from api.errors import NotFound
from api.images import read_base64, store_image
from api.job_events import wait_for_results
from engine.checkpoints.captioners.find import NO_CAPTIONER, is_tagger, list_captioners
from engine.checkpoints.library.catalogue import Inventory
from engine.errors import CancelledError, RequestError
from engine.records import metadata
from engine.records.foreign import readers
from engine.records.inspect_file import texts
from engine.records.recall import recall_record
from engine.records.record import Record, parameters
from engine.requests import DescribeImage, GenerationRequest, ImageToImage
from engine.requests import Request as ImageRequest

_WRITES_TAGS: Mapping[str, bool] = {"clip": False, "deepdanbooru": True}
"""A1111's word for what describes a picture -> whether it writes tags, where the other kind writes sentences."""


def create_routes(context: ApiContext) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.post("/png-info", response_model=PngInfoAnswer)
    async def png_info(body: ImageBody) -> PngInfoAnswer:
        """The settings in a picture, by whatever program made it."""
        return await context.run(_read_settings, context, body.image)

    @routes.post("/interrogate", response_model=CaptionAnswer)
    async def interrogate(body: ImageBody, request: Request) -> CaptionAnswer:
        """What a picture shows, in words for a prompt: "clip" prefers a sentence, "deepdanbooru" tags, and each captioner that is
        here goes by its own name."""
        captioner = await context.run(_find_captioner, body.model or "clip", context.catalogue.scan())
        content = read_base64(body.image) if body.image else None
        if content is None:
            raise NotFound("Image not found: send a picture in base64.")
        image = await context.run(store_image, context, content)
        job = await context.run(context.jobs.submit, DescribeImage(image=image, captioner=captioner), COMPATIBLE_PAGE)
        await wait_for_results(context, request, job)
        described = (await context.run(context.jobs.state, job)).described
        if described is None:
            raise CancelledError("This was stopped before the picture was described.")
        return CaptionAnswer(caption=described.words)

    return routes


def _find_captioner(model: str, inventory: Inventory) -> str:
    """The name of the captioner that A1111's word or a name means. Where no other kind is here, the one that is here is used."""
    known = list_captioners(inventory)
    if not known:
        raise NotFound(NO_CAPTIONER)
    if (writes_tags := _WRITES_TAGS.get(model)) is not None:
        return min(known, key=lambda entry: is_tagger(entry) != writes_tags).name
    if model in (names := [entry.name for entry in known]):
        return model
    raise NotFound(f"There is no “{model}” that describes pictures. Ask for one of: {', '.join([*_WRITES_TAGS, *names])}.")


def _read_settings(context: ApiContext, image: str) -> PngInfoAnswer:
    content = read_base64(image)
    with context.keep_temporarily(content) as path:
        context.blobs.put_file(path, by_head=True)
        found = texts(path)
        own = _read_record(content)
        foreign = None if own else readers.read(path)
    recalled = recall_record(own, foreign, (), ())
    info = parameters(own) if own else foreign.raw if foreign else found.get("parameters", "")
    settings = write_settings(recalled.request) if recalled else {}
    return PngInfoAnswer(info=info, items={**found}, parameters=settings)


def _read_record(content: bytes) -> Record | None:
    try:
        return metadata.read(content)
    except RequestError:
        return None


def write_settings(request: ImageRequest) -> Json:
    """The settings of a request under the names that A1111 gives them."""
    generation = request if isinstance(request, GenerationRequest) else None
    written: Json = {
        "Prompt": request.prompt,
        "Negative prompt": request.negative_prompt,
        "Steps": request.steps,
        "Sampler": request.scheduler,
        "Schedule type": request.schedule,
        "CFG scale": request.guidance_scale,
        "Seed": request.seed,
        "Clip skip": request.clip_skip or None,
        "Size-1": generation.width if generation else None,
        "Size-2": generation.height if generation else None,
        "Model": generation.checkpoint if generation else None,
        "VAE": generation.vae if generation else None,
        "Denoising strength": request.strength if isinstance(request, ImageToImage) else None,
    }
    return {name: value for name, value in written.items() if value is not None}
