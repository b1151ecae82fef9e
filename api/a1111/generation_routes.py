"""The routes that make images: txt2img, img2img and the two for upscaling."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from PIL import Image

from api.a1111.answers import write_generation
from api.a1111.models import (
    ExtraBatchAnswer,
    ExtraBatchBody,
    Extras,
    ExtraSingleAnswer,
    ExtraSingleBody,
    Generation,
    GenerationAnswer,
    ImageToImageBody,
    TextToImageBody,
)
from api.a1111.translate import translate_image_to_image, translate_text_to_image
from api.context import COMPATIBLE_PAGE, ApiContext
from api.errors import NotFound
from api.images import encode_image, read_base64, store_image, write_base64
from api.job_events import wait_for_results
from api.names import find_upscaler_name, is_open
from api.translation import Translation
from engine.errors import CancelledError, RequestError
from engine.events import Result
from engine.records.images.open_image import fit
from engine.records.images.previews import describe_file
from engine.requests import LIMITS, Upscale

_JSON = "application/json"

_NO_UPSCALER = "No upscaler was chosen (“upscaler_1” is None), so the picture comes back as it was."


class Size(NamedTuple):
    """Pixels."""

    width: int
    height: int


def create_routes(context: ApiContext) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.post("/txt2img", response_model=GenerationAnswer)
    async def txt2img(body: TextToImageBody, request: Request) -> Response:
        """Draw pictures from a text."""
        return await _generate(context, request, body, await context.run(translate_text_to_image, context, body))

    @routes.post("/img2img", response_model=GenerationAnswer)
    async def img2img(body: ImageToImageBody, request: Request) -> Response:
        """Draw pictures from a picture and a text, or a part of it anew where there is a mask."""
        return await _generate(context, request, body, await context.run(translate_image_to_image, context, body))

    @routes.post("/extra-single-image", response_model=ExtraSingleAnswer)
    async def extra_single_image(body: ExtraSingleBody, request: Request) -> ExtraSingleAnswer:
        """Make a picture larger."""
        images, said = await _upscale(context, request, body, [body.image])
        return ExtraSingleAnswer(html_info=said, image=images[0])

    @routes.post("/extra-batch-images", response_model=ExtraBatchAnswer)
    async def extra_batch_images(body: ExtraBatchBody, request: Request) -> ExtraBatchAnswer:
        """Make several pictures larger."""
        images, said = await _upscale(context, request, body, [each.data for each in body.imageList])
        return ExtraBatchAnswer(html_info=said, images=images)

    return routes


async def _generate(context: ApiContext, request: Request, body: Generation, asked: Translation) -> Response:
    job = await context.run(context.jobs.submit, asked.request, COMPATIBLE_PAGE)
    await wait_for_results(context, request, job)
    content = await context.run(write_generation, context, job, body, asked.request, asked.notes)
    return Response(content, media_type=_JSON)


async def _upscale(context: ApiContext, request: Request, body: Extras, images: Sequence[str]) -> tuple[list[str], str]:
    """The larger images in base64, and what was done and left out."""
    notes = list(_explain(body))
    contents = await context.run(_read_all, images)
    if is_open(body.upscaler_1):
        checked = [await context.run(store_image, context, content) for content in contents]
        return [write_base64(content) for content, _ in zip(contents, checked, strict=True)], " ".join([_NO_UPSCALER, *notes])
    made: list[str] = []
    for content in contents:
        asked, size = await context.run(_translate, context, body, content)
        job = await context.run(context.jobs.submit, asked, COMPATIBLE_PAGE)
        results = await wait_for_results(context, request, job)
        if not results:
            raise CancelledError("This was stopped before the picture was ready.")
        made.append(await context.run(_write, results[0], size))
        notes += (await context.run(context.jobs.state, job)).notices
    return made, " ".join(dict.fromkeys(notes))


def _read_all(images: Sequence[str]) -> list[bytes]:
    if not images or not all(images):
        raise NotFound("Image not found: send one or more pictures in base64.")
    return [read_base64(image) for image in images]


def _translate(context: ApiContext, body: Extras, content: bytes) -> tuple[Upscale, Size | None]:
    """The request for one image, and the size that the answer is brought to, None for the upscaler's own."""
    upscaler = find_upscaler_name(body.upscaler_1 or "", context.catalogue.scan())
    with context.keep_temporarily(content) as path:
        image, blob = describe_file(path), context.blobs.put_file(path)
    if body.resize_mode != 1:
        factor = 2.0 if body.upscaling_resize is None else body.upscaling_resize
        return Upscale(images=(blob,), upscaler=upscaler, factor=factor), None
    wanted = Size(body.upscaling_resize_w or image.width, body.upscaling_resize_h or image.height)
    scales = wanted.width / image.width, wanted.height / image.height
    scale = max(scales) if body.upscaling_crop else min(scales)
    limit = LIMITS["factor"]
    if scale > limit.most:
        raise RequestError(f"The picture can become up to {limit.most:g} times as large. Ask for a smaller size.")
    size = wanted if body.upscaling_crop else Size(round(image.width * scale), round(image.height * scale))
    factor = max(limit.least, math.ceil(scale * 100) / 100)
    return Upscale(images=(blob,), upscaler=upscaler, factor=min(factor, limit.most)), size


def _write(result: Result, size: Size | None) -> str:
    content = encode_image(result.path, "png")
    if size is None or size == (result.width, result.height):
        return write_base64(content)
    stream = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        fit(image, max(1, size.width), max(1, size.height)).save(stream, "PNG")
    return write_base64(stream.getvalue())


def _explain(body: Extras) -> Sequence[str]:
    """Sentences on what is left out."""
    faces = (body.gfpgan_visibility or 0) > 0 or (body.codeformer_visibility or 0) > 0
    second = not is_open(body.upscaler_2) and (body.extras_upscaler_2_visibility or 0) > 0
    said = ["Faces were not restored."] if faces else []
    return [*said, *(["The second upscaler was left out."] if second else [])]
