"""Blobs go when nothing needs them any more, and never before."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from engine.events import ImageSaved
from engine.jobs import Jobs, blob_sweep
from engine.jobs.blob_sweep import sweep_blobs
from engine.jobs.journal import CANCELLED, FINISHED, Journal
from engine.records.blobs import Blobs
from engine.requests import ImageToImage
from engine.settings import Settings
from engine.stopping import Stop
from engine.testing import ScriptedEngine
from tests.engine.jobs.conftest import SCRIPTED, until

PAGE = "first-browser sketch"


@pytest.fixture
def journal(settings: Settings) -> Iterator[Journal]:
    settings.outputs.mkdir()
    with closing(Journal(settings.data / "journal.db")) as opened:
        yield opened


def put(settings: Settings, colour: int) -> str:
    return Blobs(settings.data / "blobs").put(Image.new("RGB", (8, 8), (colour, 0, 0)))


def list_blobs(settings: Settings) -> set[str]:
    return {path.name for path in (settings.data / "blobs").rglob("*") if path.is_file()}


def make_old(settings: Settings) -> None:
    for path in (settings.data / "blobs").rglob("*"):
        os.utime(path, (time.time() - 2 * 86_400,) * 2)


def sweep(settings: Settings, journal: Journal) -> int:
    make_old(settings)
    return sweep_blobs(settings, journal, threading.Event())


def draw(settings: Settings, request: ImageToImage, job: str) -> Path:
    events = ScriptedEngine(settings).run(job, request, Stop())
    return next(event.result.path for event in events if isinstance(event, ImageSaved))


def test_the_strokes_of_forty_drafts_go_but_for_the_last(settings: Settings, journal: Journal) -> None:
    strokes = [put(settings, colour) for colour in range(40)]
    for number, stroke in enumerate(strokes):
        journal.add(str(number), PAGE, ImageToImage(init_image=stroke, draft=True, seed=1))
        journal.end(str(number), CANCELLED)
        if number < 39:
            journal.forget(PAGE, older=-1)
    assert sweep(settings, journal) == 39
    assert list_blobs(settings) == {strokes[-1]}


def test_what_a_job_needs_stays_whatever_became_of_it(settings: Settings, journal: Journal) -> None:
    sketch, mask, depth, unused = (put(settings, colour) for colour in range(4))
    journal.add("a", PAGE, ImageToImage(init_image=sketch, mask_image=mask, seed=1))
    journal.set_depth("a", depth)
    journal.end("a", FINISHED)
    assert sweep(settings, journal) == 1
    assert list_blobs(settings) == {sketch, mask, depth} and unused not in list_blobs(settings)


def test_what_a_record_names_stays_when_the_journal_does_not_know_its_job(settings: Settings, journal: Journal) -> None:
    named, moved, unused = (put(settings, colour) for colour in range(3))
    draw(settings, ImageToImage(init_image=named, seed=1), "a")
    path = draw(settings, ImageToImage(init_image=moved, seed=1), "b")
    (settings.outputs / "best of").mkdir()
    path.rename(settings.outputs / "best of" / "my favourite.png")
    (settings.outputs / "best of" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n no image")
    assert sweep(settings, journal) == 1
    assert list_blobs(settings) == {named, moved} and unused not in list_blobs(settings)


def test_a_new_blob_stays_and_nothing_goes_while_the_outputs_are_away(settings: Settings, journal: Journal) -> None:
    put(settings, 1)
    assert sweep_blobs(settings, journal, threading.Event()) == 0
    away = dataclasses.replace(settings, outputs=settings.outputs / "unplugged")
    assert sweep(away, journal) == 0 and len(list_blobs(settings)) == 1


def test_jobs_sweep_at_the_start_and_after_drafts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_sweep, "PAUSE_SECONDS", 0.0)
    settings.outputs.mkdir()
    at_start = put(settings, 1)
    make_old(settings)
    with Jobs(settings, SCRIPTED) as jobs:
        until(lambda: at_start not in list_blobs(settings))
        later, stroke = put(settings, 2), put(settings, 3)
        make_old(settings)
        jobs.submit(ImageToImage(init_image=stroke, seed=1, draft=True), PAGE)
        until(lambda: later not in list_blobs(settings))
        jobs.submit(ImageToImage(init_image=stroke, seed=2, draft=True), PAGE)
        assert stroke in list_blobs(settings)


def test_a_sweep_is_not_repeated_at_once(settings: Settings, journal: Journal) -> None:
    sweeper = blob_sweep.BlobSweeper(settings, journal)
    sweeper.start()
    sweeper.close()
    first = sweeper._thread
    sweeper.start()
    assert sweeper._thread is first


def test_what_a_new_job_starts_from_counts_as_just_used(settings: Settings) -> None:
    sketch = put(settings, 1)
    make_old(settings)
    with Jobs(settings, SCRIPTED) as jobs:
        jobs.submit(ImageToImage(init_image=sketch, seed=1))
        assert time.time() - Blobs(settings.data / "blobs").path(sketch).stat().st_mtime < 3600
