"""The answers of Easel's own routes."""

from __future__ import annotations

from pydantic import BaseModel, JsonValue

from engine.jobs import JobState
from engine.requests import resolved_to_json, to_json


class JobImage(BaseModel):
    """A finished image. ``url`` is its path on this server, ``seconds`` how long it took."""

    url: str
    seed: int
    width: int
    height: int
    seconds: float


class JobProgress(BaseModel):
    """Step ``step`` of ``steps`` of image ``index`` of ``count`` is done; ``seconds_left`` is for the whole job."""

    index: int
    count: int
    step: int
    steps: int
    seconds_left: float | None


class ErrorAnswer(BaseModel):
    """Why a job failed: the kind of error, and a sentence."""

    kind: str
    message: str


class DescriptionAnswer(BaseModel):
    """The answer of a job of the kind "describe": the image in ``words``, and how they came about."""

    words: str
    resolved: dict[str, JsonValue]


class JobAnswer(BaseModel):
    """A job. ``state`` is queued, running, finished, cancelled, failed or set aside; times are seconds since 1970. ``request`` is
    what was asked for, in the form that POST /easel/v1/jobs takes."""

    id: str
    state: str
    submitted: float
    started: float | None
    ended: float | None
    request: dict[str, JsonValue]
    images: list[JobImage]
    notices: list[str]
    description: DescriptionAnswer | None
    progress: JobProgress | None
    error: ErrorAnswer | None


class FileAnswer(BaseModel):
    """A file that Easel can use. ``kind`` is checkpoint, lora, vae, upscaler or another; ``family`` what it is made for."""

    name: str
    kind: str
    family: str
    hash: str
    sha256: str | None


class FilesAnswer(BaseModel):
    """Everything in the user's folders, and a sentence for each file that is not used."""

    models: list[FileAnswer]
    refused: dict[str, str]
    samplers: list[str]
    schedules: list[str]


class PlanAnswer(BaseModel):
    """How the first image of a request would be made here: every field decided, and how it would run."""

    resolved: dict[str, JsonValue]


class StoredImage(BaseModel):
    """The name of an uploaded image in requests, and sentences on how it is read."""

    image: str
    width: int
    height: int
    notices: list[str]


class HealthAnswer(BaseModel):
    """That Easel answers. ``paused`` says why no job runs, "" if they do."""

    status: str
    version: str
    device: str
    paused: str


def locate_image(job: str, index: int) -> str:
    """Where a finished image is served."""
    return f"/easel/v1/jobs/{job}/images/{index}"


def write_job(state: JobState) -> JobAnswer:
    """A job's state as an answer."""
    step = state.progress if not state.over else None
    images = [
        JobImage(url=locate_image(state.id, index), seed=r.seed, width=r.width, height=r.height, seconds=r.seconds)
        for index, r in enumerate(state.results)
    ]
    said = state.described
    return JobAnswer(
        id=state.id, state=state.state, submitted=state.submitted, started=state.started, ended=state.ended,
        request=to_json(state.request), images=images, notices=list(state.notices),
        description=DescriptionAnswer(words=said.words, resolved=resolved_to_json(said.resolved)) if said else None,
        progress=JobProgress(
            index=step.index, count=step.count, step=step.step, steps=step.steps, seconds_left=step.seconds_left
        ) if step else None,
        error=ErrorAnswer(kind=state.error_kind, message=state.error) if state.error else None,
    )  # fmt: skip
