"""The run of one job, from its request to images on disk. All kinds of requests run here; their :class:`Task` defines the
differences."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager

from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.load.tiny_decoder import load_tiny_decoder
from engine.compat.stop_hooks import raise_on_stop
from engine.compat.vae_tiling import tile_vae
from engine.events import Event, Loading, Notice
from engine.generate.attempt import Attempt
from engine.generate.context import Batch, Denoising, Task
from engine.generate.control.lease import lease_controls
from engine.generate.control.maps import ControlMap, create_map
from engine.generate.denoise import Network
from engine.generate.engine_state import EngineState
from engine.generate.estimate import StepProgress
from engine.generate.out_of_memory import MemoryShort, apply_relief, find_relief, let_experts_take_turns, phase
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.prepare import Prepared, prepare, vary
from engine.generate.refiner import lease_refiner
from engine.generate.save import SaveQueue, Saver, explain_no_checker, load_checker
from engine.generate.speed.compile import run_compiled
from engine.plan.precision import find_safer_dtype
from engine.records import outputs
from engine.records.blobs import Blobs
from engine.requests import Resolved
from engine.stopping import Stop

TOGETHER = 8
"""Images of which one network takes all steps before another one does. With more, Stop would lose more, and little time would be
won."""


class _Drawing:
    """A batch while it is drawn by ``own``, the attempt with what its prompts add to the checkpoint."""

    def __init__(self, batch: Batch, own: Attempt) -> None:
        self.batch, self.own, self._passes = batch, own, own.start(batch)
        self.denoising: Denoising = next(self._passes)

    @property
    def network(self) -> Network | None:
        """What takes the next step; None once all passes are done."""
        return self.denoising.network

    def begin_next_pass(self) -> bool:
        """Begin the pass that follows where one is done: with hires fix there is another in a larger size. False if none does."""
        following = next(self._passes, None) if self.network is None else None
        if following is not None:
            self.denoising = following
        return following is not None


class Run:
    """One job. :meth:`events` makes its images; each is on disk before its ImageSaved event is yielded."""

    def __init__(self, job: str, task: Task, state: EngineState, stop: Stop, inventory: Inventory | None = None) -> None:
        """``inventory`` is a scan of the catalogue that was made for this job; without one, the run makes its own."""
        self._inventory = inventory
        self._job, self._task, self._state, self._stop = job, task, state, stop
        self._folder = task.folder(state.settings)
        self._maps: dict[int, ControlMap] = {}

    def events(self) -> Iterator[Event]:
        """Raises EaselError for what cannot be done, and CancelledError soon after Stop is set."""
        # 1. Decide everything that is open; raise now if the result cannot be saved or does not fit.
        yield from (Notice(job=self._job, text=text) for text in self._task.notices)
        outputs.check_writable(self._folder)
        prepared = prepare(self._task.request, self._task.choose_size, self._state, self._inventory)
        self._task.check(prepared)
        prepared = yield from self._create_maps(prepared)
        while True:
            try:
                yield from self._attempt(prepared)
                return
            except MemoryShort as short:
                relief = find_relief(short, prepared, self._state)
            # Outside of the handler: the error's traceback keeps alive what the attempt held.
            prepared = apply_relief(relief, prepared, self._state)
            yield Notice(job=self._job, text=relief.notice)

    def _create_maps(self, prepared: Prepared) -> Generator[Event, None, Prepared]:
        """Make what the controls read, before anything is loaded, and return the run without those for which nothing is drawn.
        Raises ImageError."""
        if not prepared.controls:
            return prepared
        request = prepared.resolved.request
        place = self._task.place_control(request.width, request.height)
        source = self._task.find_control_source(request.width, request.height)
        blobs = Blobs(self._state.settings.data / "blobs")
        for each in prepared.controls:
            found = create_map(each.number, each.control, each.entry, source, blobs, place)
            self._maps[each.number] = found
            yield from (Notice(job=self._job, text=text) for text in found.notices)
        drawn = tuple(each for each in prepared.controls if not self._maps[each.number].lacks_lines(each.control))
        return dataclasses.replace(prepared, controls=drawn)

    def _attempt(self, prepared: Prepared) -> Iterator[Event]:
        """The run under one plan. Images that an earlier attempt saved are not made again."""
        # 2. Load the checkpoint unless it is in memory.
        yield from self._announce(prepared)
        with self._open(prepared) as attempt:
            yield from attempt.report_loaded()
            try:
                attempt.encode(self._list_encoded(prepared))
                for group in self._group(prepared, attempt):
                    with ExitStack() as stack:
                        # 3. Encode the prompts, draw the noise, start from what the request gives.
                        drawings = yield from self._begin(group, attempt, prepared, stack)

                        # 4. Denoise, a step at a time, and as long as the same network takes the steps of all images.
                        while going_on := [drawing for drawing in drawings if drawing.network is not None]:
                            network = going_on[0].network
                            for drawing in going_on:
                                while drawing.network is network and drawing.denoising.advance():
                                    yield drawing.own.report_step(drawing.batch, drawing.denoising)
                                    yield from attempt.saving.collect_done()
                                if drawing.begin_next_pass():
                                    yield from drawing.own.report_start(prepared, drawing.denoising)

                        # 5. Decode; an image is checked and saved while the next one is computed, if with the same weights.
                        for drawing in drawings:
                            yield from drawing.own.decode_all(drawing.denoising, drawing.batch, wait=drawing.own is not attempt)
                yield from attempt.saving.collect_all()
            except Exception:
                yield from attempt.saving.collect_all()
                raise

            # 6. Store what the next run can use.
            yield from self._finish(attempt, prepared)

    def _list_encoded(self, prepared: Prepared) -> list[Resolved]:
        """Images whose prompts are encoded before the first: those that are encoded with the weights of the first."""
        images = self._task.list_encoded(prepared, self._state)
        return [image for image in images if vary(image, prepared)[1] == prepared.additions]

    def _group(self, prepared: Prepared, attempt: Attempt) -> Iterator[list[Batch]]:
        """The batches, one by one; where two networks take turns on the device :data:`TOGETHER` at once, so that each comes to
        it once for all of them. Those with weights of their own stay alone."""
        batches = self._task.batches(prepared, self._state, attempt.find_saved)
        if attempt.turns is None:
            yield from ([batch] for batch in batches)
            return
        group: list[Batch] = []
        for batch in batches:
            is_varied = vary(batch.images[0].resolved, prepared)[1] != prepared.additions
            if group and (is_varied or len(group) == TOGETHER):
                yield group
                group = []
            group.append(batch)
            if is_varied:
                yield group
                group = []
        yield group

    def _begin(
        self, group: list[Batch], attempt: Attempt, prepared: Prepared, stack: ExitStack
    ) -> Generator[Event, None, list[_Drawing]]:
        """The batches of ``group`` that are not saved yet, begun. What their prompts add to the checkpoint is there until
        ``stack`` ends."""
        drawings: list[_Drawing] = []
        for batch in group:
            if attempt.is_saved(batch):
                yield from attempt.report_saved(batch)
                continue
            varied, own, notices = stack.enter_context(self._vary(batch, attempt, prepared))
            yield from (Notice(job=self._job, text=text) for text in notices)
            drawing = _Drawing(varied, own)
            drawings.append(drawing)
            yield from own.report_start(prepared, drawing.denoising)
            yield from self._task.events(self._job, self._state)
        return drawings

    def _finish(self, attempt: Attempt, prepared: Prepared) -> Iterator[Event]:
        attempt.check_withheld()
        if self._task.keep_newest is not None:
            outputs.keep_newest(self._folder, self._task.keep_newest)
        yield from attempt.learn(prepared)

    @contextmanager
    def _vary(self, batch: Batch, attempt: Attempt, prepared: Prepared) -> Generator[tuple[Batch, Attempt, tuple[str, ...]]]:
        """A batch with what its own prompts add to the checkpoint, where those are drawn from templates, and further notices."""
        varied = [vary(image.resolved, prepared) for image in batch.images]
        images = [dataclasses.replace(image, resolved=own[0]) for image, own in zip(batch.images, varied, strict=True)]
        batch = dataclasses.replace(batch, images=tuple(images))
        _, additions, notices = varied[0]
        attempt.start_image(images[0].resolved.request, additions)
        if additions == prepared.additions:
            yield batch, attempt, notices
            return
        if attempt.turns is not None:
            attempt.turns.close()  # LoRAs are merged into the weights that wait in RAM
        lease = self._state.cache.lease(
            prepared.entry, prepared.resolved.plan, self._task.kind, cancelled=self._stop.is_set,
            additions=dataclasses.replace(additions, vae=None),
        )  # fmt: skip
        with lease as loaded:
            new = (text for text in loaded.notices if text not in attempt.loaded.notices)
            loaded = dataclasses.replace(loaded, vae=attempt.loaded.vae)  # it is the same for all images
            yield batch, dataclasses.replace(attempt, loaded=loaded), (*notices, *new)

    def _announce(self, prepared: Prepared) -> Iterator[Event]:
        """Yield notices before the checkpoint is loaded."""
        entry = prepared.entry
        notices = (*prepared.notices, explain_no_checker(entry, self._state))
        yield from (Notice(job=self._job, text=text) for text in notices if text)
        if entry.name not in self._state.cache.names:
            yield Loading(job=self._job, checkpoint=entry.name, text=f"Loading {entry.name}")

    @contextmanager
    def _open(self, prepared: Prepared) -> Generator[Attempt]:
        """Lease the checkpoint while the block runs; Stop works inside it."""
        state, plan, stop, entry = self._state, prepared.resolved.plan, self._stop, prepared.entry
        with ExitStack() as stack:
            with phase("load"):
                lease = state.cache.lease(
                    entry, plan, self._task.kind, cancelled=stop.is_set, additions=prepared.additions
                )  # fmt: skip
                loaded = stack.enter_context(lease)
                checker = load_checker(entry, plan, state, stop)
                tiny_decoder = load_tiny_decoder(prepared.tiny_decoder, plan) if prepared.tiny_decoder else None
                controls = stack.enter_context(lease_controls(prepared.controls, self._maps, loaded, state, stop))
            for used in (entry, *(lora.entry for lora in prepared.additions.loras), *(each.entry for each in prepared.controls)):
                state.hashes.want(used.path, used.stamp)
            stack.enter_context(tile_vae(loaded.vae, plan.vae_tile))
            if tiny_decoder is not None:
                stack.enter_context(tile_vae(tiny_decoder, plan.vae_tile))
            guard = stack.enter_context(
                PrecisionGuard(lambda component, dtype: find_safer_dtype(dtype, component, state.hardware, entry.family))
            )
            compiled = stack.enter_context(run_compiled(loaded, plan, stop, state.settings.data))
            denoiser = None if compiled.networks else loaded.denoiser  # what may be compiled looks at Stop itself
            networks = denoiser, loaded.vae, tiny_decoder, loaded.text_encoder, loaded.text_encoder_3
            stack.enter_context(raise_on_stop(stop, *networks))
            yield Attempt(
                saver=Saver(
                    job=self._job, folder=self._folder, entry=entry, state=state, checker=checker,
                    is_measured=self._task.is_measured,
                ),
                task=self._task, loaded=loaded, tiny_decoder=tiny_decoder, guard=guard, state=state, stop=stop,
                progress=StepProgress(self._job, self._task.count_batches(prepared, state)), compiled=compiled,
                controls=controls,
                refiner=stack.enter_context(lease_refiner(prepared.refiner, state, stop)),
                turns=stack.enter_context(let_experts_take_turns(plan)),
                saving=stack.enter_context(SaveQueue()),
                saved_before=outputs.find_saved(self._folder, self._job),
            )  # fmt: skip
