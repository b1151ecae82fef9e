"""Images under a pattern of names: a killed job finds what it has saved, and so do a rebuilt history and journal."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

import engine.preferences as preferences
from engine import events
from engine.jobs import Jobs
from engine.jobs.journal_rescue import find_finished
from engine.preferences import Preferences
from engine.records import metadata, outputs
from engine.records.history import History, Search
from engine.requests import TextToImage
from engine.settings import Settings
from tests.engine.jobs.conftest import SCRIPTED, until

PATTERN = "{date}/{prompt}/{checkpoint} {steps}"
PROMPT = "../a: cat? script: slow"


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill with any signal ends a process there")
@pytest.mark.parametrize("file_format", preferences.FILE_FORMATS)
def test_a_kill_loses_and_doubles_no_image_and_all_are_found_again(file_format: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", outputs=tmp_path / "outputs")
    preferences.write(settings.data, Preferences(name_pattern=PATTERN, file_format=file_format, quality=80))
    with Jobs(settings, SCRIPTED) as jobs:
        job = jobs.submit(TextToImage(prompt=PROMPT, steps=2, count=3, seed=5))
        until(lambda: len(jobs.state(job).results) > 0)
        assert jobs.worker_pid
        os.kill(jobs.worker_pid, signal.SIGKILL)
        assert isinstance(list(jobs.watch(job))[-1], events.Finished)
        state = jobs.state(job)
    images = [path for path in settings.outputs.rglob("*") if path.is_file()]
    assert sorted(images) == sorted(result.path for result in state.results) and len(images) == 3
    assert all(
        path.suffix == outputs.SUFFIXES[file_format] and len(path.relative_to(settings.outputs).parts) == 3 for path in images
    )
    assert set(outputs.find_saved(settings.outputs, job).values()) == set(images)
    records = [metadata.read(path) for path in images]
    assert sorted(record.resolved.request.seed or 0 for record in records if record) == [5, 6, 7]
    [(row, results)] = find_finished(settings.outputs, set())
    assert row["id"] == job and len(results) == 3
    history = History(settings.outputs, settings.data)
    history.rebuild()
    list(history.refresh())
    assert [entry.prompt for entry in history.find(Search())] == [PROMPT] * 3
    history.close()
