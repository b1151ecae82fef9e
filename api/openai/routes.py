"""OpenAI's routes: its models, and images that are generated, edited and varied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from api.context import COMPATIBLE_PAGE, ApiContext
from api.errors import NotFound
from api.job_events import EventStream, wait_for_results
from api.names import find_entry, list_drawing
from api.openai.answers import Delivery, Kind, stream_answer, write_answer
from api.openai.models import EditBody, GenerationBody, ImagesAnswer, ModelAnswer, ModelsAnswer, Options
from api.openai.translate import translate_edit, translate_generation
from api.translation import Translation
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import RequestError

_MOST_FILES, _MOST_FIELDS = 17, 100
"""Files, and fields, that one request may bring: OpenAI takes 16 images and a mask."""

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": {"type": "string", "format": "binary"},
                        "mask": {"type": "string", "format": "binary"},
                        "prompt": {"type": "string"},
                        "model": {"type": "string"},
                        "n": {"type": "integer"},
                        "size": {"type": "string"},
                    },
                    "required": ["image"],
                }
            }
        },
    }
}
"""How the documentation shows the form of edits and variations."""


async def _read_form(request: Request) -> FormData:
    """The form of a request. Large files wait on the disk."""
    return await request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS)


Form = Annotated[FormData, Depends(_read_form)]


def create_routes(context: ApiContext) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])

    @routes.get("/models", response_model=ModelsAnswer)
    async def models() -> ModelsAnswer:
        """The checkpoints, the default first."""
        return ModelsAnswer(data=[_write_model(entry) for entry in await context.run(_list_models, context)])

    @routes.get("/models/{id:path}", response_model=ModelAnswer)
    async def model(id: str) -> Response | ModelAnswer:
        """One checkpoint."""
        try:
            return _write_model(find_entry("Model", id, await context.run(_list_models, context)))
        except NotFound as error:
            return _refuse_model(error)

    @routes.post("/images/generations", response_model=ImagesAnswer)
    async def generate(body: GenerationBody, request: Request) -> Response | ImagesAnswer:
        """Draw pictures from a text."""
        asked = await context.run(translate_generation, context, body)
        return await _deliver(context, request, body, asked, "image_generation")

    @routes.post("/images/edits", response_model=ImagesAnswer, openapi_extra=_FORM)
    async def edit(form: Form, request: Request) -> Response | ImagesAnswer:
        """Change a picture, or draw anew what is transparent in the mask."""
        body, images = _read_options(form), await _read_files(form, ("image", "image[]"))
        asked = await context.run(translate_edit, context, body, images, await _read_mask(form))
        return await _deliver(context, request, body, asked, "image_edit")

    @routes.post("/images/variations", response_model=ImagesAnswer, openapi_extra=_FORM)
    async def vary(form: Form, request: Request) -> Response | ImagesAnswer:
        """Draw pictures like a picture."""
        body, images = _read_options(form), await _read_files(form, ("image",))
        asked = await context.run(translate_edit, context, body, images, None)
        return await _deliver(context, request, body, asked, "image_edit")

    return routes


async def _read_mask(form: Form) -> bytes | None:
    return next(iter(await _read_files(form, ("mask",))), None)


def _refuse_model(error: NotFound) -> JSONResponse:
    said = {"message": str(error), "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
    return JSONResponse({"error": said}, status_code=404)


async def _deliver(
    context: ApiContext, request: Request, body: Options, asked: Translation, kind: Kind
) -> Response | ImagesAnswer:
    job = await context.run(context.jobs.submit, asked.request, COMPATIBLE_PAGE)
    delivery = Delivery(body, str(request.base_url).rstrip("/") + context.reach.root_path, asked.notes)
    if body.stream:
        return EventStream(stream_answer(context, job, delivery, kind))
    await wait_for_results(context, request, job)
    return await context.run(write_answer, context, job, delivery)


def _read_options(form: FormData) -> EditBody:
    """The fields of a form that are no files. Raises RequestValidationError."""
    try:
        return EditBody.model_validate({name: value for name, value in form.items() if isinstance(value, str)})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


async def _read_files(form: FormData, names: Sequence[str]) -> list[bytes]:
    """The files under these names. Raises RequestError for a text in the place of a file."""
    found: list[bytes] = []
    for name in names:
        for value in form.getlist(name):
            if not isinstance(value, UploadFile):
                raise RequestError(f"“{name}” must be a file.")
            found.append(await value.read())
    return found


def _list_models(context: ApiContext) -> list[CheckpointEntry]:
    return list_drawing(context.catalogue.scan())


def _write_model(entry: CheckpointEntry) -> ModelAnswer:
    return ModelAnswer(id=entry.name, created=max(0, entry.stamp[1] // 10**9))
