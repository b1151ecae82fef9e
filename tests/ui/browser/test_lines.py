"""Keep my lines for real: lines drawn in a browser, the engine, a tiny checkpoint and a tiny ControlNet for scribbles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from engine.checkpoints.library.catalogue import Catalogue
from engine.generate.control.maps import preview_map
from engine.jobs import Jobs
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import ResolvedImageToImage
from engine.settings import Settings
from tests.engine.checkpoints import tiny
from tests.engine.checkpoints.controls import create_controlnet
from tests.ui.browser.conftest import Studio, Visitor, finished_pictures, unfold_all
from tests.ui.browser.drawing import SIDE, distance, field, generate, pad, stroke
from tests.ui.browser.listening import LISTENING
from ui import messages
from ui.server.serve import serve

pytestmark = pytest.mark.usefixtures("more_patience")

RESULT = 64
"""Pixels of the result's sides."""

LINES = [[(150.0, 150.0), (600.0, 150.0)], [(600.0, 300.0), (600.0, 600.0)]]
"""What is drawn, in pixels of the sheet: the pad rounds the corners of a stroke, so each line is one of its own."""


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The page over the real engine, with a checkpoint and a control for it."""
    folder = tmp_path_factory.mktemp("controlled")
    settings = Settings(models=folder / "models", data=folder / "data", outputs=folder / "outputs", device="cpu")
    tiny.pipeline("sd1").save_pretrained(settings.models / "sd1")
    create_controlnet("sd1").save_pretrained(settings.models / "controlnet" / "scribble")
    with Jobs(settings, LISTENING) as jobs, serve(settings, jobs, port=0) as studio:
        yield Studio(studio.url, settings, jobs)


@pytest.mark.long
def test_drawn_lines_reach_the_engine_and_come_back_with_the_record(
    controlled: Studio, page_session: Callable[..., Visitor]
) -> None:
    page = pad(page_session(controlled))
    unfold_all(page)
    for name, text in {"prompt": "a kite", "steps": "2", "seed": "4", "width": str(RESULT), "height": str(RESULT)}.items():
        field(page, name).fill(text)
    for line in LINES:
        stroke(page, *line)
    kept = page.locator("#sketch-keep_lines input[type=checkbox]")
    kept.check()
    page.locator("#sketch-keep_colours input[type=checkbox]").uncheck()
    request = generate(page, controlled)

    # The map that the engine saw is what was drawn: white lines on black, and nothing else.
    (control,) = request.controls
    assert (control.model, control.preprocessor, request.strength) == ("scribble", "lines", 1.0)
    network = Catalogue(controlled.settings).scan().find("scribble", "controlnet")
    blobs = Blobs(controlled.settings.data / "blobs")
    seen = np.asarray(Image.open(BytesIO(preview_map(control, network, blobs, SIDE, SIDE))).convert("L"), int)
    away = np.minimum(*(distance(seen.shape, line) for line in LINES))
    assert (seen[away < 2] > 127).mean() > 0.95, "a wide line is thinned"
    assert (seen[away > 15] == 0).all()

    # The record brings the choice back, and the same picture.
    (first,) = finished_pictures(controlled.settings)
    record = metadata.read(first)
    assert record is not None and isinstance(record.resolved.request, ResolvedImageToImage)
    assert record.resolved.request.controls == (control,)
    kept.uncheck()
    page.get_by_role("button", name=messages.REUSE).first.click()
    expect(kept).to_be_checked()
    generate(page, controlled)
    (second,) = finished_pictures(controlled.settings) - {first}
    np.testing.assert_array_equal(np.asarray(Image.open(first)), np.asarray(Image.open(second)))
