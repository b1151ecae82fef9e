from __future__ import annotations

from pathlib import Path

import pytest

from engine.events import Result, Step
from engine.jobs.journal import FINISHED, QUEUED, RUNNING, JobState
from engine.jobs.queue_estimate import estimate_ends
from engine.requests import TextToImage

REQUEST = TextToImage(steps=10, width=1000, height=500, count=4)


def finish(*seconds: float, request: TextToImage = REQUEST) -> JobState:
    results = tuple(Result(path=Path("a.png"), seed=1, width=1000, height=500, seconds=each) for each in seconds)
    return JobState(id="done", page="", request=request, state=FINISHED, results=results)


def wait(request: TextToImage = REQUEST, done: int = 0) -> JobState:
    return JobState(id="waiting", page="", request=request, state=QUEUED, results=finish(*[2.0] * done).results)


def progress(seconds_left: float | None) -> JobState:
    step = Step(job="running", index=0, count=4, step=1, steps=10, seconds_left=seconds_left)
    return JobState(id="running", page="", request=REQUEST, state=RUNNING, progress=step)


@pytest.mark.parametrize("workers, seconds", [(1, 16.0), (2, 8.0), (4, 4.0)])
def test_workers_share_what_waits(workers: int, seconds: float) -> None:
    assert estimate_ends([wait(), wait()], [finish(2.0)], workers)[-1] == pytest.approx(seconds)


def test_the_median_of_the_newest_images_counts_and_those_without_a_time_do_not() -> None:
    assert estimate_ends([wait()], [finish(1.0, 2.0, 0.0), finish(30.0)], 1)[-1] == pytest.approx(8.0)


def test_an_image_is_estimated_by_its_steps_and_its_size() -> None:
    twice = TextToImage(steps=20, width=1000, height=500)
    smaller = TextToImage(steps=10, width=500, height=250)
    assert estimate_ends([wait(twice), wait(smaller)], [finish(2.0)], 1)[-1] == pytest.approx(4.0 + 0.5)


def test_an_open_size_is_a_usual_one() -> None:
    usual = TextToImage(steps=25, width=512, height=512)
    assert estimate_ends([wait(TextToImage())], [finish(3.0, request=usual)], 1)[-1] == pytest.approx(3.0)


def test_images_that_are_done_take_no_more_time() -> None:
    assert estimate_ends([wait(done=3)], [finish(2.0)], 1)[-1] == pytest.approx(2.0)


def test_a_job_that_runs_says_itself_what_it_needs() -> None:
    assert estimate_ends([progress(5.0), wait()], [finish(2.0)], 1)[-1] == pytest.approx(13.0)
    assert estimate_ends([progress(None)], [finish(2.0)], 1)[-1] == pytest.approx(8.0)
    assert estimate_ends([progress(0.0)], [], 1)[-1] == 0.0


def test_nothing_is_estimated_from_nothing() -> None:
    assert estimate_ends([wait()], [], 1)[-1] is None
    assert estimate_ends([progress(5.0), wait()], [finish(0.0)], 1)[-1] is None


def test_each_job_of_the_line_has_an_end_of_its_own_as_far_as_it_is_known() -> None:
    assert estimate_ends([progress(5.0), wait()], [finish(2.0)], 1) == pytest.approx([5.0, 13.0])
    assert estimate_ends([progress(5.0), wait(), progress(1.0)], [], 1) == [5.0, None, None]
    assert estimate_ends([], [], 1) == []
