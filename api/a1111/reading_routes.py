"""The routes that read the settings in an image, and say what an image shows."""

from __future__ import annotations

from fastapi import APIRouter

from api.a1111.models import ImageBody, PngInfoAnswer
from api.context import ApiContext, Json
from api.errors import NotFound
from api.images import read_base64
from engine.errors import RequestError
from engine.records import metadata
from engine.records.foreign import readers
from engine.records.inspect_file import texts
from engine.records.recall import recall_record
from engine.records.record import Record, parameters
from engine.requests import GenerationRequest, ImageToImage, Request

_NO_DESCRIBER = "Easel cannot describe pictures. Write the prompt yourself, or read the one in the picture's file with png-info."


def create_routes(context: ApiContext) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.post("/png-info", response_model=PngInfoAnswer)
    async def png_info(body: ImageBody) -> PngInfoAnswer:
        """The settings in a picture, by whatever program made it."""
        return await context.run(_read_settings, context, body.image)

    @routes.post("/interrogate")
    async def interrogate(body: ImageBody) -> Json:
        """What a picture shows: there is nothing here that can say so."""
        raise NotFound(_NO_DESCRIBER)

    return routes


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


def write_settings(request: Request) -> Json:
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
