"""Images are written beside the steps of the next one; none is lost, whatever happens meanwhile."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from engine.errors import CancelledError, OutputError
from engine.events import Event, Finished, ImageSaved, Notice, Step
from engine.generate.save import SaveQueue
from engine.records import outputs
from engine.requests import TextToImage
from engine.stopping import Stop
from tests.engine.generate.conftest import Engine

ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=32, height=32, steps=4, seed=1, count=3)


def test_events_come_in_order_and_only_when_it_is_done() -> None:
    gate, written = threading.Event(), []

    def save(number: int) -> int:
        gate.wait(10)
        written.append(number)
        return number

    def report(number: int) -> list[Event]:
        assert threading.current_thread() is threading.main_thread(), "what collects reports"
        return [Notice(job="job", text=str(number))]

    with SaveQueue() as saving:
        saving.put(lambda: save(1), report)
        assert list(saving.collect_done()) == [] and not written
        gate.set()
        saving.put(lambda: save(2), report)
        assert list(saving.collect_all()) == [Notice(job="job", text="1"), Notice(job="job", text="2")]
        saving.put(lambda: save(3), report)
        saving.wait()
        assert written == [1, 2, 3]


def test_the_next_picture_begins_while_one_is_written(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    real, stepped = outputs.save, threading.Event()

    def slow(*arguments: Any, **named: Any) -> Any:
        if named["index"] == 0:
            assert stepped.wait(60), "the second picture did not begin"
        return real(*arguments, **named)

    monkeypatch.setattr(outputs, "save", slow)
    seen: list[Event] = []
    for event in engine.local.run("beside", ASKED, Stop()):
        seen.append(event)
        if isinstance(event, Step) and event.index == 1:
            stepped.set()
    assert [event.index for event in seen if isinstance(event, ImageSaved)] == [0, 1, 2]
    assert isinstance(seen[-1], Finished) and all(result.path.is_file() for result in seen[-1].results)


def test_a_picture_on_its_way_to_the_disk_is_kept_when_stop_is_pressed(engine: Engine) -> None:
    stop, saved = Stop(), []
    with pytest.raises(CancelledError):
        for event in engine.local.run("stopped", ASKED, stop):
            if isinstance(event, ImageSaved):
                saved.append(event.index)
            if isinstance(event, Step) and (event.index, event.step) == (1, 1):
                stop.set()
    assert saved == [0] and list(outputs.find_saved(engine.settings.outputs, "stopped")) == [0]


def test_a_disk_that_fails_ends_the_job_with_its_own_sentence(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OutputError("The disk is gone.")

    monkeypatch.setattr(outputs, "save", fail)
    with pytest.raises(OutputError, match="The disk is gone"):
        list(engine.local.run("failed", ASKED, Stop()))
