"""A run under one plan: makes the batches of images that a task defines and yields an event for each saved image."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from PIL import Image

from engine.checkpoints.adapters.additions import NOTHING, Additions
from engine.checkpoints.loaded import Autoencoder, LoadedCheckpoint
from engine.errors import ImageWithheld
from engine.events import Event, Loading, Notice
from engine.generate.context import Batch, BatchImage, Beginning, Denoising, ImageContext, Start, Task
from engine.generate.control.lease import LoadedControls
from engine.generate.decode import Decoding, PendingPreview, begin_preview, decode, match_tiny_decoder
from engine.generate.denoise import Denoiser, condition_on_size, draw_noise, guidance_embedding_width, vary_noise
from engine.generate.detail import hires
from engine.generate.detail.latent_tiles import LatentTiles
from engine.generate.engine_state import EngineState
from engine.generate.estimate import StepProgress, circumstance_of, course_of
from engine.generate.guidance import GUIDANCES, Guidance
from engine.generate.out_of_memory import Turns, lend_text_encoders, phase
from engine.generate.precision_guard import PrecisionGuard, describe_raised
from engine.generate.prepare import Prepared
from engine.generate.refiner import LoadedRefiner
from engine.generate.samplers import create
from engine.generate.save import Saved, SaveQueue, Saver
from engine.generate.speed.compile import ANNOUNCEMENTS, CompiledRun, explain_trouble, is_new
from engine.generate.speed.extrapolation import Extrapolation
from engine.generate.speed.transfers import runs_ahead, send
from engine.plan.learned import Circumstance, learn
from engine.plan.speed import SPEEDS, speed_for
from engine.plan.timing import learn_timing
from engine.prompt.encoding.encode import PromptEncodings, encode_pair
from engine.prompt.encoding.steps import EncodingRows, Encodings
from engine.prompt.encoding.text_encoders import Guard
from engine.prompt.terms import Place
from engine.records import outputs
from engine.requests import GenerationRequest, Resolved, ResolvedGeneration, StudyNegative
from engine.stopping import Stop

EncodingKey = tuple[str, str, tuple[Place, ...], int, bool]
"""Prompt, negative prompt, the places of the negative prompt that are silent, the steps, and whether they are guided."""


@dataclass
class PreviewSlot:
    """The preview that the device is computing, if any."""

    pending: PendingPreview | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A run under one plan, while its checkpoint is leased. ``tiny_decoder`` draws the previews, and the images of a speed that
    says so. ``withheld`` says why images were left out; ``reported`` are the sentences on prompts that were said already."""

    saver: Saver
    task: Task
    loaded: LoadedCheckpoint
    tiny_decoder: AutoencoderTiny | None
    guard: PrecisionGuard
    state: EngineState
    stop: Stop
    progress: StepProgress
    compiled: CompiledRun
    saving: SaveQueue
    controls: LoadedControls
    refiner: LoadedRefiner | None
    turns: Turns | None
    saved_before: dict[int, Path]
    withheld: list[ImageWithheld] = field(default_factory=list[ImageWithheld])
    encodings: dict[EncodingKey, PromptEncodings] = field(default_factory=dict[EncodingKey, PromptEncodings])
    reported: set[str] = field(default_factory=set[str])
    previews: PreviewSlot = field(default_factory=PreviewSlot)

    def find_saved(self) -> dict[int, Path]:
        """The images of the job on disk, by index, once those being written are finished."""
        self.saving.wait()
        return outputs.find_saved(self.saver.folder, self.saver.job)

    def report_loaded(self) -> Iterator[Event]:
        """Report what was noticed while loading."""
        yield from (Notice(job=self.saver.job, text=text) for text in self.loaded.notices)

    def _announce_compiling(self, prepared: Prepared, denoising: Denoising) -> Iterator[Event]:
        """Report that the image waits for the compiler, as the first of its kind does."""
        name, compiler = prepared.entry.name, prepared.resolved.plan.compiler
        if self.compiled.has_compiled and is_new(self.loaded.denoiser, denoising.shape, compiler):
            yield Loading(job=self.saver.job, checkpoint=name, text=ANNOUNCEMENTS[compiler].format(name=name))

    def encode(self, images: Sequence[Resolved]) -> list[PromptEncodings]:
        """The encodings of the prompts of ``images``. Those of the whole job are best asked for at once: text encoders that wait
        in RAM then come to the device once."""
        with phase("encode"), lend_text_encoders(self.loaded, self.loaded.plan, self.guard) as guard:
            found = [self._find_encodings(resolved, guard) for resolved in images]
        if self.refiner is not None:
            self.refiner.encode([resolved.request for resolved in images])
        return found

    def report_start(self, prepared: Prepared, denoising: Denoising) -> Iterator[Event]:
        """Report, once each, what of the prompts encoded so far was not read, and that the compiler is waited for."""
        new = {text for encodings in self.encodings.values() for text in encodings.notices} - self.reported
        self.reported.update(new)
        yield from (Notice(job=self.saver.job, text=text) for text in sorted(new))
        yield from self._announce_compiling(prepared, denoising)

    def start_image(self, request: ResolvedGeneration, additions: Additions) -> None:
        """Choose what computes the next image. ``additions`` are in the weights."""
        self.compiled.start_image(request, additions)
        if self.refiner is not None:
            self.refiner.compiled.start_image(request, NOTHING)

    def start(self, batch: Batch) -> Iterator[Denoising]:
        """The passes over a batch, each to be denoised before the next is asked for: one, or with hires fix two."""
        passes = hires.find_passes(batch)
        first = Denoising(self._prepare_pass(passes[0], self.task.start), after=hires.count_later_steps(passes))
        yield first
        for larger in passes[1:]:
            for _ in first.repair():
                pass
            yield self._start_larger(larger, first)

    def _start_larger(self, batch: Batch, first: Denoising) -> Denoising:
        """The second pass, over what the ``first`` made."""
        resolved = batch.images[0].resolved
        enlarged = hires.enlarge_latents(first.latents, resolved, self.loaded, self.guard, self.state, self.stop)

        def start(context: ImageContext) -> Start:
            return hires.start_second(context, resolved.request.hires_strength or 0.0, enlarged)

        return Denoising(self._prepare_pass(batch, start), began=first.began, before=first.steps)

    def _prepare_pass(self, batch: Batch, start_at: Callable[[ImageContext], Start]) -> Callable[[], Beginning]:
        """Encode a batch's prompts. What is returned draws the first noise."""
        rows = self.encode([image.resolved for image in batch.images])
        filled = [*rows, *rows[:1] * (batch.rows - len(rows))]
        encodings = filled[0] if batch.rows == 1 else EncodingRows(tuple(filled))

        def begin() -> Beginning:
            context = self._create_context(batch)
            start = start_at(context)
            if batch.rows > 1:
                start = dataclasses.replace(start, latents=start.latents.repeat(batch.rows, 1, 1, 1))
            self.progress.start_image()
            return Beginning(context=context, start=start, denoiser=self._create_denoiser(context, start, encodings))

        return begin

    def report_step(self, batch: Batch, denoising: Denoising) -> Event:
        """The event of the last step. There is no preview if images may be withheld, because those must not be shown either."""
        shown = None
        if self.saver.checker is None and (self.previews.pending is not None or self.progress.preview_is_due):
            shown = self.progress.preview(lambda: self._find_preview(denoising))
        return self.progress.step(batch.number, denoising.done, denoising.total, shown)

    def _find_preview(self, denoising: Denoising) -> bytes | None:
        """The preview that was begun at this or an earlier step, if it is done. One that is not finite has the latents looked
        at."""
        family, slot = self.loaded.family, self.previews
        if slot.pending is None:
            slot.pending = begin_preview(denoising.latents[:1], self.loaded.vae, family.preview, self.tiny_decoder)
        if slot.pending is None or not slot.pending.is_done:
            return None
        finished, slot.pending = slot.pending, None
        shown = finished.render()
        if shown is None:
            denoising.doubt()
        return shown

    def decode_all(self, denoising: Denoising, batch: Batch, *, wait: bool) -> Iterator[Event]:
        """Decode, check and save the images of a batch, each while the next one is computed; ``wait`` for the last one too."""
        for row in range(len(batch.images)):
            yield from self.saving.collect_all()
            self.decode(denoising, batch, row)
        if wait:
            yield from self.saving.collect_all()

    def decode(self, denoising: Denoising, batch: Batch, row: int) -> None:
        """Decode row ``row`` of ``batch``, and have it saved on the saving thread.

        On a device that computes asynchronously the work is only queued, and the next image's steps follow.
        """
        stepped, context, planned = time.monotonic(), denoising.context, batch.images[row]
        planned = dataclasses.replace(
            planned, resolved=self.compiled.record(planned.resolved, self.refiner.compiled if self.refiner else None)
        )
        decoding = Decoding(*self._find_decoder(denoising, row, planned), self.guard, ahead=runs_ahead(context.device))
        self.previews.pending = None

        def save(image: Image.Image) -> Saved:
            return self.saver.save(planned, self.task.finish(image, context))

        def work() -> Saved | None:
            image = decoding.wait()
            return None if image is None else save(image)

        def report(saved: Saved | None) -> Iterator[Event]:
            if saved is None:
                for _ in denoising.repair():
                    yield self.progress.step(batch.number, denoising.done, denoising.total, None)
                saved = save(decode(*self._find_decoder(denoising, row, planned), self.guard))
            self._learn_timing(planned.resolved, stepping=stepped - denoising.began, rest=saved.began - stepped)
            yield from self._report(planned, saved, (saved.ended - denoising.began) / len(batch.images))

        self.saving.put(work, report)

    def _find_decoder(self, denoising: Denoising, row: int, planned: BatchImage) -> tuple[torch.Tensor, Autoencoder]:
        """The latents of an image, and what decodes them."""
        latents, vae = denoising.latents[row : row + 1], self.loaded.vae
        if self.tiny_decoder is None or not SPEEDS[planned.resolved.request.speed].tiny_decoder:
            return latents, vae
        return match_tiny_decoder(latents, vae, self.loaded.family.preview), self.tiny_decoder

    def is_saved(self, batch: Batch) -> bool:
        """Whether an earlier attempt saved all images of ``batch``."""
        return all(image.index in self.saved_before for image in batch.images)

    def report_saved(self, batch: Batch) -> Iterator[Event]:
        """The events of images that an earlier attempt saved."""
        for image in batch.images:
            yield self.saver.report(image, self.saved_before[image.index])

    def check_withheld(self) -> None:
        """Raises ImageWithheld if no image was left."""
        if self.withheld and len(self.withheld) == self.task.independent_images:
            raise self.withheld[-1]

    def learn(self, prepared: Prepared) -> Iterator[Event]:
        """Store for the next run which components needed a safer precision, and, after a run that saved memory, its measures.
        A network that could not be compiled is reported."""
        raised, state = self.guard.raised, self.state
        if trouble := explain_trouble(self.loaded.denoiser):
            yield Notice(job=self.saver.job, text=trouble)
        for measure in prepared.resolved.plan.measures if state.sparing else ():
            half = circumstance_of(prepared.resolved.request, state.budget)
            whole = Circumstance(half.pixels, 2 * half.free)
            learn(state.notes, prepared.entry.hash, state.hardware.device, measure=measure, then=whole)
        if raised:
            learn(state.notes, prepared.entry.hash, state.hardware.device, dtypes=raised)
            yield Notice(job=self.saver.job, text=describe_raised(raised))

    def _report(self, planned: BatchImage, saved: Saved, seconds: float) -> Iterator[Event]:
        """The events of a saved or withheld image. A withheld one is skipped with a notice, or fails the job if it is the
        only one."""
        job, count = self.saver.job, self.task.independent_images
        if saved.withheld is not None:
            self.withheld.append(saved.withheld)
            if count == 1:
                raise saved.withheld
            yield Notice(job=job, text=f"Picture {planned.index + 1} of {count}: {saved.withheld}")
        if saved.notice:
            yield Notice(job=job, text=saved.notice)
        if saved.path is not None:
            yield self.saver.report(planned, saved.path, seconds)

    def _learn_timing(self, resolved: Resolved, *, stepping: float, rest: float) -> None:
        """Store how long an image took. Studies and drafts run differently, so their times are not used for others."""
        state = self.state
        if self.saver.folder == state.settings.outputs:
            learn_timing(
                state.notes, resolved.checkpoint_hash, state.hardware.device, course_of(resolved.request),
                stepping=stepping, rest=rest,
            )  # fmt: skip

    def _find_encodings(self, resolved: Resolved, guard: Guard) -> PromptEncodings:
        """The encodings of a request: once for all images of the job that share them."""
        request = resolved.request
        key = (
            request.prompt, request.negative_prompt, _find_silenced(request), request.steps, request.guidance_scale > 1,
        )  # fmt: skip
        if key not in self.encodings:
            self.encodings[key] = self._encode(request, guard)
        return self.encodings[key]

    def _encode(self, request: ResolvedGeneration, guard: Guard) -> PromptEncodings:
        """Prompt and negative for every step. With guidance of 1 or less, or distilled guidance, there is no negative."""
        distilled = guidance_embedding_width(self.loaded.denoiser) is not None
        return encode_pair(
            self.loaded,
            request.prompt,
            request.negative_prompt,
            steps=request.steps,
            clip_skip=request.clip_skip,
            guidance=request.guidance_scale > 1 and not distilled,
            cache=self.state.encodings,
            guard=guard,
            neutral=_find_silenced(request),
        )

    def _create_context(self, batch: Batch) -> ImageContext:
        """Create the context of ``batch``. Each row of a batch gets the same noise from a generator of its own."""
        resolved, loaded = batch.images[0].resolved, self.loaded
        request = resolved.request
        seeds = [image.resolved.request.seed for image in batch.images]
        scheduler = create(
            request.scheduler, loaded.scheduler_config, request.schedule,
            aligned_steps=loaded.family.aligned_steps,
            seeds=[*seeds, *seeds[:1] * (batch.rows - len(seeds))],
        )  # fmt: skip
        scheduler.set_timesteps(request.steps)
        scale = loaded.vae_scale_factor
        shape = (1, loaded.latent_channels, request.height // scale, request.width // scale)
        noise, generator = draw_noise(request.seed, shape)
        if request.variation_strength:
            noise = vary_noise(noise, request.variation_seed or 0, request.variation_strength)
        rows = [torch.Generator("cpu").set_state(generator.get_state()) for _ in range(batch.rows)]
        return ImageContext(
            loaded=loaded, scheduler=scheduler, resolved=resolved, noise=noise, guard=self.guard,
            generator=generator if batch.rows == 1 else rows,
        )  # fmt: skip

    def _create_denoiser(self, context: ImageContext, start: Start, encodings: Encodings) -> Denoiser:
        request, steps = context.resolved.request, len(start.timesteps)
        speed = speed_for(request.speed, steps)
        tiles, controls = self._find_tiles(context), self.controls.start_image(steps)
        denoiser = Denoiser(
            network=self.loaded.denoiser,
            device=context.device,
            scheduler=context.scheduler,
            encodings=encodings,
            guidance_scale=request.guidance_scale,
            guidance=Guidance(GUIDANCES[request.guidance], request.guidance_rescale, self.loaded.family.skip_layers, steps),
            guard=self.guard,
            generator=context.generator,
            extra_channels=None if start.extra_channels is None else send(start.extra_channels, context.device),
            size=condition_on_size(self.loaded, request.width, request.height),
            extrapolation=Extrapolation(speed, steps, context.scheduler) if speed.run_every > 1 else None,
            controls=controls and controls.fit(request.height, request.width),
            ahead=runs_ahead(context.device),
            tiles=tiles,
            prepare_network=None if self.turns is None else self.turns.take,
        )
        if self.refiner is not None:
            self.refiner.join(denoiser, request)
        return denoiser

    def _find_tiles(self, context: ImageContext) -> LatentTiles | None:
        """The tiles of a pass that does not fit into memory at once: of the size that the checkpoint was trained at."""
        height, width = context.noise.shape[-2:]
        side = self.loaded.family.native_size // self.loaded.vae_scale_factor
        is_cut = context.resolved.plan.repaint_tiles and max(height, width) > side
        return LatentTiles(height, width, side) if is_cut else None


def _find_silenced(request: GenerationRequest) -> tuple[Place, ...]:
    return request.silenced if isinstance(request, StudyNegative) else ()
