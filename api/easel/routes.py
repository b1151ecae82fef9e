"""Easel's own routes: submit a request, follow its job, fetch its images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import JsonValue

from api.context import API_PAGE, ApiContext
from api.easel.event_stream import stream_events
from api.easel.models import (
    FileAnswer,
    FilesAnswer,
    HealthAnswer,
    JobAnswer,
    PlanAnswer,
    StoredImage,
    write_job,
)
from api.errors import NotFound
from api.job_events import EventStream
from api.names import check_names
from engine.errors import RequestError
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from engine.jobs import JobState
from engine.records.images.previews import describe_file
from engine.requests import Upscale, check, from_json, is_draft, resolved_to_json
from engine.settings import VERSION

_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".tif": "image/tiff"}

_PLAN_SECONDS = 60.0
"""How long a plan waits for a worker that is busy."""

_MOST_KEY = 255
"""Characters of an idempotency key."""

_NO_PLAN = "Such a picture cannot be made here, or the image generator is busy. Submit the request: the job says what is wrong."

Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=_MOST_KEY)]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID")]
Limit = Annotated[int, Query(ge=1, le=1000)]


def create_routes(context: ApiContext) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/easel/v1", tags=["Easel"])
    _add_jobs(routes, context)
    _add_one_job(routes, context)

    @routes.get("/health", response_model=HealthAnswer)
    async def health() -> HealthAnswer:
        """Whether Easel answers. It does so before the image generator has started."""
        described = context.jobs.describe()
        device = described.device if described else ""
        return HealthAnswer(status="ok", version=VERSION, device=device, paused=context.jobs.paused)

    @routes.get("/models", response_model=FilesAnswer)
    async def models() -> FilesAnswer:
        """Checkpoints, LoRAs, VAEs and the rest, and the samplers and noise schedules."""
        return await context.run(_list_models, context)

    @routes.post("/plan", response_model=PlanAnswer)
    async def plan(body: dict[str, JsonValue]) -> PlanAnswer:
        """How the first image of a request would be made here, without making it."""
        return await context.run(_plan, context, body)

    @routes.post("/images", response_model=StoredImage, status_code=201, openapi_extra=_FILE)
    async def store_image(request: Request) -> StoredImage:
        """Store the file in the body as an input of later requests. One that no request uses is removed after a day."""
        return await context.run(_store, context, await request.body())

    return routes


_FILE = {
    "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
"""How the documentation shows a body that is a file."""

_EVENTS: dict[int | str, dict[str, JsonValue]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
"""How the documentation shows a stream of events."""


def _add_jobs(routes: APIRouter, context: ApiContext) -> None:
    @routes.post("/jobs", response_model=JobAnswer, status_code=202)
    async def submit(body: dict[str, JsonValue], key: Key = None) -> JobAnswer:
        """Submit a request: the JSON of a record's request, whose fields may be left out. The answer comes at once, and the job
        goes on whoever is there. The same ``Idempotency-Key`` gives the same job again."""
        return write_job(await context.run(_submit, context, body, key))

    @routes.get("/jobs", response_model=list[JobAnswer])
    async def jobs(state: str | None = None, limit: Limit = 100) -> list[JobAnswer]:
        """Jobs of the page and of every client, the newest first."""
        found = await context.run(context.jobs.jobs, (state,) if state else (), limit)
        return [write_job(each) for each in found]


def _add_one_job(routes: APIRouter, context: ApiContext) -> None:
    @routes.get("/jobs/{id}", response_model=JobAnswer)
    async def job(id: str) -> JobAnswer:
        """One job."""
        return write_job(await context.run(_find, context, id))

    @routes.delete("/jobs/{id}", response_model=JobAnswer)
    async def stop(id: str) -> JobAnswer:
        """Stop a job. What is ready stays."""
        await context.run(_find, context, id)
        await context.run(context.jobs.stop, id)
        return write_job(await context.run(_find, context, id))

    @routes.post("/jobs/{id}/retry", response_model=JobAnswer, status_code=202)
    async def retry(id: str) -> JobAnswer:
        """Submit a job's request again, with its seed."""
        await context.run(_find, context, id)
        return write_job(await context.run(_find, context, await context.run(context.jobs.retry, id)))

    @routes.get("/jobs/{id}/events", response_class=StreamingResponse, responses=_EVENTS)
    async def events(id: str, last_event_id: LastEventId = None) -> Response:
        """A job's events as server-sent events, until its last. ``Last-Event-ID`` goes on where a connection was lost."""
        await context.run(_find, context, id)
        return EventStream(stream_events(context, id, last_event_id))

    @routes.get("/jobs/{id}/images/{index}", response_class=FileResponse)
    async def image(id: str, index: int) -> Response:
        """A finished image, as it lies in the outputs folder, its record included."""
        path = await context.run(_find_image, context, id, index)
        return FileResponse(path, media_type=_MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream"))


def _submit(context: ApiContext, body: dict[str, JsonValue], key: str | None) -> JobState:
    request = from_json(body)
    check_names(request, context.catalogue.scan())
    if is_draft(request):
        raise RequestError("A draft is only for a page that somebody draws on. Leave out “draft”.")
    if key is not None and not key.strip():
        raise RequestError("An Idempotency-Key must not be empty. Leave it out, or use a text that is new for each request.")
    return context.jobs.state(context.jobs.submit(request, API_PAGE, key or ""))


def _find(context: ApiContext, id: str) -> JobState:
    """Raises NotFound for an unknown id."""
    try:
        return context.jobs.state(id)
    except RequestError as error:
        raise NotFound("Easel does not know this job. GET /easel/v1/jobs lists those that it knows.") from error


def _find_image(context: ApiContext, id: str, index: int) -> Path:
    results = _find(context, id).results
    if not 0 <= index < len(results) or not results[index].path.is_file():
        raise NotFound("There is no such picture. It may not be ready yet, or was deleted.")
    return results[index].path


def _plan(context: ApiContext, body: dict[str, JsonValue]) -> PlanAnswer:
    request = from_json(body)
    check(request)
    check_names(request, context.catalogue.scan())
    found = None if isinstance(request, Upscale) else context.jobs.describe_run(request, _PLAN_SECONDS)
    if found is None:
        raise RequestError(_NO_PLAN)
    return PlanAnswer(resolved=resolved_to_json(found))


def _store(context: ApiContext, content: bytes) -> StoredImage:
    with context.keep_temporarily(content) as path:
        image = describe_file(path)
        return StoredImage(
            image=context.blobs.put_file(path, by_head=True), width=image.width, height=image.height, notices=list(image.notices)
        )


def _list_models(context: ApiContext) -> FilesAnswer:
    inventory = context.catalogue.scan()
    found = [
        FileAnswer(
            name=entry.name, kind=entry.identity.kind, family=entry.identity.family, hash=entry.hash, sha256=entry.sha256 or None
        )
        for entry in inventory.entries
    ]
    return FilesAnswer(
        models=found, refused={str(path): why for path, why in inventory.refused.items()},
        samplers=list(SCHEDULERS), schedules=list(SCHEDULES),
    )  # fmt: skip
