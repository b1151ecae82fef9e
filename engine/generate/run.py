"""The run of one job, in numbered phases. Every kind of picture goes this way; a :class:`Task` says what differs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image

from engine.events import Event, Loading, Notice, PictureSaved, Result
from engine.generate import guard as guarding
from engine.generate import preview
from engine.generate.decode import decode
from engine.generate.denoise import Denoiser, first_noise, step_options
from engine.generate.guard import PrecisionGuard
from engine.generate.interrupt import listening
from engine.generate.prepare import Prepared, prepare
from engine.generate.progress import Progress
from engine.generate.resolve import picture as resolved_picture
from engine.generate.schedulers import create
from engine.generate.workshop import Workshop
from engine.plan.notes import learn
from engine.prompt.encode import PromptEncodings, encode_pair
from engine.records import outputs
from engine.requests import Request, Resolved
from engine.stopping import Stop


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where denoising begins. ``latents`` are scaled and noised for the first of ``timesteps``.

    ``extra_channels`` and ``after_step`` are as in :class:`~engine.generate.denoise.Denoiser`.
    """

    latents: torch.Tensor
    timesteps: torch.Tensor
    extra_channels: torch.Tensor | None = None
    after_step: Callable[[int, torch.Tensor], torch.Tensor] | None = None


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What one picture is made with: the leased pipeline, its fresh scheduler, the first noise and its generator."""

    pipeline: Any
    scheduler: Any
    resolved: Resolved
    noise: torch.Tensor
    generator: torch.Generator
    guard: PrecisionGuard


class Task(Protocol):
    """What one kind of request does its own way."""

    kind: str
    """The kind of pipeline to lease."""

    def size(self, native: int, multiple: int) -> tuple[int, int]:
        """Width and height in pixels where the request leaves them open."""
        ...

    def start(self, bench: Bench) -> Start:
        """Where this picture's denoising begins."""
        ...

    def finish(self, image: Image.Image, bench: Bench) -> Image.Image:
        """The last touch on the decoded picture."""
        ...


def run(job: str, asked: Request, task: Task, workshop: Workshop, stop: Stop) -> Iterator[Event]:
    """Make the pictures of one job. Each is on disk before its PictureSaved event is given out.

    Raises EaselError for what cannot be done, and Cancelled soon after ``stop`` is set.
    """
    # 1. Decide everything that is open; refuse now what cannot be kept or cannot fit.
    outputs.check_writable(workshop.settings.outputs)
    prepared = prepare(asked, task.size, workshop)
    yield from (Notice(job=job, text=text) for text in prepared.notices)

    # 2. The checkpoint: from the cache, or from disk.
    if prepared.entry.name not in workshop.cache.names:
        yield Loading(job=job, checkpoint=prepared.entry.name, text=f"Loading {prepared.entry.name}")
    with ExitStack() as held:
        plan = prepared.resolved.plan
        pipeline = held.enter_context(workshop.cache.lease(prepared.entry, plan, kind=task.kind, cancelled=stop.is_set))
        guard = held.enter_context(PrecisionGuard())
        held.enter_context(listening(stop, pipeline.unet, pipeline.vae, pipeline.text_encoder))

        # 3. The words, once for all pictures of the job.
        encodings = _encode(pipeline, prepared.resolved, workshop, guard)

        # 4. One picture after the other. Those that an earlier attempt saved are not made twice.
        saved = outputs.existing(workshop.settings.outputs, job)
        progress = Progress(job, asked.count)
        for index in range(asked.count):
            resolved = resolved_picture(prepared.resolved, index)
            if index in saved:
                yield PictureSaved(job=job, picture=index, result=_result(saved[index], resolved, 0.0))
            else:
                yield from _picture(job, index, resolved, task, pipeline, encodings, guard, progress, workshop)
        yield from _remember(job, guard, prepared, workshop)


def _picture(
    job: str,
    index: int,
    resolved: Resolved,
    task: Task,
    pipeline: Any,
    encodings: PromptEncodings,
    guard: PrecisionGuard,
    progress: Progress,
    workshop: Workshop,
) -> Iterator[Event]:
    """One picture: noise, denoise, decode, save."""
    began = time.monotonic()

    # 5. The first noise, on the CPU, from the seed; and where this kind of request starts.
    bench = _bench(resolved, pipeline, guard)
    start = task.start(bench)

    # 6. Denoise, a step at a time.
    latents = start.latents
    progress.start_picture()
    for step, latents in enumerate(_denoise(bench, start, encodings), start=1):
        seen = progress.preview(partial(preview.picture, latents, pipeline.vae))
        yield progress.step(index, step, len(start.timesteps), seen)

    # 7. Decode.
    image = task.finish(decode(latents, pipeline.vae, guard), bench)

    # 8. Save, then say so.
    path = outputs.save(image, resolved, outputs=workshop.settings.outputs, job=job, index=index)
    yield PictureSaved(job=job, picture=index, result=_result(path, resolved, time.monotonic() - began))


def _result(path: Path, resolved: Resolved, seconds: float) -> Result:
    with Image.open(path) as saved:
        width, height = saved.size
    return Result(path=path, seed=resolved.request.seed or 0, width=width, height=height, seconds=seconds)


def _bench(resolved: Resolved, pipeline: Any, guard: PrecisionGuard) -> Bench:
    request = resolved.request
    assert request.scheduler and request.width and request.height and request.seed is not None
    scheduler = create(request.scheduler, pipeline.scheduler.config)
    scheduler.set_timesteps(request.steps)
    scale = pipeline.vae_scale_factor
    shape = (1, pipeline.vae.config.latent_channels, request.height // scale, request.width // scale)
    noise, generator = first_noise(request.seed, shape)
    return Bench(pipeline=pipeline, scheduler=scheduler, resolved=resolved, noise=noise, generator=generator, guard=guard)


def _denoise(bench: Bench, start: Start, encodings: PromptEncodings) -> Iterator[torch.Tensor]:
    request, unet = bench.resolved.request, bench.pipeline.unet
    assert request.guidance_scale is not None and request.width and request.height
    denoiser = Denoiser(
        unet=unet,
        scheduler=bench.scheduler,
        encodings=encodings,
        guidance_scale=request.guidance_scale,
        guard=bench.guard,
        extra_channels=start.extra_channels,
        time_ids=_time_ids(unet, request.width, request.height),
        step_options=step_options(bench.scheduler, bench.generator),
    )
    return denoiser.steps(start.latents, start.timesteps, start.after_step)


def _encode(pipeline: Any, resolved: Resolved, workshop: Workshop, guard: PrecisionGuard) -> PromptEncodings:
    """Prompt and negative for every step. Guidance of 1 or less needs no negative, nor does distilled guidance."""
    request = resolved.request
    assert request.guidance_scale is not None and request.steps is not None
    distilled = getattr(pipeline.unet.config, "time_cond_proj_dim", None) is not None
    return encode_pair(
        pipeline,
        request.prompt,
        request.negative_prompt,
        steps=request.steps,
        clip_skip=request.clip_skip or 0,
        guidance=request.guidance_scale > 1 and not distilled,
        cache=workshop.encodings,
        guard=guard,
    )


def _time_ids(unet: Any, width: int, height: int) -> torch.Tensor | None:
    """XL's size conditioning: original size, crop corner, target size (Podell et al. 2023, arXiv 2307.01952)."""
    if getattr(unet.config, "addition_embed_type", None) != "text_time":
        return None
    return torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32)


def _remember(job: str, guard: PrecisionGuard, prepared: Prepared, workshop: Workshop) -> Iterator[Event]:
    """What had to be raised to full precision starts there next time."""
    if guard.raised:
        dtypes = dict.fromkeys(guard.raised, "float32")
        learn(workshop.notes, prepared.entry.hash, workshop.hardware.device, dtypes=dtypes)
        yield Notice(job=job, text=guarding.notice(guard.raised))
