"""A grid: an image for each combination of the values of its axes, one after the other, and a labelled sheet of all of them.

Each image is a run of its own, recorded as if it had been asked for alone. What an earlier attempt saved is not made again, and
cells are made in an order in which each checkpoint is loaded once.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import engine.preferences as preferences
from engine.errors import CheckpointError, DoesNotFit, EaselError, ImageError, ImageWithheld, RequestError
from engine.events import Event, ImageSaved, Loading, Notice, Step
from engine.generate.engine_state import EngineState
from engine.generate.save import read_result, read_style
from engine.generate.tasks import image_to_image, text_to_image
from engine.prompt.draw_prompts import draw_prompts
from engine.records import metadata, outputs
from engine.records.images.sheet import Sheet, SheetTitles, draw_sheet
from engine.requests import (
    AXES,
    Axis,
    Cell,
    ExecutionPlan,
    GenerationRequest,
    ImageToImage,
    Request,
    Resolved,
    TextToImage,
    check,
    describe_cell,
    list_cells,
)
from engine.stopping import Stop

_OF_A_CELL = (RequestError, CheckpointError, ImageError, ImageWithheld)
"""Errors of one cell, which do not concern the others."""

_NOT_UPSCALED = "The pictures of a grid are not enlarged afterwards; upscale those that you choose."


_SMALLER = "The sheet shows its pictures at {scale:.0%} of their size, so that it can be opened; they are saved in full size too."


def run(job: str, asked: GenerationRequest, state: EngineState, stop: Stop) -> Iterator[Event]:
    """The events of a grid. Raises the error of the last cell if none could be made, and what concerns all of them."""
    check(asked)
    if asked.upscaler:
        yield Notice(job=job, text=_NOT_UPSCALED)
        asked = dataclasses.replace(asked, upscaler="")
    yield from _Grid(job, asked, state, stop).events()


@dataclass
class _Grid:
    """A grid while it is made. ``said`` are its notices so far, ``made`` and ``seconds`` the cells of this attempt and their
    time."""

    job: str
    asked: GenerationRequest
    state: EngineState
    stop: Stop
    said: set[str] = field(default_factory=set[str])
    made: int = 0
    seconds: float = 0.0
    last_error: EaselError | None = None

    def events(self) -> Iterator[Event]:
        """The cells, then the sheet."""
        folder = self.state.settings.outputs
        outputs.check_writable(folder)
        saved = outputs.find_saved(folder, self.job)
        for number, cell in enumerate(list_cells(self.asked)):
            self.stop.raise_if_set()
            if number in saved:
                yield ImageSaved(
                    job=self.job, index=number, result=read_result(saved[number], cell.request.seed or 0, seconds=0.0)
                )
            else:
                yield from self._make(number, cell)
        yield from self._save_sheet()

    def _make(self, number: int, cell: Cell) -> Iterator[Event]:
        began = time.monotonic()
        try:
            for event in self._start(number, cell.request):
                if not isinstance(event, Notice) or event.text not in self.said:
                    yield self._renumber(event, number)
                self.said.update([event.text] if isinstance(event, Notice) else ())
        except _OF_A_CELL as error:
            if isinstance(error, DoesNotFit) and self.state.sparing:
                raise
            self.last_error = error
            yield Notice(job=self.job, text=f"{describe_cell(self.asked.axes, cell.place)}: {error}")
            return
        self.made += 1
        self.seconds += time.monotonic() - began

    def _start(self, number: int, request: GenerationRequest) -> Iterator[Event]:
        """The events of one cell's run."""
        drawn = draw_prompts(request, self.state.wildcards)
        if isinstance(drawn, ImageToImage):
            return image_to_image.run(self.job, drawn, self.state, self.stop, number)
        assert isinstance(drawn, TextToImage), "check() lets no other kind be a grid"
        return text_to_image.run(self.job, drawn, self.state, self.stop, number)

    def _renumber(self, event: Event, number: int) -> Event:
        """A step of a cell's run as one of the whole grid, with the time that the other cells will take."""
        if not isinstance(event, Step):
            return event
        each = self.seconds / self.made if self.made else None
        left = (
            event.seconds_left
            if each is None or event.seconds_left is None
            else event.seconds_left + each * (self.asked.count - number - 1)
        )
        return dataclasses.replace(event, index=number, count=self.asked.count, seconds_left=left if each else None)

    def _save_sheet(self) -> Iterator[Event]:
        """The sheet, which lies beside the cells under the index after theirs."""
        folder = self.state.settings.outputs
        saved = outputs.find_saved(folder, self.job)
        count = self.asked.count
        if not any(number < count for number in saved) and self.last_error is not None:
            raise self.last_error
        if count not in saved:
            places = {cell.place: saved[number] for number, cell in enumerate(list_cells(self.asked)) if number in saved}
            sheet = yield from self._draw(places)
            resolved = self._resolve(saved.get(0))
            chosen = preferences.read(self.state.settings.data)
            saved[count] = outputs.save(
                sheet.image, resolved, outputs=folder, job=self.job, index=count, style=read_style(chosen),
                write_metadata=not chosen.leave_metadata_out,
            )  # fmt: skip
            if sheet.scale < 1:
                yield Notice(job=self.job, text=_SMALLER.format(scale=sheet.scale))
        yield ImageSaved(job=self.job, index=count, result=read_result(saved[count], self.asked.seed or 0, seconds=0.0))

    def _draw(self, places: dict[tuple[int, ...], Path]) -> Generator[Event, None, Sheet]:
        drawing = draw_sheet(_title(self.asked.axes), places)
        while True:
            self.stop.raise_if_set()
            try:
                share = next(drawing)
            except StopIteration as end:
                sheet: Sheet = end.value
                return sheet
            yield Loading(job=self.job, checkpoint="", text="Putting the sheet together", share=share)

    def _resolve(self, first: Path | None) -> Resolved[Request]:
        """How the sheet is recorded: as its first cell, with the axes; that cell has the first value of each."""
        record = metadata.read(first) if first is not None else None
        if record is None or not isinstance(record.resolved.request, GenerationRequest):
            return Resolved(request=self.asked, plan=ExecutionPlan(), threads=self.state.threads)
        return record.resolved.with_request(dataclasses.replace(record.resolved.request, axes=self.asked.axes))


def _title(axes: tuple[Axis, ...]) -> SheetTitles:
    """The labels along the sheet's sides; checkpoints by their names without folders."""
    labels = [_label(axis) for axis in axes]
    across, down, blocks = (*labels, *((),) * (3 - len(labels)))
    return SheetTitles(across=across, down=down, blocks=blocks)


def _label(axis: Axis) -> tuple[str, ...]:
    return tuple(_WRITERS.get(axis.field, _name_value)(axis.field, value) for value in axis.values)


def _name_value(field: str, value: str) -> str:
    return f"{AXES[field].label} {value or 'none'}"


def _name_file(field: str, value: str) -> str:
    return value.replace("\\", "/").rpartition("/")[2].removesuffix(".safetensors")


_WRITERS: dict[str, Callable[[str, str], str]] = {
    "checkpoint": _name_file, "vae": _name_file, "words": lambda field, value: value, "append": lambda field, value: value or "–",
}  # fmt: skip
"""Field of an axis -> how its values are labelled, where that is not with its name."""
