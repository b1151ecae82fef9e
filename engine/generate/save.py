"""What happens to an image between the decoder and the disk: the safety checker, the watermark, the file with its record.

It happens on a thread of its own, while the next image is computed. That thread never uses the run's networks; it has the
safety checker to itself.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from PIL import Image

import engine.preferences as preferences
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.load.safety_checker import SafetyChecker, is_brought
from engine.errors import ImageError, ImageWithheld
from engine.events import Event, ImageSaved, Result
from engine.generate.context import BatchImage
from engine.generate.engine_state import EngineState
from engine.plan.remedies import ask_for_self_test
from engine.preferences import Preferences
from engine.records import outputs
from engine.records.images import watermark
from engine.records.images.photo import ImageToSave
from engine.requests import ExecutionPlan
from engine.stopping import Stop

_T = TypeVar("_T")

_WITHHELD = (
    "The picture was withheld because the checkpoint's own safety checker flagged it. Another seed or prompt may give one that "
    "passes. The Settings tab has the switch for the checker."
)


_ONE_COLOUR = (
    "This picture has one colour all over. In case the device computed wrong numbers, Easel tests it as soon as it is idle; the "
    "Settings tab shows the result under This computer."
)

_FOLDER_MOVED = (
    "The folder “{folder}” was moved, renamed or removed while this job ran, so it was created again. What was saved before is "
    "where the old folder is now."
)


_WATERMARK_LOST = (
    "The invisible watermark does not survive how this picture is compressed. Choose PNG, JPEG with a quality of 95 or more, or "
    "WebP with a quality of 100 on the Settings tab."
)


_DEEP_UNMARKED = "This picture is saved without the invisible watermark, which is for 8 bits a channel: its photo has 16."


@dataclass(frozen=True)
class _Job:
    """A job on the saving thread."""

    is_done: Callable[[], bool]
    collect: Callable[[], Iterable[Event]]


class SaveQueue:
    """A thread that saves images, in order. Use it as a context manager, which exits when everything is written."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "easel-saving")
        self._jobs: deque[_Job] = deque()

    def put(self, work: Callable[[], _T], report: Callable[[_T], Iterable[Event]]) -> None:
        """Run ``work`` on the thread, in order. ``report`` turns its result into events when they are collected."""
        future = self._thread.submit(work)
        self._jobs.append(_Job(future.done, lambda: report(future.result())))

    def wait(self) -> None:
        """Wait until all work is done. Its errors are raised when it is collected."""
        self._thread.submit(lambda: None).result()

    def collect_done(self) -> Iterator[Event]:
        """The events of the work that is done. Raises its errors."""
        while self._jobs and self._jobs[0].is_done():
            yield from self._jobs.popleft().collect()

    def collect_all(self) -> Iterator[Event]:
        """Wait for all work and return its events. Raises its errors."""
        while self._jobs:
            yield from self._jobs.popleft().collect()

    def __enter__(self) -> SaveQueue:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._thread.shutdown(wait=True)


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The outcome for an image: its ``path``, with a sentence if something was left out, or why it was ``withheld``.

    ``began`` and ``ended`` are times of :func:`time.monotonic`.
    """

    began: float
    ended: float = field(default_factory=time.monotonic)
    path: Path | None = None
    notice: str = ""
    withheld: ImageWithheld | None = None


@dataclass(frozen=True, kw_only=True)
class Saver:
    """Saves the images of one job in ``folder``. ``checker`` may withhold some. ``is_measured``: whether the saved images are
    compared with each other."""

    job: str
    folder: Path
    entry: CheckpointEntry
    state: EngineState
    checker: SafetyChecker | None = None
    is_measured: bool = False

    def save(self, planned: BatchImage, finished: ImageToSave) -> Saved:
        """Write an image, with the metadata and watermark that the preferences ask for. Raises OutputError or DiskFull."""
        began, image = time.monotonic(), finished.image
        if self.checker is not None and self.checker.objects_to(image):
            return Saved(began=began, withheld=ImageWithheld(_WITHHELD))
        chosen = preferences.read(self.state.settings.data)
        sha256 = self.state.hashes.find(self.entry.path, self.entry.stamp)
        resolved = dataclasses.replace(planned.resolved, checkpoint_sha256=sha256)
        finished, notice = _add_watermark(finished, chosen.watermark) if chosen.watermark else (finished, "")
        style = self._choose_style(chosen)
        if chosen.watermark and not notice and loses_watermark(style):
            notice = _WATERMARK_LOST
        moved = "" if self.folder.is_dir() else _FOLDER_MOVED.format(folder=self.folder)
        notice = " ".join(filter(None, (notice, moved, self._suspect(image))))
        path = outputs.save(
            finished, resolved, outputs=self.folder, job=self.job, index=planned.index, companions=planned.companions,
            style=style, write_metadata=not chosen.leave_metadata_out,
        )  # fmt: skip
        return Saved(began=began, path=path, notice=notice)

    def _choose_style(self, chosen: Preferences) -> outputs.FileStyle:
        """That of the preferences; drafts, and images that are measured against each other, are not compressed with losses."""
        style = read_style(chosen)
        if self.folder == self.state.settings.drafts:
            return outputs.PLAIN
        return dataclasses.replace(style, format="png") if self.is_measured else style

    def _suspect(self, image: Image.Image) -> str:
        """A sentence for an image of one colour, which may come from wrong numbers: the device is tested again."""
        if any(low != high for low, high in (band.getextrema() for band in image.convert("RGB").split())):
            return ""
        ask_for_self_test(self.state.settings.data, self.state.hardware.device)
        return _ONE_COLOUR

    def report(self, planned: BatchImage, path: Path, seconds: float = 0.0) -> ImageSaved:
        """The event of an image that is on disk; ``seconds`` is how long it took."""
        return ImageSaved(job=self.job, index=planned.index, result=read_result(path, planned.resolved.request.seed, seconds))


def loses_watermark(style: outputs.FileStyle) -> bool:
    """Whether the compression of a style removes the invisible watermark."""
    return style.quality < {"png": 0, "jpeg": 95, "webp": 100}[style.format]


def read_style(chosen: Preferences) -> outputs.FileStyle:
    """How the preferences say that image files are written."""
    return outputs.FileStyle(format=chosen.file_format, quality=chosen.quality, pattern=chosen.name_pattern)


def load_checker(entry: CheckpointEntry, plan: ExecutionPlan, state: EngineState, stop: Stop) -> SafetyChecker | None:
    """The checker of a leased checkpoint, None if it is switched off or the checkpoint has none."""
    return state.cache.safety_checker(entry, plan, stop.is_set) if _is_checker_wanted(state) else None


def explain_no_checker(entry: CheckpointEntry, state: EngineState) -> str:
    """A sentence for the page if a checker is wanted and the checkpoint has none, else ""."""
    if not _is_checker_wanted(state) or is_brought(entry):
        return ""
    return f"“{entry.name}” brings no safety checker, so its pictures are not checked."


def read_result(path: Path, seed: int, seconds: float) -> Result:
    """The result of a saved image."""
    try:
        with Image.open(path) as saved:
            width, height = saved.size
    except FileNotFoundError:  # its folder was moved just now; the page says that the picture is gone
        width, height = 0, 0
    return Result(path=path, seed=seed, width=width, height=height, seconds=seconds)


def _is_checker_wanted(state: EngineState) -> bool:
    return preferences.read(state.settings.data).safety_checker


def _add_watermark(finished: ImageToSave, text: str) -> tuple[ImageToSave, str]:
    """An image with the invisible watermark, or unchanged with a sentence on why not."""
    if finished.deep is not None:
        return finished, _DEEP_UNMARKED
    try:
        return dataclasses.replace(finished, image=watermark.encode(finished.image, text)), ""
    except ImageError as error:
        return finished, f"This picture is saved without the invisible watermark. {error}"
