"""Text to image by diffusers' own pipeline, for folders of kinds that Easel has no table for. Best effort, and said as such.

What such a pipeline has no argument for counts for nothing; its sampler is the folder's own.
"""

from __future__ import annotations

import dataclasses
import inspect
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from engine.checkpoints.library.catalogue import CheckpointEntry
from engine.errors import CheckpointError
from engine.events import Event, Loading, Notice, PictureSaved, Result
from engine.generate.engine_state import EngineState, environment
from engine.generate.estimate import plan_for
from engine.generate.progress import Progress
from engine.records import outputs
from engine.requests import ExecutionPlan, Resolved, TextToImage, check, complete
from engine.seeds import draw_seed
from engine.stopping import Stop

_SAID = (
    "“{name}” is of a kind that only diffusers itself knows, so it runs as well as it does there: samplers, LoRAs, embeddings, "
    "weights of words and what Easel knows of memory count for nothing."
)


def is_for(entry: CheckpointEntry) -> bool:
    """Whether ``entry`` is run here."""
    return entry.family.loaded_by_diffusers


def run(job: str, asked: TextToImage, entry: CheckpointEntry, state: EngineState, stop: Stop) -> Iterator[Event]:
    """The pictures of a job. Raises EaselError for what cannot be done, and Cancelled soon after ``stop`` is set."""
    check(asked)
    folder = state.settings.outputs
    outputs.check_writable(folder)
    seed = draw_seed() if asked.seed is None else asked.seed
    plan = plan_for(entry, asked, state.circumstances)
    yield Notice(job=job, text=_SAID.format(name=entry.name))
    if entry.name not in state.cache.names:
        yield Loading(job=job, checkpoint=entry.name, text=f"Loading {entry.name}")
    with state.cache.lease_pipeline(entry, plan, cancelled=stop.is_set) as pipeline:
        made = _Made(entry, plan, state, pipeline)
        progress, saved = Progress(job, asked.count), outputs.find_saved(folder, job)
        for index in (index for index in range(asked.count) if index not in saved):
            yield from _picture(job, made, index, dataclasses.replace(asked, seed=seed + index), progress, folder, stop)


@dataclass(frozen=True)
class _Made:
    """What the pictures of a job are made with."""

    entry: CheckpointEntry
    plan: ExecutionPlan
    state: EngineState
    pipeline: Any

    def resolved(self, asked: TextToImage, image: Image.Image, steps: int) -> Resolved:
        """How ``image`` came to be, as far as the pipeline lets it be known."""
        device = self.state.hardware.device
        request = complete(
            asked, checkpoint=asked.checkpoint or self.entry.name, width=image.width, height=image.height, steps=steps,
            guidance_scale=asked.guidance_scale or 0.0, scheduler=type(self.pipeline.scheduler).__name__, seed=asked.seed or 0,
        )  # fmt: skip
        return Resolved(
            request=request, plan=self.plan, threads=self.state.threads, checkpoint_hash=self.entry.hash,
            environment=environment(device.name or device.kind),
        )  # fmt: skip


def _picture(
    job: str, made: _Made, index: int, asked: TextToImage, progress: Progress, folder: Path, stop: Stop
) -> Iterator[Event]:
    """One picture, from its seed to a file."""
    began = time.monotonic()
    steps = asked.steps or 1
    progress.start_picture()
    images: list[Image.Image] = []
    for step in _steps(lambda tell: images.append(_call(made.pipeline, asked, tell, stop))):
        yield progress.step(index, min(step, steps), steps, None)
    image = images[0].convert("RGB")
    path = outputs.save(image, made.resolved(asked, image, steps), outputs=folder, job=job, index=index)
    result = Result(path=path, seed=asked.seed or 0, width=image.width, height=image.height, seconds=time.monotonic() - began)
    yield PictureSaved(job=job, picture=index, result=result)


def _call(pipeline: Any, request: TextToImage, tell: Callable[[int], None], stop: Stop) -> Image.Image:
    """What the pipeline makes of as much of the request as it takes. ``tell`` hears of each step."""

    def after_step(pipe: Any, step: int, timestep: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        stop.raise_if_set()
        tell(step + 1)
        return inputs

    wanted = {
        "prompt": request.prompt, "negative_prompt": request.negative_prompt or None, "width": request.width,
        "height": request.height, "num_inference_steps": request.steps, "guidance_scale": request.guidance_scale,
        "generator": torch.Generator("cpu").manual_seed(request.seed or 0), "callback_on_step_end": after_step,
    }  # fmt: skip
    taken = inspect.signature(pipeline.__call__).parameters
    given = {name: value for name, value in wanted.items() if name in taken and value is not None}
    try:
        return pipeline(**given).images[0]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(
            f"diffusers' pipeline for this kind of checkpoint could not make the picture ({str(error).splitlines()[0][:200]}). "
            "Try its usual size and steps, or choose another checkpoint."
        ) from error


def _steps(work: Callable[[Callable[[int], None]], None]) -> Iterator[int]:
    """Runs ``work`` in a thread and yields what it tells: a pipeline only returns when it is done. Raises what it raises."""
    told: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()

    def run_it() -> None:
        try:
            work(told.put)
            told.put(None)
        except BaseException as error:
            told.put(error)

    threading.Thread(target=run_it, name="easel-pipeline", daemon=True).start()
    while (said := told.get()) is not None:
        if isinstance(said, BaseException):
            raise said
        yield said
