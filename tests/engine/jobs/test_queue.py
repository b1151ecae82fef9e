"""The queue, over real worker processes that run the scripted engine."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from pathlib import Path

import pytest
from PIL import Image

from engine import events
from engine.errors import OutputError, RequestError
from engine.events import Event, Step
from engine.jobs import Jobs
from engine.jobs.journal import CANCELLED, FAILED, FINISHED, QUEUED, RUNNING, SET_ASIDE
from engine.jobs.watchdog import TimeLimits
from engine.records.blobs import Blobs
from engine.requests import ImageToImage, TextToImage
from engine.settings import Settings
from tests.engine.jobs.conftest import PATIENT_SECONDS, SCRIPTED, until


def run(jobs: Jobs, prompt: str = "a cat", **asked: object) -> tuple[str, list[Event]]:
    job = jobs.submit(TextToImage(prompt=prompt, **asked))  # type: ignore[arg-type]
    return job, list(jobs.watch(job))


def slow(jobs: Jobs, page: str = "", steps: int = 40) -> str:
    """A job that is running, in the middle of its steps."""
    job = jobs.submit(TextToImage(prompt="script: slow", steps=steps), page)
    until(lambda: jobs.state(job).progress is not None)
    return job


def draft_of(settings: Settings) -> ImageToImage:
    """A request for a Live picture."""
    return ImageToImage(init_image=Blobs(settings.data / "blobs").put(Image.new("RGB", (8, 8))), seed=1, draft=True)


def test_a_job_runs_and_its_events_come_in_order(jobs: Jobs) -> None:
    job, seen = run(jobs, count=2, seed=7)
    kinds = [type(e) for e in seen]
    assert kinds[:2] == [events.Queued, events.Started] and kinds[-1] is events.Finished
    assert kinds.count(events.ImageSaved) == 2
    state = jobs.state(job)
    assert state.state == FINISHED and [r.seed for r in state.results] == [7, 8]
    assert all(r.path.is_file() for r in state.results)


def test_whoever_comes_late_hears_of_notices_and_the_depth_map_too(jobs: Jobs) -> None:
    job, seen = run(jobs, "script: notice, script: depth")
    told = [event for event in seen if isinstance(event, (events.Notice, events.Guided))]
    assert len(told) == 2 and [event for event in jobs.watch(job) if type(event) in map(type, told)] == told


def test_an_open_seed_is_drawn_when_the_job_is_written(jobs: Jobs) -> None:
    job, _ = run(jobs)
    state = jobs.state(job)
    assert state.request.seed is not None and state.results[0].seed == state.request.seed


def test_nonsense_is_refused_before_it_is_written(jobs: Jobs) -> None:
    with pytest.raises(RequestError):
        jobs.submit(TextToImage(steps=0))
    assert not jobs.jobs()
    with pytest.raises(RequestError, match="does not know this job"):
        jobs.state("none such")


def test_a_failure_is_a_sentence_and_the_next_request_works(jobs: Jobs) -> None:
    job, seen = run(jobs, "script: fail")
    assert isinstance(seen[-1], events.Failed) and "Take the words" in seen[-1].message
    assert jobs.state(job).state == FAILED
    _, seen = run(jobs, "script: bug")
    assert isinstance(seen[-1], events.Failed) and "Traceback" not in seen[-1].message
    assert isinstance(run(jobs)[1][-1], events.Finished)


def test_a_paused_queue_finishes_what_runs_and_starts_only_drafts_until_it_is_resumed(jobs: Jobs, settings: Settings) -> None:
    running = slow(jobs)
    jobs.pause()
    waiting, draft = jobs.submit(TextToImage(prompt="a dog")), jobs.submit(draft_of(settings), "a page")
    assert isinstance(list(jobs.watch(running))[-1], events.Finished)
    assert isinstance(list(jobs.watch(draft))[-1], events.Finished)
    assert (
        jobs.is_paused and jobs.state(waiting).state == QUEUED and any("paused" in text for text in jobs.state(waiting).notices)
    )
    jobs.close()
    with Jobs(settings, SCRIPTED) as later:
        assert later.is_paused and isinstance(list(later.watch(later.submit(draft_of(settings), "a page")))[-1], events.Finished)
        assert later.state(waiting).state == QUEUED
        later.resume()
        assert isinstance(list(later.watch(waiting))[-1], events.Finished) and not later.is_paused


def test_stop_in_a_step_and_in_the_queue(jobs: Jobs) -> None:
    running = slow(jobs)
    waiting = jobs.submit(TextToImage(prompt="a dog"))
    jobs.stop(waiting)
    assert jobs.state(waiting).state == CANCELLED
    jobs.stop(running)
    jobs.stop(running)
    assert isinstance(list(jobs.watch(running))[-1], events.Cancelled)
    jobs.stop(running)
    assert jobs.state(running).state == CANCELLED and not jobs.state(running).results


def test_stop_pressed_at_once_is_heard(jobs: Jobs) -> None:
    job = jobs.submit(TextToImage(prompt="script: slow", steps=40))
    jobs.stop(job)
    assert isinstance(list(jobs.watch(job))[-1], events.Cancelled)


def test_who_comes_late_hears_what_happened_and_what_happens(jobs: Jobs) -> None:
    job = slow(jobs, steps=8)
    late = list(jobs.watch(job))
    assert [type(e) for e in late[:2]] == [events.Queued, events.Started]
    assert any(isinstance(e, Step) and e.preview for e in late) and isinstance(late[-1], events.Finished)
    again = list(jobs.watch(job))
    assert isinstance(again[-1], events.Finished) and any(isinstance(e, events.ImageSaved) for e in again)


def test_ten_watchers_hear_the_same_end(jobs: Jobs) -> None:
    job = slow(jobs, steps=6)
    ends: list[Event] = []
    threads = [threading.Thread(target=lambda: ends.append(list(jobs.watch(job))[-1])) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENT_SECONDS)
    assert len(ends) == 10 and len(set(ends)) == 1


def test_a_killed_worker_starts_the_job_again_from_its_seed(jobs: Jobs) -> None:
    job = slow(jobs, steps=16)
    first = jobs.worker_pid
    assert first
    os.kill(first, signal.SIGKILL)
    last = list(jobs.watch(job))[-1]
    state = jobs.state(job)
    assert isinstance(last, events.Finished) and state.attempt == 2 and jobs.worker_pid != first
    assert state.results[0].seed == state.request.seed and len(list(state.results[0].path.parent.iterdir())) == 1


def test_a_job_that_ends_two_workers_is_set_aside_and_the_queue_goes_on(jobs: Jobs) -> None:
    job, seen = run(jobs, "script: crash")
    assert isinstance(seen[-1], events.Failed) and "set aside" in seen[-1].message
    assert jobs.state(job).state == SET_ASIDE and jobs.state(job).attempt == 2
    assert isinstance(run(jobs)[1][-1], events.Finished)


def test_a_device_that_went_away_is_tried_again_by_a_new_worker_and_so_is_that_after_it(jobs: Jobs) -> None:
    first = jobs.worker_pid
    job, seen = run(jobs, "script: lose device script: once")
    assert isinstance(seen[-1], events.Finished) and jobs.state(job).attempt == 2
    (said,) = (event.text for event in seen if isinstance(event, events.Notice))
    assert "stopped responding" in said and "starts again from the same seed" in said
    until(lambda: jobs.worker_pid not in (None, first))
    assert isinstance(run(jobs)[1][-1], events.Finished)
    _, seen = run(jobs, "script: lose device")
    assert isinstance(seen[-1], events.Failed) and "set aside" in seen[-1].message


def test_a_worker_that_hangs_is_ended_and_the_job_runs_again(settings: Settings) -> None:
    with Jobs(settings, SCRIPTED, TimeLimits(load=8)) as jobs:
        job, seen = run(jobs, "script: hang script: once")
        assert isinstance(seen[-1], events.Finished) and jobs.state(job).attempt == 2


def test_a_full_disk_pauses_the_queue_and_the_job_goes_on_when_there_is_room(jobs: Jobs) -> None:
    job, seen = run(jobs, "script: disk full script: once")
    assert any(isinstance(e, events.Notice) and "waits until there is room" in e.text for e in seen)
    assert isinstance(seen[-1], events.Finished) and jobs.state(job).state == FINISHED


def test_pages_take_turns(jobs: Jobs) -> None:
    running = slow(jobs, page="greedy", steps=1000)
    greedy = [jobs.submit(TextToImage(prompt=f"{i}"), "greedy") for i in range(6)]
    modest = jobs.submit(TextToImage(prompt="one"), "modest")
    jobs.stop(running)
    list(jobs.watch(greedy[-1]))
    ended = {job: jobs.state(job).started or 0.0 for job in [*greedy, modest]}
    assert sorted(ended, key=lambda job: ended[job])[0] == modest


def test_the_order_can_be_changed_and_all_can_be_stopped(jobs: Jobs) -> None:
    running = slow(jobs)
    first, second = (jobs.submit(TextToImage(prompt=p)) for p in "ab")
    jobs.move_up(second)
    assert [s.id for s in jobs.line()] == [running, second, first]
    jobs.stop_all()
    list(jobs.watch(running))
    assert {jobs.state(j).state for j in (running, first, second)} == {CANCELLED}


def test_a_page_finds_its_newest_job_again(jobs: Jobs) -> None:
    assert jobs.latest("mine") is None
    jobs.submit(TextToImage(prompt="old"), "mine")
    new = jobs.submit(TextToImage(prompt="new"), "mine")
    jobs.submit(TextToImage(prompt="other"), "yours")
    latest = jobs.latest("mine")
    assert latest and latest.id == new


def test_what_was_left_is_taken_up(settings: Settings) -> None:
    with Jobs(settings, SCRIPTED) as before:
        interrupted = slow(before)
        waiting = before.submit(TextToImage(prompt="later", seed=3))
        assert before.state(interrupted).state == RUNNING
    with Jobs(settings, SCRIPTED) as after:
        until(lambda: after.state(interrupted).progress is not None)
        after.stop(interrupted)
        assert isinstance(list(after.watch(waiting))[-1], events.Finished)
        assert after.state(waiting).results[0].seed == 3


def test_a_runner_that_cannot_start_is_said(settings: Settings) -> None:
    with Jobs(settings, "engine.no_such_room:Engine") as jobs:
        _, seen = run(jobs)
        assert isinstance(seen[-1], events.Failed) and "cannot start" in seen[-1].message


def test_a_journal_that_cannot_be_written_is_said(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="journal"):
        Jobs(dataclasses.replace(settings, data=tmp_path / "file"), SCRIPTED)


def test_what_runs_is_finished_and_the_rest_waits_for_the_next_start(settings: Settings) -> None:
    with Jobs(settings, SCRIPTED) as jobs:
        running, waiting = (jobs.submit(TextToImage(prompt="script: slow", steps=2)) for _ in range(2))
        until(lambda: jobs.state(running).state != QUEUED)
        jobs.finish_running()
        assert (jobs.state(running).state, jobs.state(waiting).state) == (FINISHED, QUEUED)
    with Jobs(settings, SCRIPTED) as jobs:
        assert isinstance([*jobs.watch(waiting)][-1], events.Finished)
