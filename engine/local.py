"""Runs requests in this process: in the worker for the page, or in a program that uses Easel as a library."""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import torch

from engine.checkpoints.cache import CheckpointCache
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.sha256 import Hasher
from engine.descriptions import EngineDescription, FreedMemory
from engine.errors import CheckpointError, DeviceLost, DoesNotFit, RequestError
from engine.events import Event, Finished, ImageSaved, Notice, Result
from engine.generate.caption import run as caption
from engine.generate.engine_state import EngineState
from engine.generate.estimate import plan_for
from engine.generate.prepare import prepare
from engine.generate.speed.compile import find_store
from engine.generate.tasks import grid, image_to_image, negative_comparison, negative_study, text_to_image, upscale_afterwards
from engine.generate.upscale import run as upscale
from engine.idle.duties import GIVE_BACK_SECONDS, SELF_TEST_SECONDS, Duties, Duty, unload_seconds
from engine.idle.free_memory import give_back_unused, unload_checkpoints
from engine.idle.self_test import SelfTest
from engine.plan import Hardware, count_threads, find_cache_budget
from engine.plan.hardware.choose_device import drop_device
from engine.plan.hardware.driver_errors import is_lost
from engine.plan.hardware.facts import to_text
from engine.plan.hardware.kernel_trial import compute_gains, measure_rates, read_rates
from engine.plan.hardware.precision_trial import measure_gain
from engine.plan.hardware.probe import limit_memory, probe
from engine.plan.hardware.system import lower_priority
from engine.plan.learned import LearnedFacts
from engine.plan.precision import find_compiler
from engine.prompt.draw_prompts import draw_prompts
from engine.prompt.encoding.text_encoders import EncodingCache
from engine.requests import (
    CompareNegative,
    DescribeImage,
    GenerationRequest,
    ImageToImage,
    Request,
    Resolved,
    StudyNegative,
    TextToImage,
    Upscale,
    find_cell,
    is_grid,
    kind_of,
)
from engine.settings import Settings
from engine.stopping import Stop


class Local:
    """The engine in this process. Making one imports torch and looks at the machine; checkpoints load when asked for.

    Use it from one thread at a time, and as a context manager to give the memory back.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(settings.data / "compiled"))  # compiled code survives restarts
        hardware = probe(settings.device)
        torch.set_num_threads(count_threads(hardware))
        self._state = EngineState(
            settings=settings,
            hardware=hardware,
            catalogue=Catalogue(settings),
            cache=CheckpointCache(find_cache_budget(hardware)),
            encodings=EncodingCache(),
            threads=count_threads(hardware),
            notes=LearnedFacts(settings.data / "learnt.json"),
            hashes=Hasher(settings.data),
            measured=_read_gains(hardware, settings),
        )
        self._has_drawn = False
        self._duties = Duties(settings.data, self._list_duties())

    def describe(self) -> EngineDescription:
        """The device in use, why it is not another one, and everything that a plan is made from."""
        hardware = self._state.hardware
        return EngineDescription(
            device=hardware.device.name, notes=" ".join(hardware.notes), hardware=to_text(hardware),
            measured=dict(self._state.measured), threads=self._state.threads,
            compiler=find_compiler(hardware, self._state.measured),
            kept_graphs=find_store(self._state.settings.data).count(),
        )  # fmt: skip

    def devices(self) -> tuple[str, ...]:
        """The torch device strings of the devices worth a worker: the one in use, then its like with at least half its memory."""
        used = self._state.hardware.device
        least = (used.total_bytes or 0) / 2
        alike = (d.torch for d in self._state.hardware.devices if d.kind == used.kind and (d.total_bytes or 0) >= least)
        return tuple(dict.fromkeys((used.torch, *alike)))

    def describe_run(self, request: Request) -> Resolved[Request]:
        """How the first image of ``request`` would be made here now. Raises EaselError if it cannot be made here."""
        if not isinstance(request, GenerationRequest):
            raise RequestError("How this runs cannot be said beforehand. Start the job: its record says how it was done.")
        first = find_cell(request, 0).request if is_grid(request) else request
        drawn = draw_prompts(first, self._state.wildcards)
        return prepare(drawn, lambda native, multiple: (native, native), self._state).resolved

    def run(self, job: str, request: Request, stop: Stop, attempt: int = 1, *, device_was_lost: bool = False) -> Iterator[Event]:
        """Make the images of ``request``, event by event; the last is Finished.

        From the second ``attempt`` on memory is used sparingly, if the request can run that way, because the first attempt
        ended its process; unless it did so because the ``device_was_lost``. Raises EaselError for what cannot be done,
        CancelledError soon after ``stop`` is set, and DeviceLost in the first attempt. In later ones the rest is made on the CPU.
        """
        stop.raise_if_set()
        self._give_way()
        self._duties.restart()
        self._look_at_memory()
        state = self._state.use_memory_sparingly() if attempt > 1 and not device_was_lost else self._state
        if not is_grid(request):  # each of its images draws its own
            request = draw_prompts(request, state.wildcards)
        results: dict[int, Result] = {}
        while True:
            try:
                for event in _create_events(job, request, state, stop):
                    if isinstance(event, ImageSaved):
                        if event.index in results:
                            continue  # made, and reported, before the run began again
                        results[event.index] = event.result
                        self._has_drawn = True
                    yield event
                break
            except DoesNotFit:
                if not state.sparing:
                    raise
                remaining = self._state.hardware
            except RuntimeError as error:
                remaining = self._find_other_device(error, state, attempt)
            except OSError as error:
                raise _explain_unreadable(error) from error
            # Outside of the handler: the error's traceback keeps the run's tensors alive.
            yield from self._go_on_with(job, remaining)
            state = self._state
        yield Finished(job=job, results=tuple(results.values()))

    def make(self, request: Request) -> tuple[Result, ...]:
        """The finished images of ``request``. Raises EaselError for what cannot be done."""
        results: list[Result] = []
        for event in self.run(uuid.uuid4().hex[:12], request, Stop()):
            if isinstance(event, ImageSaved):
                results.append(event.result)
        return tuple(results)

    def warm(self, checkpoint: str, stop: Stop) -> None:
        """Load a checkpoint in advance. Raises as :meth:`run` does."""
        self._duties.restart()
        self._look_at_memory()
        entry = self._state.catalogue.find(checkpoint)
        if entry.family.loaded_by_diffusers:
            plan = plan_for(entry, TextToImage(checkpoint=checkpoint), self._state.circumstances)
        else:
            plan = self.describe_run(TextToImage(checkpoint=checkpoint)).plan
        self._state.cache.load(entry, plan, stop.is_set)

    def rest(self, seconds: float, stop: Stop) -> float | None:
        """Do what is due ``seconds`` after the last job: test the device once it has drawn an image, give memory back.

        Returns after how many seconds without a job to call it again, None for not before the next one.
        Raises CancelledError soon after ``stop`` is set.
        """
        return self._duties.perform(seconds, stop)

    def free_memory(self) -> FreedMemory:
        """Unload every checkpoint, and give back all memory that is not used."""
        return unload_checkpoints(self._state)

    def close(self) -> None:
        """Free all memory held by checkpoints, and end background threads."""
        self._state.cache.release()
        self._state.hashes.close()

    def _give_way(self) -> None:
        """Use the priority and the cores that the user wants to give."""
        keep_usable = self._state.keeps_computer_usable
        if keep_usable:
            lower_priority()
        threads = max(1, count_threads(self._state.hardware) - keep_usable)
        if threads != self._state.threads:
            torch.set_num_threads(threads)
            self._state = dataclasses.replace(self._state, threads=threads)

    def _list_duties(self) -> tuple[Duty, ...]:
        return (
            Duty("measuring", lambda chosen: SELF_TEST_SECONDS if self._has_drawn else None, self._measure_kernels),
            Duty("self-test", lambda chosen: SELF_TEST_SECONDS if self._has_drawn else None, self._test_device),
            Duty("giving memory back", lambda chosen: GIVE_BACK_SECONDS, lambda stop: print(give_back_unused(self._state))),
            Duty("unloading checkpoints", unload_seconds, lambda stop: print(unload_checkpoints(self._state))),
        )

    def _measure_kernels(self, stop: Stop) -> None:
        """Once on a processor: what the following plans go by."""
        hardware, path = self._state.hardware, _find_measured(self._state.settings)
        if hardware.device.kind == "cpu" and not read_rates(hardware, path):
            measure_rates(hardware, path, stop)
            self._state = dataclasses.replace(self._state, measured=_read_gains(hardware, self._state.settings))

    def _test_device(self, stop: Stop) -> None:
        test = SelfTest(self._state)
        if test.is_due:
            print(test.run(stop))

    def _look_at_memory(self) -> None:
        """Know how much of the card is free now: other programs may have come or gone since the last job."""
        if self._state.hardware.device.kind != "cpu":
            self._state = self._state.look_at_memory()
            limit_memory(self._state.hardware.device)

    def _find_other_device(self, error: RuntimeError, state: EngineState, attempt: int) -> Hardware:
        """The machine without the device that ``error`` says is lost. Raises ``error`` if it says something else, and DeviceLost
        where a new process should try the device again."""
        lost = state.hardware.device
        if lost.kind == "cpu" or not is_lost(error):
            raise error
        if attempt == 1:
            raise DeviceLost(f"“{lost.name or lost.kind}” stopped responding in the middle of this job.") from error
        return drop_device(self._state.hardware, lost, str(error))

    def _go_on_with(self, job: str, remaining: Hardware) -> Iterator[Event]:
        """Use the remaining devices from now on, with a notice if they are fewer than before."""
        if remaining == self._state.hardware:
            return
        notes = remaining.notes[len(self._state.hardware.notes) :]
        self._state.cache.release()
        self._state = dataclasses.replace(self._state, hardware=remaining, measured={})
        yield Notice(job=job, text=" ".join(notes))

    def __enter__(self) -> Local:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _find_measured(settings: Settings) -> Path:
    return settings.data / "measured.json"


def _read_gains(hardware: Hardware, settings: Settings) -> dict[str, float]:
    """What was measured on the device in use. The precision is, now, if the table asks for it."""
    path = _find_measured(settings)
    rates = read_rates(hardware, path) if hardware.device.kind == "cpu" else {}
    return {**measure_gain(hardware, path), **compute_gains(rates)}


def _explain_unreadable(error: OSError) -> CheckpointError:
    """What the user should know when a file vanishes or its drive fails in the middle of a run."""
    named = f" “{error.filename}”" if error.filename else ""
    return CheckpointError(
        f"A file that this job needs{named} cannot be read any more ({error.strerror or error}). Was a drive unplugged, or a "
        "folder moved? Bring it back and start the job again. Other jobs are not affected."
    )


def _create_events(job: str, request: Request, state: EngineState, stop: Stop) -> Iterator[Event]:
    """The events of making the images of ``request``, then, if it asks for that, of upscaling them."""
    if isinstance(request, GenerationRequest) and is_grid(request):
        return grid.run(job, request, state, stop)
    match request:
        case TextToImage():
            events = text_to_image.run(job, request, state, stop)
        case ImageToImage():
            events = image_to_image.run(job, request, state, stop)
        case CompareNegative():
            return negative_comparison.run(job, request, state, stop)
        case StudyNegative():
            return negative_study.run(job, request, state, stop)
        case Upscale():
            return upscale.run(job, request, state, stop)
        case DescribeImage():
            return caption.run(job, request, state, stop)
        case _:
            raise RequestError(f"This engine makes no pictures of the kind {kind_of(request)!r}.")
    return upscale_afterwards.run(events, job, request, state, stop) if upscale_afterwards.is_wanted(request) else events
