"""The logic of the Upscale tab, without components: the estimate, the request, and the pair that is compared afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.upscalers import (
    BUILT_IN,
    LANCZOS,
    find_upscaler,
    is_cleaner,
    is_diffusion,
    list_cleaners,
    list_upscalers,
)
from engine.errors import CheckpointError, EaselError, ImageError
from engine.jobs import Jobs
from engine.plan.learned import LearnedFacts
from engine.plan.upscale_estimate import UpscaleWork, estimate_upscale
from engine.records.blobs import Blobs
from engine.records.images.decoder import read_size
from engine.records.images.previews import reduce_pair
from engine.records.images.thumbnails import SCREEN
from engine.requests import Upscale
from engine.settings import Settings
from engine.storage.items import read_each
from ui import messages, sentences
from ui.common import checkpoint_options
from ui.common.checkpoint_options import Checkpoint, CheckpointOptions
from ui.common.send_to import read_request
from ui.tabs.upscale import form

Images = tuple[Image.Image, Image.Image]
"""An image before and after."""


class UpscaleService:
    """Each method is what one event does."""

    def __init__(self, settings: Settings, known: CheckpointOptions) -> None:
        self._checkpoint_options = known
        self._blobs = Blobs(settings.data / "blobs")
        self._notes = LearnedFacts(settings.data / "learnt.json")

    def list_upscalers(self) -> list[tuple[str, str]]:
        """Label and name of each upscaler, the built-in one first, then Lanczos, and the networks that clean last."""
        inventory = self._checkpoint_options.inventory
        upscalers = [(entry.name, entry.name) for entry in list_upscalers(inventory)]
        cleaners = [(sentences.cleaner_label(entry.name), entry.name) for entry in list_cleaners(inventory)]
        return [(messages.BUILT_IN_UPSCALER, BUILT_IN), *upscalers, (messages.LANCZOS_UPSCALER, LANCZOS), *cleaners]

    def find_kind(self, upscaler: str) -> str:
        """One of the kinds in :mod:`ui.tabs.upscale.form`."""
        if upscaler == BUILT_IN:
            return form.BUILT_IN_KIND
        entry = self._find_entry(upscaler)
        if entry is not None and is_cleaner(entry):
            return form.CLEANER
        return form.DIFFUSION if entry is not None and is_diffusion(entry) else form.PLAIN

    def find_checkpoint(self, upscaler: str) -> Checkpoint:
        """The checkpoint for reading an upscaler's prompt; without text encoders if the upscaler takes no prompt."""
        entry = self._find_entry(upscaler)
        if entry is None or not is_diffusion(entry):
            return checkpoint_options.NONE
        found, _ = read_each([entry.name], lambda _: checkpoint_options.describe_checkpoint(entry))
        return found.get(entry.name, checkpoint_options.NONE)

    def create_request(self, written: Mapping[str, Any], files: Sequence[str]) -> Upscale:
        """The request that a filled-in form asks for. Raises EaselError, a sentence, for what cannot be used."""
        if not files:
            raise ImageError(messages.NOTHING_TO_UPSCALE)
        hashes, troubles = read_each(files, lambda file: self._store(Path(file)))
        if troubles:
            first, *others = troubles.values()
            raise ImageError(sentences.unusable_files([Path(file).name for file in troubles]) if others else first)
        return form.create_request(written, self.find_kind(written["upscaler"]), [hashes[file] for file in files])

    def select_images(self, files: Sequence[str]) -> tuple[list[str], str]:
        """Those of a folder's files that are images, by their names, and a sentence about the others."""
        found = [file for file in sorted(files, key=lambda file: Path(file).name) if _read_size(Path(file)) is not None]
        others = sorted(Path(file).name for file in files if file not in found)
        return found, sentences.skipped_files(others) if others else ""

    def estimate(self, written: Mapping[str, Any], files: Sequence[str]) -> str:
        """A sentence on sizes, time and memory; "" where there is nothing to upscale yet."""
        works = [self._create_work(written, size) for file in files if (size := _read_size(Path(file))) is not None]
        if not works:
            return ""
        costs = [estimate_upscale(work, self._notes) for work in works]
        largest = max(works, key=lambda work: work.pixels)
        return sentences.upscale_cost(
            (largest.width, largest.height), largest.size, len(works), sum(cost.seconds for cost in costs),
            max(cost.bytes for cost in costs), all(cost.measured for cost in costs),
        )  # fmt: skip

    def compare_latest(self, jobs: Jobs, job: str) -> Images | None:
        """The newest result of an upscaling job with its source; None if there is none."""
        results = [result.path for result in jobs.state(job).results] if job else []
        request = read_request(results[-1]) if results else None
        return self.create_pair(request, results[-1]) if isinstance(request, Upscale) else None

    def create_pair(self, request: Upscale, result: Path) -> Images | None:
        """The image before and after, of one size, large ones reduced to a screen; None if the source is no longer kept."""
        try:
            return reduce_pair(self._blobs.path(request.images[0]), result, SCREEN)
        except EaselError:
            return None

    def find_source(self, request: Upscale) -> Path | None:
        """The file that a result was made from, if it is still kept."""
        try:
            return self._blobs.path(request.images[0])
        except EaselError:
            return None

    def _store(self, file: Path) -> str:
        try:
            return self._blobs.put_file(file, by_head=True)
        except (ImageError, OSError) as error:
            raise ImageError(sentences.unusable_file(file.name, str(error))) from error

    def _create_work(self, written: Mapping[str, Any], size: tuple[int, int]) -> UpscaleWork:
        entry = self._find_entry(str(written["upscaler"]))
        counts = entry.parameters if entry is not None else {}
        steps, factor = 0, float(written["factor"])
        if entry is not None and is_cleaner(entry):
            factor = 1.0
        if entry is not None and is_diffusion(entry):
            counts, steps = {"unet": counts.get("unet", 0)}, _read_number(written["steps"]) or entry.family.steps
        return UpscaleWork(
            width=size[0], height=size[1], factor=factor, parameters=sum(counts.values()), steps=steps,
            checkpoint_hash=entry.hash if entry is not None else "",
        )  # fmt: skip

    def _find_entry(self, upscaler: str) -> CheckpointEntry | None:
        try:
            return None if upscaler == LANCZOS else find_upscaler(upscaler, self._checkpoint_options.inventory)
        except CheckpointError:
            return None


def _read_size(file: Path) -> tuple[int, int] | None:
    """Width and height in pixels, from the file's head alone; None if it is not an image; the engine then says why."""
    try:
        return read_size(file)
    except ImageError:
        return None


def _read_number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
