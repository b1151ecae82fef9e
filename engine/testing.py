"""A scripted engine for tests of the page and of jobs: real files, real events, no torch.

Its image depends on the prompt and the seed alone, but for a disc for each term of the negative prompt that does not begin with
"nothing". The prompt also says what happens on the way, by the words in :data:`SCRIPT`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageDraw

import engine.preferences as preferences
from engine.descriptions import EngineDescription, FreedMemory
from engine.errors import DeviceLost, DiskFull, RequestError
from engine.events import Described, Event, Finished, Guided, ImageSaved, Loading, Notice, Result, Step
from engine.negative import study
from engine.negative.comparison import as_text_to_image, create_pair
from engine.prompt.terms import find_terms
from engine.records import outputs
from engine.records.blobs import Blobs
from engine.requests import (
    CompareNegative,
    DescribeImage,
    ExecutionPlan,
    GenerationRequest,
    Request,
    Resolved,
    ResolvedGeneration,
    ResolvedStudyNegative,
    ResolvedUpscale,
    StudyNegative,
    Upscale,
    complete,
    complete_description,
    complete_upscale,
    is_draft,
    is_grid,
    list_cells,
    request_at,
)
from engine.settings import Settings
from engine.stopping import Stop

STEPS = 6
SIDE = 64
"""Steps, and the size in pixels, of a request that leaves them open."""


def _fail() -> None:
    raise RequestError("The script says that this request fails. Take the words “script: fail” out of the prompt.")


def _hang() -> None:
    time.sleep(3600)


def _crash() -> None:
    os._exit(9)


def _lose_device() -> None:
    raise DeviceLost("The script says that the device stopped responding in the middle of this job.")


def _disk_full() -> None:
    raise DiskFull("The script says that the disk is full. Make room.")


SCRIPT: dict[str, Callable[[], None]] = {
    "script: fail": _fail,
    "script: crash": _crash,
    "script: hang": _hang,
    "script: disk full": _disk_full,
    "script: lose device": _lose_device,
    "script: bug": lambda: [][0],
}
"""Words in the prompt -> what happens at the third step. Further words: those of :data:`STEP_SECONDS` let every step take a time,
``script: wait`` holds every step until the file :data:`GO_ON` exists in the data folder, ``script: once`` limits the others to a
job's first attempt, ``script: notice`` sends a notice, ``script: depth`` a depth map."""

GO_ON = "go-on"

STEP_SECONDS = {"script: slow": 0.5, "script: steady": 0.02}
POLL_SECONDS = 0.02

ResolvedRequest: TypeAlias = ResolvedGeneration | ResolvedUpscale


class ScriptedEngine:
    """Stands in for :class:`engine.local.Local` in the worker: ``Jobs(settings, "engine.testing:ScriptedEngine")``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def describe(self) -> EngineDescription:
        """As :meth:`engine.local.Local.describe`."""
        return EngineDescription(device="a scripted device")

    def warm(self, checkpoint: str, stop: Stop) -> None:
        """Do nothing, because there is nothing to load."""

    def devices(self) -> tuple[str, ...]:
        """As :meth:`engine.local.Local.devices`."""
        return (self._settings.device,)

    def rest(self, seconds: float, stop: Stop) -> float | None:
        """As :meth:`engine.local.Local.rest`: nothing is ever due."""
        return None

    def free_memory(self) -> FreedMemory:
        """As :meth:`engine.local.Local.free_memory`: a gigabyte each time, of a checkpoint that was never there."""
        return FreedMemory(ram=2**30, checkpoints=("scripted",))

    def describe_run(self, request: Request) -> Resolved[Request]:
        """As :meth:`engine.local.Local.describe_run`: what its own records say."""
        return _wrap(resolve(request))

    def run(self, job: str, request: Request, stop: Stop, attempt: int = 1, *, device_was_lost: bool = False) -> Iterator[Event]:
        """As :meth:`engine.local.Local.run`."""
        outputs.check_writable(self._settings.outputs)
        yield Loading(job=job, checkpoint="scripted", text="Loading the scripted checkpoint")
        if "script: notice" in request.prompt:
            yield Notice(job=job, text="The script says hello.")
        if "script: depth" in request.prompt:
            yield Guided(job=job, depth=Blobs(self._settings.data / "blobs").put(Image.linear_gradient("L")))
        if isinstance(request, DescribeImage):
            yield from self._describe(job, request, stop)
            return
        results: list[Result] = []
        for index, (resolved, folder) in enumerate(self._resolve_all(job, request)):
            path = outputs.find_saved(folder, job).get(index)
            if path is None:
                yield from self._run_steps(job, index, request.count, resolved, stop)
                chosen = preferences.read(self._settings.data)
                style = outputs.FileStyle(format=chosen.file_format, quality=chosen.quality, pattern=chosen.name_pattern)
                path = outputs.save(draw(resolved), _wrap(resolved), outputs=folder, job=job, index=index, style=style)
            results.append(_read_result(path, resolved))
            yield ImageSaved(job=job, index=index, result=results[-1])
        yield Finished(job=job, results=tuple(results))

    def _describe(self, job: str, request: DescribeImage, stop: Stop) -> Iterator[Event]:
        """Words that name the captioner."""
        self._wait(request.captioner or "", stop)
        resolved = complete_description(request, captioner=request.captioner or "scripted")
        answer = Resolved(request=resolved, plan=ExecutionPlan(), threads=1)
        yield Described(job=job, words=f"a picture as {resolved.captioner} sees it", resolved=answer)
        yield Finished(job=job, results=())

    def _resolve_all(self, job: str, asked: Request) -> Iterator[tuple[ResolvedRequest, Path]]:
        """Each image of a request as a request of its own, and the folder that it goes into."""
        first, folder = resolve(asked), self._settings.outputs
        if isinstance(first, ResolvedUpscale):
            assert isinstance(asked, Upscale)
            yield from ((dataclasses.replace(first, images=(image,)), folder) for image in asked.images)
        elif isinstance(asked, CompareNegative):
            yield from ((each, folder) for each in create_pair(first))
        elif isinstance(asked, StudyNegative):
            folder = folder / study.FOLDER
            yield from ((dataclasses.replace(first, silenced=silence), folder) for silence in study.list_silences(asked))
            found = study.summarize(asked, outputs.find_saved(folder, job))
            if found.dead:
                yield as_text_to_image(first, found.remaining), folder
        elif is_grid(asked):
            assert isinstance(asked, GenerationRequest) and isinstance(first, ResolvedGeneration)
            yield from ((resolve(cell.request), folder) for cell in list_cells(asked))
            yield dataclasses.replace(first, axes=asked.axes), folder
        else:
            folder = self._settings.drafts if is_draft(asked) else folder
            yield from ((request_at(first, index), folder) for index in range(asked.count))

    def _run_steps(self, job: str, index: int, count: int, request: ResolvedRequest, stop: Stop) -> Iterator[Event]:
        steps, preview = request.steps or STEPS, _encode_jpeg(draw(request))
        for step in range(1, steps + 1):
            self._wait(request.prompt, stop)
            if step == 3:
                self._follow_script(job, request.prompt)
            yield Step(
                job=job, index=index, count=max(count, index + 1), step=step, steps=steps,
                seconds_left=float(steps - step), preview=preview,
            )  # fmt: skip

    def _follow_script(self, job: str, prompt: str) -> None:
        attempted = self._settings.data / f"attempted-{job}"
        if "script: once" in prompt and attempted.exists():
            return
        attempted.touch()
        for words, happen in SCRIPT.items():
            if words in prompt:
                happen()

    def _wait(self, prompt: str, stop: Stop) -> None:
        """Wait for as long as the script wants a step to take. Raises CancelledError."""
        stop.raise_if_set()
        end = time.monotonic() + max(seconds for words, seconds in {**STEP_SECONDS, "": 0.0}.items() if words in prompt)
        while time.monotonic() < end or ("script: wait" in prompt and not (self._settings.data / GO_ON).exists()):
            time.sleep(POLL_SECONDS)
            stop.raise_if_set()


def resolve(asked: Request) -> ResolvedRequest:
    """The first image of ``asked``, with fixed values where it leaves them open."""
    if isinstance(asked, Upscale):
        upscaler = asked.upscaler or "scripted"
        return complete_upscale(
            asked, image=asked.images[0], upscaler=upscaler, width=SIDE, height=SIDE, tile=SIDE, seed=asked.seed or 0
        )
    assert isinstance(asked, GenerationRequest)
    return complete(
        asked, checkpoint=asked.checkpoint or "scripted", width=asked.width or SIDE, height=asked.height or SIDE,
        steps=asked.steps or STEPS, guidance_scale=7.0 if asked.guidance_scale is None else asked.guidance_scale,
        scheduler=asked.scheduler or "Euler", schedule=asked.schedule or "Default", seed=asked.seed or 0,
        clip_skip=asked.clip_skip or 0,
    )  # fmt: skip


def draw(request: ResolvedRequest) -> Image.Image:
    """The image of a prompt, a seed and a negative prompt: a few discs."""
    width, height = request.width, request.height
    numbers = _create_random(f"{request.prompt} {request.seed}")
    image = Image.new("RGB", (width, height), tuple(numbers.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(image)
    for _ in range(5):
        _draw_disc(pen, numbers, width, height)
    silenced = request.silenced if isinstance(request, ResolvedStudyNegative) else ()
    for term in find_terms(request.negative_prompt):
        if term.place not in silenced and not term.text.startswith("nothing"):
            _draw_disc(pen, _create_random(term.text), width, height)
    return image


def _create_random(words: str) -> random.Random:
    return random.Random(hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest())


def _draw_disc(pen: ImageDraw.ImageDraw, numbers: random.Random, width: int, height: int) -> None:
    x, y, radius = numbers.randrange(width), numbers.randrange(height), numbers.randrange(4, max(5, width // 3))
    colour = tuple(numbers.randrange(256) for _ in range(3))
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _wrap(request: ResolvedRequest) -> Resolved[ResolvedRequest]:
    return Resolved(request=request, plan=ExecutionPlan(), threads=1, environment={"torch": "none"})


def _encode_jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def _read_result(path: Path, request: ResolvedRequest) -> Result:
    with Image.open(path) as saved:
        width, height = saved.size
    return Result(path=path, seed=request.seed, width=width, height=height, seconds=0.0)
