"""Between the Upscale tab's form and what the engine is asked; what it will cost, and the pair that is compared afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from engine.checkpoints.library.catalogue import CheckpointEntry
from engine.checkpoints.library.upscalers import (
    BUILT_IN,
    LANCZOS,
    find_upscaler,
    is_cleaner,
    is_diffusion,
    list_cleaners,
    list_upscalers,
)
from engine.errors import CheckpointError, EaselError, PictureError
from engine.plan.learned import LearnedFacts
from engine.plan.upscale_estimate import UpscaleWork, estimate_upscale
from engine.records.blobs import Blobs
from engine.records.images.open_image import opening
from engine.records.images.thumbnails import SCREEN, reduced
from engine.requests import Upscale, check
from engine.settings import Settings
from ui import messages
from ui.common import checkpoint_options, form
from ui.common.checkpoint_options import Checkpoint, CheckpointOptions

BLANK: dict[str, Any] = {
    "upscaler": BUILT_IN, "factor": 4.0, "cleaning": 0.0, "prompt": "", "negative_prompt": "", "noise_level": 20, "steps": "",
    "seed": "",
}  # fmt: skip
"""Every field of the tab's form, by name, as it stands at first."""


class UpscaleService:
    """What the tab does, in plain values."""

    def __init__(self, settings: Settings, known: CheckpointOptions) -> None:
        self._settings, self._checkpoint_options = settings, known
        self._blobs = Blobs(settings.data / "blobs")
        self._notes = LearnedFacts(settings.data / "learnt.json")

    def choices(self) -> list[tuple[str, str]]:
        """Label and name of each upscaler, the built-in one first, then Lanczos, and the networks that clean last."""
        catalogue = self._checkpoint_options.catalogue
        upscalers = [(entry.name, entry.name) for entry in list_upscalers(catalogue)]
        cleaners = [(messages.cleaner(entry.name), entry.name) for entry in list_cleaners(catalogue)]
        return [(messages.BUILT_IN_UPSCALER, BUILT_IN), *upscalers, (messages.LANCZOS_UPSCALER, LANCZOS), *cleaners]

    def kind(self, upscaler: str) -> str:
        """Which fields mean something: ``"built in"``, ``"diffusion"``, ``"cleaner"`` or ``"plain"``."""
        if upscaler == BUILT_IN:
            return "built in"
        entry = self._entry(upscaler)
        if entry is not None and is_cleaner(entry):
            return "cleaner"
        return "diffusion" if entry is not None and is_diffusion(entry) else "plain"

    def checkpoint(self, upscaler: str) -> Checkpoint:
        """How an upscaler reads a prompt: one that reads none has no text encoders."""
        entry = self._entry(upscaler)
        return checkpoint_options.offered(entry) if entry is not None and is_diffusion(entry) else checkpoint_options.NONE

    def request(self, written: Mapping[str, Any], files: Sequence[str]) -> Upscale:
        """The request that a filled-in form asks for. Raises EaselError, a sentence, for what cannot be used."""
        if not files:
            raise PictureError(messages.NOTHING_TO_ENLARGE)
        kind = self.kind(written["upscaler"])
        prompt, negative_prompt = (
            str(written[name] or "") if kind == "diffusion" else "" for name in ("prompt", "negative_prompt")
        )
        asked = Upscale(
            images=tuple(self._kept(Path(file)) for file in files),
            upscaler=str(written["upscaler"]),
            factor=1.0 if kind == "cleaner" else float(written["factor"]),
            cleaning=float(written["cleaning"]) if kind == "built in" else 0.0,
            noise_level=int(written["noise_level"]),
            steps=form.whole(written, "steps") if kind == "diffusion" else None,
            seed=form.whole(written, "seed"),
            prompt=prompt,
            negative_prompt=negative_prompt,
        )
        check(asked)
        return asked

    def pictures_in(self, files: Sequence[str]) -> tuple[list[str], str]:
        """Those of a folder's files that are pictures, by their names, and what to say of the others."""
        found = [file for file in sorted(files, key=lambda file: Path(file).name) if _size(Path(file)) is not None]
        others = sorted(Path(file).name for file in files if file not in found)
        return found, messages.left_out(others) if others else ""

    def cost(self, written: Mapping[str, Any], files: Sequence[str]) -> str:
        """A sentence on sizes, time and memory; "" where there is nothing to enlarge yet."""
        works = [self._work(written, size) for file in files if (size := _size(Path(file))) is not None]
        if not works:
            return ""
        costs = [estimate_upscale(work, self._notes) for work in works]
        largest = max(works, key=lambda work: work.pixels)
        return messages.cost(
            (largest.width, largest.height), largest.size, len(works), sum(cost.seconds for cost in costs),
            max(cost.bytes for cost in costs), all(cost.measured for cost in costs),
        )  # fmt: skip

    def pair(self, made_with: Upscale, result: Path) -> tuple[Image.Image, Image.Image] | None:
        """The picture before and after, of one size, large ones reduced to a screen; None if the source is no longer kept."""
        try:
            before = self._blobs.open(made_with.images[0])
        except EaselError:
            return None
        with opening(result) as opened:
            after = reduced(opened, SCREEN)
        return before.resize(after.size, Image.Resampling.BICUBIC), after

    def source(self, made_with: Upscale) -> Path | None:
        """The file that a result was made from, if it is still kept."""
        try:
            return self._blobs.path(made_with.images[0])
        except EaselError:
            return None

    def _kept(self, file: Path) -> str:
        try:
            return self._blobs.put(file.read_bytes(), by_head=True)
        except PictureError as error:
            raise PictureError(messages.bad_file(file.name, str(error))) from error

    def _work(self, written: Mapping[str, Any], size: tuple[int, int]) -> UpscaleWork:
        entry = self._entry(str(written["upscaler"]))
        counts = entry.parameters if entry is not None else {}
        steps, factor = 0, float(written["factor"])
        if entry is not None and is_cleaner(entry):
            factor = 1.0
        if entry is not None and is_diffusion(entry):
            counts, steps = {"unet": counts.get("unet", 0)}, _number(written["steps"]) or entry.family.steps
        return UpscaleWork(
            width=size[0], height=size[1], factor=factor, parameters=sum(counts.values()), steps=steps,
            checkpoint_hash=entry.hash if entry is not None else "",
        )  # fmt: skip

    def _entry(self, upscaler: str) -> CheckpointEntry | None:
        try:
            return None if upscaler == LANCZOS else find_upscaler(upscaler, self._checkpoint_options.catalogue)
        except CheckpointError:
            return None


def settings_of(made_with: Upscale) -> dict[str, Any]:
    """The form that asks for ``made_with``, a resolved request, again."""
    numbers = {"steps": str(made_with.steps or ""), "seed": "" if made_with.seed is None else str(made_with.seed)}
    kept = {name: getattr(made_with, name) for name in BLANK if name not in ("upscaler", *numbers)}
    return {**BLANK, **kept, **numbers, "upscaler": made_with.upscaler or BUILT_IN}


def _size(file: Path) -> tuple[int, int] | None:
    """Width and height, from the file's head alone; None for what is no picture: the engine then says why."""
    try:
        with opening(file) as opened:
            return opened.size
    except PictureError:
        return None


def _number(text: object) -> int:
    return int(str(text)) if str(text or "").isdecimal() else 0
