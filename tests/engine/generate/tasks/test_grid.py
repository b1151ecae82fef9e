"""Grids: each cell is the picture asked for alone, each checkpoint is loaded once, and a kill loses nothing."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import CancelledError, RequestError
from engine.events import Event, Finished, ImageSaved, Loading, Notice, Step
from engine.local import Local
from engine.records import metadata
from engine.records.images.sheet import LONGEST_SIDE, MOST_PIXELS, SheetTitles, draw_sheet
from engine.records.record import parameters
from engine.requests import Axis, GenerationRequest, ImageToImage, ResolvedGeneration, TextToImage, list_cells, resolved_from_json
from engine.requests.json_format import resolved_to_json
from engine.stopping import Stop
from tests.engine.generate.conftest import Engine

SMALL: dict[str, Any] = {
    "prompt": "a cat", "checkpoint": "sd1", "width": 64, "height": 32, "steps": 2, "seed": 3, "scheduler": "DDIM",
}  # fmt: skip
_jobs = itertools.count()
SEEDS = Axis(field="seed", values=("1", "2"))
STEPS = Axis(field="steps", values=("1", "3"))
CHECKPOINTS = Axis(field="checkpoint", values=("sd1", "sd2_base"))


def read(path: Path) -> tuple[ResolvedGeneration, np.ndarray]:
    """The request in the record of an image, and its pixels."""
    record = metadata.read(path)
    assert record is not None and isinstance(record.resolved.request, ResolvedGeneration)
    with Image.open(path) as image:
        return record.resolved.request, np.asarray(image.convert("RGB"))


def run(local: Local, asked: GenerationRequest, job: str = "") -> list[Event]:
    return list(local.run(job or f"grid{next(_jobs)}", asked, Stop()))


def results(events: list[Event]) -> list[Path]:
    assert isinstance(events[-1], Finished)
    return [result.path for result in events[-1].results]


def test_each_cell_is_the_picture_asked_for_alone_and_the_sheet_shows_all(engine: Engine) -> None:
    asked = TextToImage(**SMALL, axes=(SEEDS, STEPS, CHECKPOINTS))
    engine.local.free_memory()
    events = run(engine.local, asked)
    *cells, sheet = results(events)
    assert [event.index for event in events if isinstance(event, ImageSaved)] == list(range(9))
    assert [event.checkpoint for event in events if isinstance(event, Loading) and event.checkpoint] == ["sd1", "sd2_base"]
    counted = [event for event in events if isinstance(event, Step)]
    assert {event.count for event in counted} == {8} and {event.index for event in counted} == set(range(8))
    recorded, shown = read(sheet)
    for cell, path in zip(list_cells(asked), cells, strict=True):
        request, pixels = read(path)
        wanted = (cell.request.seed, cell.request.steps, cell.request.checkpoint)
        assert (request.seed, request.steps, request.checkpoint) == wanted and request.axes == ()
        _, alone = read(results(run(engine.local, cell.request))[0])
        assert (alone == pixels).all()
        assert _is_inside(pixels, shown), "in full size on the sheet"
    assert recorded.axes == asked.axes
    assert [cell.request.seed for cell in list_cells(recorded)] == [cell.request.seed for cell in list_cells(asked)]
    record = metadata.read(sheet)
    assert record is not None and 'X Type: Seed, X Values: "1, 2", Y Type: Steps' in parameters(record)
    assert resolved_from_json(resolved_to_json(record.resolved)) == record.resolved


def _is_inside(part: np.ndarray, whole: np.ndarray) -> bool:
    """Whether ``part`` stands somewhere in ``whole``, pixel for pixel."""
    rows, columns = np.nonzero((whole[: 1 - len(part), : 1 - part.shape[1]] == part[0, 0]).all(axis=-1))
    found = (whole[y : y + part.shape[0], x : x + part.shape[1]] for y, x in zip(rows, columns, strict=True))
    return any((each == part).all() for each in found)


def test_a_killed_grid_goes_on_where_it_was(engine: Engine) -> None:
    asked, stop = TextToImage(**SMALL, axes=(SEEDS, STEPS)), Stop()
    first: list[Path] = []
    with pytest.raises(CancelledError):
        for event in engine.local.run("killed", asked, stop):
            if isinstance(event, ImageSaved):
                first.append(event.result.path)
                stop.set()
    assert len(first) == 1
    written = first[0].stat().st_mtime_ns
    engine.local.free_memory()
    events = run(engine.local, asked, "killed")
    assert results(events)[0] == first[0] and first[0].stat().st_mtime_ns == written and len(results(events)) == 5
    again = run(engine.local, asked, "killed")
    assert results(again) == results(events) and not [event for event in again if isinstance(event, Loading | Step)]


def test_a_cell_that_cannot_be_made_is_said_and_the_others_are_made(engine: Engine) -> None:
    asked = TextToImage(**SMALL, axes=(Axis(field="checkpoint", values=("sd1", "nowhere", "xl")),))
    events = run(engine.local, asked)
    said = [event.text for event in events if isinstance(event, Notice)]
    assert sum("nowhere" in text and text.startswith("Checkpoint nowhere: ") for text in said) == 1
    assert len(results(events)) == 3 and read(results(events)[-1])[0].axes == asked.axes
    lost = dataclasses.replace(asked, axes=(Axis(field="checkpoint", values=("nowhere", "elsewhere")),))
    with pytest.raises(Exception, match="elsewhere"):
        run(engine.local, lost)


def test_a_grid_from_a_picture_varies_its_strength(engine: Engine) -> None:
    image = engine.blobs.put(Image.linear_gradient("L").resize((64, 32)))
    asked = ImageToImage(init_image=image, **SMALL, axes=(Axis(field="strength", values=("0", "0.5", "1")),))
    made = [read(path) for path in results(run(engine.local, asked))]
    strengths = [request.strength for request, _ in made if isinstance(request, ImageToImage)]
    assert strengths[:3] == [0.0, 0.5, 1.0] and len({pixels.tobytes() for _, pixels in made[:3]}) == 3


def test_templates_and_words_are_drawn_for_each_cell(engine: Engine) -> None:
    words = Axis(field="words", values=("cat", "dog"))
    asked = TextToImage(
        **{**SMALL, "prompt": "a {red|blue|green} cat"}, axes=(Axis(field="seed", values=("1", "2", "3", "4")), words)
    )
    prompts = [read(path)[0].prompt for path in results(run(engine.local, asked))[:8]]
    assert len(set(prompts)) > 2 and sum("dog" in prompt for prompt in prompts) == 4 and not any("{" in each for each in prompts)


def test_what_is_said_before_belongs_to_the_first_cell_and_upscaling_is_left_out(engine: Engine) -> None:
    asked = TextToImage(**{**SMALL, "upscaler": "lanczos"}, axes=(SEEDS,))
    assert engine.local.describe_run(asked).request.seed == 1
    events = run(engine.local, asked)
    assert any(isinstance(event, Notice) and "not enlarged" in event.text for event in events) and len(results(events)) == 3
    with pytest.raises(RequestError):
        run(engine.local, dataclasses.replace(asked, axes=(Axis(field="steps", values=("0",)),)))


def test_a_sheet_of_many_large_pictures_stays_a_size_that_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("RGB", (640, 512), "red").save(path)
    titles = SheetTitles(across=[f"Seed {n}" for n in range(60)], down=["a very long label " * 9] * 60, blocks=("猫 cat", "dog"))
    drawing = draw_sheet(titles, {(n % 60, n // 60, 0): path for n in range(0, 3600, 600)})
    while True:
        try:
            next(drawing)
        except StopIteration as end:
            sheet = end.value
            break
    assert sheet.scale < 1 and max(sheet.image.size) <= LONGEST_SIDE and sheet.image.width * sheet.image.height <= MOST_PIXELS
    colours = {colour for _, colour in sheet.image.getcolors(1 << 24)}
    assert (255, 0, 0) in colours and len(colours) > 2
