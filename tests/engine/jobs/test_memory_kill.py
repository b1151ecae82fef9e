"""A worker that the kernel kills: the job goes on with a safer plan, says so, and the plan is kept for the next time."""

from __future__ import annotations

import sys

import pytest

from engine.events import Finished, Notice
from engine.jobs import Jobs
from engine.plan.learned import LearnedFacts
from engine.records import metadata
from engine.requests import TextToImage
from engine.settings import Settings

ASKED = TextToImage(prompt="a cat on the beach", seed=3, steps=3)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_the_attempt_after_a_kill_takes_a_measure_more_and_keeps_it() -> None:
    settings = Settings()
    with Jobs(settings, "tests.engine.jobs.killed:KilledOnce") as jobs:
        events = list(jobs.watch(jobs.submit(ASKED)))
    last = events[-1]
    assert isinstance(last, Finished), last
    said = [event.text for event in events if isinstance(event, Notice)]
    assert any("starts again from the same seed" in text for text in said)
    assert any(text.startswith("Memory is short: ") for text in said)
    record = metadata.read(last.results[0].path)
    assert record is not None and record.resolved.plan.measures
    kept = LearnedFacts(settings.data / "learnt.json")._store.read()
    assert [list(record.resolved.plan.measures)] == [note["measures"] for note in kept.values() if note.get("measures")]
