"""From the engine's events to what a page knows, and following a job from many pages at once over the scripted engine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import events
from engine.errors import RequestError
from engine.events import Event, Result
from engine.jobs import Jobs
from engine.requests import TextToImage
from engine.settings import Settings
from tests.ui import run_async
from ui import formatting, messages
from ui.common.job_view import IDLE, LEAST_SECONDS, View, _take, advance, apply_events, follow_job

J = "job"


def result(number: int = 0) -> Result:
    return Result(path=Path(f"/o/{number}.png"), seed=5 + number, width=64, height=64, seconds=1.0)


def step(number: int, picture: int = 0, pictures: int = 1, preview: bytes | None = None) -> events.Step:
    return events.Step(job=J, index=picture, count=pictures, step=number, steps=20, seconds_left=12.4, preview=preview)


def test_every_event_of_the_engine_has_an_update() -> None:
    assert set(advance.registry) - {object} == set(Event.__subclasses__())


def test_a_waiting_job_says_how_many_go_first() -> None:
    assert apply_events([events.Queued(job=J, ahead=1)]).status == "Waiting: 1 job goes first."
    assert apply_events([events.Queued(job=J, ahead=3)]).status == "Waiting: 3 jobs go first."
    assert apply_events([events.Queued(job=J)]).running


def test_a_step_says_how_far_and_how_long() -> None:
    view = apply_events([events.Queued(job=J), events.Started(job=J), step(5, preview=b"jpeg")])
    assert (view.status, view.left, view.share, view.preview) == ("Step 5 of 20", "about 12 s left", 0.25, b"jpeg")


def test_the_share_counts_all_pictures_of_a_batch() -> None:
    view = apply_events([step(10, picture=1, pictures=2)])
    assert view.share == 0.75
    assert view.status == "Step 10 of 20 · picture 2 of 2"


def test_a_step_without_a_preview_keeps_the_last_one() -> None:
    assert apply_events([step(1, preview=b"first"), step(2)]).preview == b"first"


def test_a_saved_picture_is_shown_while_the_next_is_made() -> None:
    view = apply_events([step(20, pictures=2, preview=b"old"), events.ImageSaved(job=J, index=0, result=result())])
    assert view.running and view.results == (result(),) and view.preview is None


def test_a_picture_that_is_reported_twice_is_shown_once() -> None:
    saved = events.ImageSaved(job=J, index=0, result=result())
    assert apply_events([saved, events.Started(job=J, attempt=2), saved]).results == (result(),)


def test_notices_stay_when_the_job_ends() -> None:
    view = apply_events(
        [
            events.Notice(job=J, text="Snapped."),
            events.Notice(job=J, text="Snapped."),
            events.Finished(job=J, results=(result(),)),
        ]
    )
    assert view.notices == ("Snapped.",) and view.results == (result(),) and not view.running


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_stopped_job_says_what_is_kept(count: int) -> None:
    view = apply_events([step(3), events.Cancelled(job=J, results=tuple(map(result, range(count))))])
    assert not view.running and view.preview is None
    assert view.status.startswith(messages.STOPPED) and ("kept" in view.status.removeprefix(messages.STOPPED)) == bool(count)


def test_a_failed_job_says_the_engines_sentence() -> None:
    view = apply_events([step(3), events.Failed(job=J, kind="DiskFull", message="The disk is full. Make room.")])
    assert view.trouble == "The disk is full. Make room." and not view.running and view.results == ()


def test_nothing_is_known_of_no_events() -> None:
    assert apply_events([]) == IDLE


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "almost done"), (12.4, "about 12 s left"), (200, "about 3 min left"), (8000, "about 2 h left")],
)
def test_time_left_is_as_coarse_as_it_is_known(seconds: float, words: str) -> None:
    assert formatting.format_time_left(seconds) == words


def test_what_comes_between_two_views_is_one_and_an_end_is_not_waited_for() -> None:
    async def take() -> tuple[list[Event], list[Event]]:
        inbox, soon = asyncio.Queue[Event](), asyncio.get_running_loop().time() + 3600
        for number in range(50):
            inbox.put_nowait(step(number))
        passed = await _take(inbox, 0)
        inbox.put_nowait(step(51))
        inbox.put_nowait(events.Finished(job=J, results=()))
        return passed, await _take(inbox, soon)

    passed, last = run_async.run(take())
    assert len(passed) == 50 and len(last) == 2


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    folder: Path = tmp_path_factory.mktemp("followed")
    with Jobs(Settings(data=folder / "data", outputs=folder / "outputs"), "engine.testing:ScriptedEngine") as opened:
        yield opened


async def collect(jobs: Jobs, job: str) -> list[View]:
    return [view async for view in follow_job(jobs, job)]


def test_forty_pages_follow_one_job_to_its_end(jobs: Jobs) -> None:
    job = jobs.submit(TextToImage(prompt="a cat, script: slow", steps=4))

    async def everybody() -> list[list[View]]:
        return await asyncio.gather(*(collect(jobs, job) for _ in range(40)))

    for views in run_async.run(everybody()):
        assert [view.running for view in views] == [True] * (len(views) - 1) + [False]
        assert any(view.preview for view in views) and len(views[-1].results) == 1


def test_a_job_of_fifty_steps_a_second_has_four_views_a_second(jobs: Jobs) -> None:
    """However slow the machine is: the views are counted against the time that passes meanwhile."""
    job, began = jobs.submit(TextToImage(prompt="a cat, script: steady", steps=60)), time.monotonic()
    views = run_async.run(collect(jobs, job))
    assert len(views) <= 2 + (time.monotonic() - began) / LEAST_SECONDS and not views[-1].running


def test_who_comes_after_the_end_sees_the_result(jobs: Jobs) -> None:
    job = jobs.submit(TextToImage(prompt="a dog", count=2))
    first = run_async.run(collect(jobs, job))
    late = run_async.run(collect(jobs, job))
    assert late[-1] == first[-1] and len(late[-1].results) == 2


def test_a_page_that_leaves_takes_no_listener_along(jobs: Jobs) -> None:
    job = jobs.submit(TextToImage(prompt="a cat, script: slow", steps=4))

    async def leave() -> View:
        following = follow_job(jobs, job)
        view = await anext(following)
        await following.aclose()
        return view

    assert run_async.run(leave()).running
    assert run_async.run(collect(jobs, job))[-1].results


def test_a_job_that_never_was_is_an_error(jobs: Jobs) -> None:
    with pytest.raises(RequestError, match="does not know this job"):
        run_async.run(collect(jobs, "nonsense"))


def test_pages_that_follow_a_waiting_job_and_leave_hold_no_threads(jobs: Jobs) -> None:
    running = jobs.submit(TextToImage(prompt="a cat, script: wait"))
    waiting = jobs.submit(TextToImage(prompt="a dog"))
    before = set(threading.enumerate())

    async def visit() -> int:
        following = [follow_job(jobs, waiting) for _ in range(60)]
        for views in following:
            assert (await anext(views)).running
        held = len({thread for thread in threading.enumerate() if thread not in before})
        for views in following:
            await views.aclose()
        return held

    # Looking into the journal takes the few threads of asyncio's own pool; listening takes none.
    assert run_async.run(visit()) < 40
    assert set(threading.enumerate()) <= before
    for job in (waiting, running):
        jobs.stop(job)


def test_a_page_that_leaves_while_it_begins_to_listen_leaves_nothing_behind(jobs: Jobs) -> None:
    waiting = jobs.submit(TextToImage(prompt="a cat, script: wait"))

    async def glance() -> None:
        visits = [asyncio.create_task(collect(jobs, waiting)) for _ in range(20)]
        await asyncio.sleep(0)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)

    run_async.run(glance())
    assert waiting not in jobs._feed._listeners
    jobs.stop(waiting)
