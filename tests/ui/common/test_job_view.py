"""From the engine's events to what a page knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import events
from engine.events import Event, Result
from ui import messages
from ui.common import job_view
from ui.common.job_view import IDLE, seen

J = "job"


def result(number: int = 0) -> Result:
    return Result(path=Path(f"/o/{number}.png"), seed=5 + number, width=64, height=64, seconds=1.0)


def step(number: int, picture: int = 0, pictures: int = 1, preview: bytes | None = None) -> events.Step:
    return events.Step(job=J, picture=picture, pictures=pictures, step=number, steps=20, seconds_left=12.4, preview=preview)


def test_every_event_of_the_engine_has_an_update() -> None:
    assert set(job_view._STEPS) == set(Event.__subclasses__())


def test_a_waiting_job_says_how_many_go_first() -> None:
    assert seen([events.Queued(job=J, ahead=1)]).status == "Waiting: 1 job goes first."
    assert seen([events.Queued(job=J, ahead=3)]).status == "Waiting: 3 jobs go first."
    assert seen([events.Queued(job=J)]).running


def test_a_step_says_how_far_and_how_long() -> None:
    view = seen([events.Queued(job=J), events.Started(job=J), step(5, preview=b"jpeg")])
    assert (view.status, view.left, view.share, view.preview) == ("Step 5 of 20", "about 12 s left", 0.25, b"jpeg")


def test_the_share_counts_all_pictures_of_a_batch() -> None:
    view = seen([step(10, picture=1, pictures=2)])
    assert view.share == 0.75
    assert view.status == "Step 10 of 20 · picture 2 of 2"


def test_a_step_without_a_preview_keeps_the_last_one() -> None:
    assert seen([step(1, preview=b"first"), step(2)]).preview == b"first"


def test_a_saved_picture_is_shown_while_the_next_is_made() -> None:
    view = seen([step(20, pictures=2, preview=b"old"), events.PictureSaved(job=J, picture=0, result=result())])
    assert view.running and view.results == (result(),) and view.preview is None


def test_a_picture_that_is_reported_twice_is_shown_once() -> None:
    saved = events.PictureSaved(job=J, picture=0, result=result())
    assert seen([saved, events.Started(job=J, attempt=2), saved]).results == (result(),)


def test_notices_stay_when_the_job_ends() -> None:
    view = seen(
        [
            events.Notice(job=J, text="Snapped."),
            events.Notice(job=J, text="Snapped."),
            events.Finished(job=J, results=(result(),)),
        ]
    )
    assert view.notices == ("Snapped.",) and view.results == (result(),) and not view.running


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_stopped_job_says_what_is_kept(count: int) -> None:
    view = seen([step(3), events.Cancelled(job=J, results=tuple(map(result, range(count))))])
    assert not view.running and view.preview is None
    assert view.status.startswith(messages.STOPPED) and ("kept" in view.status.removeprefix(messages.STOPPED)) == bool(count)


def test_a_failed_job_says_the_engines_sentence() -> None:
    view = seen([step(3), events.Failed(job=J, kind="DiskFull", message="The disk is full. Make room.")])
    assert view.trouble == "The disk is full. Make room." and not view.running and view.results == ()


def test_nothing_is_known_of_no_events() -> None:
    assert seen([]) == IDLE


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "almost done"), (12.4, "about 12 s left"), (200, "about 3 min left"), (8000, "about 2 h left")],
)
def test_time_left_is_as_coarse_as_it_is_known(seconds: float, words: str) -> None:
    assert messages.time_left(seconds) == words
