"""The run of one job, in numbered phases. Every kind of picture goes this way; a :class:`Task` says what differs."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import torch

from engine.errors import PictureWithheld
from engine.events import Event, Loading, Notice
from engine.generate import precision_guard as guarding
from engine.generate import safety
from engine.generate.context import ImageContext, Session, Start, Task
from engine.generate.decode import decoded
from engine.generate.denoise import Denoiser, Encodings, GuidedUntil, first_noise, size_conditioning, step_options
from engine.generate.engine_state import EngineState
from engine.generate.estimate import course_of
from engine.generate.memory_measures import text_encoders_in, vae_in_tiles
from engine.generate.out_of_memory import phase, surviving
from engine.generate.precision_guard import Overflowed, PrecisionGuard, Safer
from engine.generate.prepare import Prepared, prepare
from engine.generate.progress import Progress
from engine.generate.refiner import refining
from engine.generate.resolve import picture as resolved_picture
from engine.generate.samplers import create
from engine.generate.save import kept, written
from engine.generate.save_queue import Saving
from engine.generate.speed.compile import can_compile, compiled, is_new, trouble
from engine.generate.speed.feature_cache import Features, can_skip
from engine.generate.stop_hooks import listening
from engine.plan.learned import learn
from engine.plan.precision import find_safer_dtype
from engine.plan.speed import speed_for
from engine.plan.timing import learn_timing
from engine.prompt.encode import PromptEncodings, encode_pair
from engine.prompt.terms import Place
from engine.records import outputs
from engine.requests import GenerationRequest, Resolved, is_draft
from engine.settings import Settings
from engine.stopping import Stop

DRAFTS = 24
"""Drafts that are kept: enough that a page still shows the one that it was told of."""


def run(job: str, asked: GenerationRequest, task: Task, state: EngineState, stop: Stop) -> Iterator[Event]:
    """Make the pictures of one job. Each is on disk before its PictureSaved event is given out.

    Raises EaselError for what cannot be done, and Cancelled soon after ``stop`` is set.
    """
    # 1. Decide everything that is open; refuse now what cannot be kept or cannot fit.
    folder = _folder(asked, state.settings)
    outputs.check_writable(folder)
    prepared = prepare(asked, task.size, state)
    yield from surviving(job, prepared, state, partial(_attempt, job, asked, task, state, stop))


def _attempt(
    job: str, asked: GenerationRequest, task: Task, state: EngineState, stop: Stop, prepared: Prepared
) -> Iterator[Event]:
    """The run under one plan."""
    folder = _folder(asked, state.settings)

    # 2. The checkpoint: from the cache, or from disk.
    yield from announced(job, prepared, state)
    with opened(job, task, prepared, state, stop, pictures=asked.count, folder=folder, count=asked.count) as session:
        # 3. The words, once for all pictures of the job.
        encodings = encode(session, prepared.resolved)
        yield from warming(session, prepared)

        # 4. One picture after the other. Those that an earlier attempt saved are not made twice.
        yield from to_the_end(session, _pictures(session, prepared.resolved, asked.count, encodings))
        if folder == state.settings.drafts:
            outputs.keep_newest(folder, DRAFTS)
        yield from remembered(session, prepared)


def _pictures(session: Session, resolved: Resolved, count: int, encodings: PromptEncodings) -> Iterator[Event]:
    """One after the other; the last may still be on its way to the disk."""
    saved = outputs.find_saved(session.folder, session.job)
    for index in range(count):
        each = resolved_picture(resolved, index)
        if index in saved:
            yield kept(session, index, each, saved[index])
        else:
            yield from drawn(session, index, each, encodings)
    yield from session.saving.rest()
    if len(session.withheld) == count:
        raise session.withheld[-1]


def to_the_end(session: Session, events: Iterator[Event]) -> Iterator[Event]:
    """``events``, and however they end those of pictures that are still on their way to the disk."""
    try:
        yield from events
    except Exception:
        yield from session.saving.rest()
        raise
    yield from session.saving.rest()


def announced(job: str, prepared: Prepared, state: EngineState) -> Iterator[Event]:
    """What is to be said before the checkpoint is there."""
    yield from (Notice(job=job, text=text) for text in (*prepared.notices, *safety.remarks(prepared.entry, state)))
    if prepared.entry.name not in state.cache.names:
        yield Loading(job=job, checkpoint=prepared.entry.name, text=f"Loading {prepared.entry.name}")


def warming(session: Session, prepared: Prepared) -> Iterator[Event]:
    """The first picture of a size waits for the compiler."""
    resolved = prepared.resolved
    if can_compile(resolved.plan, prepared.additions) and is_new(session.pipeline.unet, resolved.request):
        name = prepared.entry.name
        yield Loading(job=session.job, checkpoint=name, text=f"Compiling {name} for this size, once: this takes a minute or more")


@contextmanager
def opened(
    job: str, task: Task, prepared: Prepared, state: EngineState, stop: Stop, *, pictures: int, folder: Path, count: int = 1
) -> Generator[Session]:
    """The pipeline, leased while the block runs; ``stop`` is heard inside it. ``pictures`` are how many are counted in steps,
    ``count`` is the session's."""
    with ExitStack() as held:
        plan = prepared.resolved.plan
        with phase("load"):
            lease = state.cache.lease(prepared.entry, plan, task.kind, cancelled=stop.is_set, additions=prepared.additions)
            pipeline = held.enter_context(lease)
            checker = safety.checker_for(prepared.entry, plan, state, stop)
        state.hashes.want(prepared.entry.path, prepared.entry.stamp)
        held.enter_context(vae_in_tiles(pipeline.vae, plan))
        guard = held.enter_context(PrecisionGuard(_safer(prepared, state)))
        held.enter_context(compiled(pipeline, plan, prepared.additions, stop))
        hears = None if plan.compiler == "inductor" else pipeline.unet  # its compiled steps are short, and have no blocks
        held.enter_context(listening(stop, hears, pipeline.vae, pipeline.text_encoder))
        refinement = held.enter_context(refining(prepared.refiner, state, stop))
        progress = Progress(job, pictures)
        yield Session(
            job=job, task=task, entry=prepared.entry, pipeline=pipeline, guard=guard, progress=progress, state=state,
            folder=folder, count=count, saving=held.enter_context(Saving()), refinement=refinement, checker=checker,
        )  # fmt: skip


def _safer(prepared: Prepared, state: EngineState) -> Safer:
    """What a component that overflows runs in next."""
    return lambda component, dtype: find_safer_dtype(dtype, component, state.hardware, prepared.entry.family)


def picture(
    session: Session,
    index: int,
    resolved: Resolved,
    encodings: PromptEncodings,
    companions: Mapping[str, int] | None = None,
) -> Iterator[Event]:
    """One picture: noise, denoise, decode, save. ``companions`` are those of its record. Raises PictureWithheld."""
    yield from drawn(session, index, resolved, encodings, companions)
    yield from session.saving.rest()
    if session.withheld:
        raise session.withheld[-1]


def drawn(
    session: Session,
    index: int,
    resolved: Resolved,
    encodings: PromptEncodings,
    companions: Mapping[str, int] | None = None,
) -> Iterator[Event]:
    """As :func:`picture`, but the file may come later, as an event of the session's ``saving``; or in ``withheld`` why there is
    none."""
    began = time.monotonic()

    # 5. and 6. From noise to latents.
    context, latents = yield from _denoised(session, index, resolved, encodings)
    stepped = time.monotonic()
    yield from session.saving.rest()

    # 7. Decode. A device that runs ahead is only asked to, and goes on to the next picture's steps without a pause.
    decoding = time.monotonic()
    arrived = decoded(latents, session.pipeline.vae, session.guard, beside=runs_ahead(context.device))

    # 8. Look at it and save it beside the next picture's steps, and say so once it is on disk.
    def finished() -> tuple[Event, ...]:
        image = session.task.finish(arrived(), context)
        if session.folder == session.state.settings.outputs:
            course, rest = course_of(resolved.request), time.monotonic() - decoding
            learn_timing(
                session.state.notes, resolved.checkpoint_hash, session.state.hardware.device, course,
                stepping=stepped - began, rest=rest,
            )  # fmt: skip
        try:
            safety.check(image, session.checker)
        except PictureWithheld as error:
            session.withheld.append(error)
            return tuple(safety.told(session.job, error, index, session.count))
        return written(session, index, resolved, image, companions, began)

    session.saving.put(finished)


def _denoised(
    session: Session, index: int, resolved: Resolved, encodings: PromptEncodings
) -> Generator[Event, None, tuple[ImageContext, torch.Tensor]]:
    """The latents of a picture, and what they were made with. Begun again where a step that ran ahead overflowed."""
    while True:
        # 5. The first noise, on the CPU, from the seed; and where this kind of request starts.
        context = create_context(session, resolved)
        start = session.task.start(context)

        # 6. Denoise, a step at a time.
        latents = start.latents
        session.progress.start_picture()
        try:
            for step, latents in enumerate(denoise(context, start, encodings, ahead=runs_ahead(context.device)), start=1):
                yield session.progress.step(index, step, len(start.timesteps), session.preview(latents))
                yield from session.saving.ready()
        except Overflowed:
            continue
        return context, latents


def runs_ahead(device: torch.device) -> bool:
    """Whether ``device`` computes what it was asked for while the next step is prepared."""
    return device.type == "cuda"


def _folder(asked: GenerationRequest, settings: Settings) -> Path:
    """Where the pictures of a request are saved."""
    return settings.drafts if is_draft(asked) else settings.outputs


def create_context(session: Session, resolved: Resolved) -> ImageContext:
    """What a picture of this session is made with."""
    request, pipeline = resolved.request, session.pipeline
    scheduler = create(request.scheduler, pipeline.scheduler_config)
    scheduler.set_timesteps(request.steps)
    scale = pipeline.vae_scale_factor
    shape = (1, pipeline.latent_channels, request.height // scale, request.width // scale)
    noise, generator = first_noise(request.seed, shape)
    return ImageContext(
        pipeline=pipeline, scheduler=scheduler, resolved=resolved, noise=noise, generator=generator, guard=session.guard,
        refinement=session.refinement,
    )  # fmt: skip


def denoise(context: ImageContext, start: Start, encodings: Encodings, ahead: bool = False) -> Iterator[torch.Tensor]:
    """The latents after each step; ``ahead`` as in :class:`~engine.generate.denoise.Denoiser`."""
    request = context.resolved.request
    time_ids, negative_time_ids = size_conditioning(context.pipeline, request.width, request.height)
    unet, speed = context.pipeline.unet, speed_for(request.speed, len(start.timesteps))
    denoiser = Denoiser(
        unet=unet,
        device=context.device,
        scheduler=context.scheduler,
        encodings=GuidedUntil(encodings, speed.guided_steps(len(start.timesteps))),
        guidance_scale=request.guidance_scale,
        guard=context.guard,
        extra_channels=None if start.extra_channels is None else start.extra_channels.to(context.device),
        time_ids=time_ids,
        negative_time_ids=negative_time_ids,
        step_options=step_options(context.scheduler, context.generator),
        features=Features(unet, speed.full_every) if speed.full_every > 1 and can_skip(unet) else None,
        ahead=ahead,
    )
    if context.refinement is not None:
        denoiser = context.refinement.joined(denoiser, request)
    with phase("denoise"):
        yield from denoiser.steps(start.latents, start.timesteps, start.after_step)


def encode(session: Session, resolved: Resolved, silenced: Sequence[Place] = ()) -> PromptEncodings:
    """Prompt and negative for every step. Guidance of 1 or less needs no negative, nor does distilled guidance.

    ``silenced`` are places of the negative that say nothing.
    """
    request, pipeline = resolved.request, session.pipeline
    distilled = pipeline.unet.config.get("time_cond_proj_dim") is not None
    with phase("encode"), text_encoders_in(pipeline, resolved.plan):
        return encode_pair(
            pipeline,
            request.prompt,
            request.negative_prompt,
            steps=request.steps,
            clip_skip=request.clip_skip,
            guidance=request.guidance_scale > 1 and not distilled,
            cache=session.state.encodings,
            guard=session.guard,
            neutral=silenced,
        )


def remembered(session: Session, prepared: Prepared) -> Iterator[Event]:
    """What had to be raised to full precision starts there next time; so does what ran sparingly and came to its end. A network
    that could not be compiled is told of."""
    raised, state = session.guard.raised, session.state
    if why := trouble(session.pipeline.unet):
        yield Notice(job=session.job, text=why)
    for measure in prepared.resolved.plan.measures if state.sparing else ():
        learn(state.notes, prepared.entry.hash, state.hardware.device, measure=measure)
    if raised:
        learn(state.notes, prepared.entry.hash, state.hardware.device, dtypes=raised)
        yield Notice(job=session.job, text=guarding.notice(raised))
