"""Text to image with diffusers' own pipeline, for folders of a family that Easel does not know. Best effort; the page says so.

What such a pipeline has no argument for is ignored; its sampler is the folder's own, and so are size, steps and guidance where
the request leaves them open.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from diffusers import DiffusionPipeline
from PIL import Image

import engine.preferences as preferences
from engine.checkpoints.library.entry import CheckpointEntry
from engine.compat.diffusers_pipelines import PipelineDefaults, call_pipeline, read_defaults
from engine.errors import CheckpointError, EaselError, first_line
from engine.events import Event, ImageSaved, Loading, Notice
from engine.generate.engine_state import EngineState, environment
from engine.generate.estimate import StepProgress, course_of, plan_for
from engine.generate.save import read_result, read_style
from engine.plan.pipeline_memory import fit_pipeline
from engine.plan.timing import learn_timing
from engine.prompt.draw_prompts import draw_again
from engine.records import outputs
from engine.requests import HIRES, ExecutionPlan, Resolved, ResolvedGeneration, TextToImage, check, complete
from engine.seeds import draw_seed
from engine.stopping import Stop

_NOTICE = (
    "“{name}” is of a kind that only diffusers itself knows, so it runs in diffusers' own pipeline: samplers, LoRAs, embeddings, "
    "word weights, controls, hires fix, variation seeds and the kind of guidance have no effect."
)


def is_needed(entry: CheckpointEntry) -> bool:
    """Whether ``entry`` needs this fallback."""
    return entry.family.loaded_by_diffusers


def run(
    job: str, asked: TextToImage, entry: CheckpointEntry, state: EngineState, stop: Stop, first_index: int = 0
) -> Iterator[Event]:
    """The images of a job. Raises EaselError for what cannot be done, and CancelledError soon after ``stop`` is set."""
    check(asked)
    folder = state.settings.outputs
    outputs.check_writable(folder)
    seed = draw_seed() if asked.seed is None else asked.seed
    planned = plan_for(entry, asked, state.circumstances)
    plan = fit_pipeline(entry.parameters, planned, state.budget)
    yield Notice(job=job, text=_NOTICE.format(name=entry.name))
    yield from (Notice(job=job, text=reason) for reason in plan.reasons if reason not in planned.reasons)
    if entry.name not in state.cache.names:
        yield Loading(job=job, checkpoint=entry.name, text=f"Loading {entry.name}")
    with state.cache.lease_pipeline(entry, plan, cancelled=stop.is_set) as pipeline:
        progress, wildcards, defaults = StepProgress(job, asked.count), state.wildcards, read_defaults(pipeline)
        saved = outputs.find_saved(folder, job)
        for index in (index for index in range(asked.count) if first_index + index not in saved):
            own = draw_again(dataclasses.replace(asked, seed=seed + index), seed, wildcards)
            run = _PipelineRun(job, own, entry, plan, state, pipeline, progress, stop, defaults)
            yield from run.make_image(first_index + index, seed + index)


@dataclass(frozen=True)
class _PipelineRun:
    """An image of a job while its pipeline is leased; ``asked`` has the prompts and the seed of this image."""

    job: str
    asked: TextToImage
    entry: CheckpointEntry
    plan: ExecutionPlan
    state: EngineState
    pipeline: DiffusionPipeline
    progress: StepProgress
    stop: Stop
    defaults: PipelineDefaults

    def make_image(self, index: int, seed: int) -> Iterator[Event]:
        """One image, from its seed to a file."""
        began, steps = time.monotonic(), self.asked.steps or self.defaults.steps or 1
        stepped = began
        self.progress.start_image()
        images: list[Image.Image] = []
        for step in _run_in_thread(lambda report: images.append(self._call(seed, report))):
            yield self.progress.step(index, min(step, steps), steps, None)
            stepped = time.monotonic()
        image = images[0].convert("RGB")
        folder, resolved = self.state.settings.outputs, self._resolve(image, seed, steps)
        style = read_style(preferences.read(self.state.settings.data))
        path = outputs.save(image, resolved, outputs=folder, job=self.job, index=index, style=style)
        ended = time.monotonic()
        learn_timing(
            self.state.notes, self.entry.hash, self.state.hardware.device, course_of(resolved.request),
            stepping=stepped - began, rest=ended - stepped,
        )  # fmt: skip
        yield ImageSaved(job=self.job, index=index, result=read_result(path, seed, ended - began))

    def _resolve(self, image: Image.Image, seed: int, steps: int) -> Resolved[ResolvedGeneration]:
        """How ``image`` was made, as far as the pipeline shows."""
        asked, device = self.asked, self.state.hardware.device
        scale = self.defaults.guidance_scale if asked.guidance_scale is None else asked.guidance_scale
        request = complete(
            asked, checkpoint=asked.checkpoint or self.entry.name, width=image.width, height=image.height, steps=steps,
            guidance_scale=scale, scheduler=type(self.pipeline.scheduler).__name__, seed=seed,
        )  # fmt: skip
        request = dataclasses.replace(
            request, hires=False, **dict.fromkeys(HIRES), controls=(), variation_seed=None, variation_strength=0.0
        )
        return Resolved(
            request=request, plan=dataclasses.replace(self.plan, extrapolates=False), threads=self.state.threads,
            checkpoint_hash=self.entry.hash,
            environment=environment(device.name or device.kind),
        )  # fmt: skip

    def _call(self, seed: int, report: Callable[[int], None]) -> Image.Image:
        """Call the pipeline with the parts of the request that it accepts. ``report`` is called for each step."""

        def after_step(step: int) -> None:
            self.stop.raise_if_set()
            report(step + 1)

        try:
            return call_pipeline(
                self.pipeline,
                after_step,
                prompt=self.asked.prompt,
                negative_prompt=self.asked.negative_prompt or None,
                width=self.asked.width,
                height=self.asked.height,
                num_inference_steps=self.asked.steps,
                guidance_scale=self.asked.guidance_scale,
                generator=torch.Generator("cpu").manual_seed(seed),
            )
        except EaselError:
            raise
        except Exception as error:  # whatever another library's pipeline raises
            raise CheckpointError(
                "diffusers' pipeline for this kind of checkpoint could not make the picture "
                f"({first_line(error)}). "
                "Try its usual size and steps, or choose another checkpoint."
            ) from error


def _run_in_thread(work: Callable[[Callable[[int], None]], None]) -> Iterator[int]:
    """Run ``work`` in a thread and yield what it reports: a pipeline returns only when it is done. Raises what ``work``
    raises."""
    reports: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            work(reports.put)
            reports.put(None)
        except BaseException as error:
            reports.put(error)

    threading.Thread(target=run, name="easel-pipeline", daemon=True).start()
    while (report := reports.get()) is not None:
        if isinstance(report, BaseException):
            raise report
        yield report
