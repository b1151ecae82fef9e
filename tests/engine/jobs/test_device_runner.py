"""Several devices, one queue: over real worker processes that run the scripted engine."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time

import pytest

from engine import events
from engine.descriptions import FreedMemory
from engine.errors import CancelledError
from engine.jobs import Jobs
from engine.jobs.watchdog import TimeLimits
from engine.jobs.worker import Ready, Worker
from engine.requests import TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from engine.testing import ScriptedEngine
from tests.engine.jobs.conftest import PATIENT_SECONDS, SCRIPTED, until


class TwoCards(ScriptedEngine):
    """A machine with two cards, of which the first was chosen."""

    def devices(self) -> tuple[str, ...]:
        return ("cuda:1", "cuda:0") if self._settings.device == "cuda:1" else ("cuda:0", "cuda:1")


class OneCardOfTwo(ScriptedEngine):
    """A machine with two cards, of which the second does not work: its worker took the first."""

    def devices(self) -> tuple[str, ...]:
        return ("cuda:0", "cuda:1")


class Resting(ScriptedEngine):
    """Has work for idle times that ends only when it must give way."""

    def rest(self, seconds: float, stop: Stop) -> float | None:
        with (self._settings.data / "rests").open("a") as notes:
            notes.write("began\n")
        while not stop.is_set():
            time.sleep(0.01)
        raise CancelledError


class Due(ScriptedEngine):
    """Has three things to do while there is no job, one after the other."""

    left = 3

    def rest(self, seconds: float, stop: Stop) -> float | None:
        with (self._settings.data / "rests").open("a") as notes:
            notes.write("done\n")
        self.left -= 1
        return seconds + 0.1 if self.left else None


def count_rests(settings: Settings) -> int:
    path = settings.data / "rests"
    return path.read_text().count("\n") if path.exists() else 0


def run_both(jobs: Jobs) -> None:
    """Two slow jobs, which end only when they are stopped, are in the middle of their steps at once; a third waits."""
    first, second, third = (jobs.submit(TextToImage(prompt="script: slow", steps=steps)) for steps in (1000, 1000, 3))
    until(lambda: all(jobs.state(job).progress for job in (first, second)))
    assert [state.id for state in jobs.line()] == [first, second, third] and not jobs.state(third).attempt
    jobs.stop(second)
    assert isinstance(list(jobs.watch(second))[-1], events.Cancelled)
    assert isinstance(list(jobs.watch(third))[-1], events.Finished)
    assert jobs.state(first).progress
    jobs.stop(first)
    assert isinstance(list(jobs.watch(first))[-1], events.Cancelled)


def test_two_devices_that_were_named_work_at_once(settings: Settings) -> None:
    with Jobs(dataclasses.replace(settings, device="one, two"), SCRIPTED) as jobs:
        assert jobs.devices == ("one", "two")
        run_both(jobs)


def test_a_second_card_gets_a_worker_of_its_own(settings: Settings) -> None:
    with Jobs(settings, f"{__name__}:TwoCards") as jobs:
        until(lambda: jobs.devices == ("auto", "cuda:1"))
        run_both(jobs)


def test_a_worker_whose_card_does_not_work_leaves_the_jobs_to_the_other(settings: Settings) -> None:
    with Jobs(settings, f"{__name__}:OneCardOfTwo") as jobs:
        until(lambda: jobs.describe() is not None and jobs.devices == ("auto",))
        job = jobs.submit(TextToImage(prompt="a cat", steps=2))
        assert isinstance(list(jobs.watch(job))[-1], events.Finished)


def test_a_question_is_answered_between_jobs_and_waits_for_no_longer_than_it_is_told(jobs: Jobs) -> None:
    request = TextToImage(checkpoint="any")
    until(lambda: jobs.describe() is not None)
    here = jobs.describe_run(request, seconds=PATIENT_SECONDS)
    assert here is not None and here.environment["torch"] == "none"
    job = jobs.submit(TextToImage(prompt="script: slow", steps=40))
    until(lambda: jobs.state(job).progress)
    assert jobs.describe_run(request, seconds=0.2) is None


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill with any signal ends a process there")
def test_ctrl_c_and_a_closed_terminal_do_not_reach_a_worker_from_the_moment_it_starts(settings: Settings) -> None:
    worker = Worker(settings, SCRIPTED)
    assert worker.pid is not None
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(worker.pid, number)
    assert isinstance(worker.receive(PATIENT_SECONDS), Ready)
    worker.close()


def test_a_worker_that_does_not_heed_stop_is_ended(settings: Settings) -> None:
    with Jobs(settings, SCRIPTED, TimeLimits(stop=0.5)) as jobs:
        job = jobs.submit(TextToImage(prompt="script: hang"))
        until(lambda: jobs.state(job).progress)
        jobs.stop(job)
        assert isinstance(list(jobs.watch(job))[-1], events.Cancelled)
        after = jobs.submit(TextToImage(prompt="a cat"))
        assert isinstance(list(jobs.watch(after))[-1], events.Finished)


def test_work_for_idle_times_gives_way_to_whatever_comes_and_is_taken_up_again(settings: Settings) -> None:
    with Jobs(settings, f"{__name__}:Resting") as jobs:
        until(lambda: count_rests(settings) == 1)
        assert isinstance(list(jobs.watch(jobs.submit(TextToImage(prompt="a cat"))))[-1], events.Finished)
        until(lambda: count_rests(settings) == 2)
        assert jobs.describe_run(TextToImage(checkpoint="any"), seconds=PATIENT_SECONDS) is not None
        until(lambda: count_rests(settings) == 3)
        assert jobs.free_memory(PATIENT_SECONDS) is not None


def test_an_engine_is_asked_again_when_it_said_that_something_is_due(settings: Settings) -> None:
    with Jobs(settings, f"{__name__}:Due") as jobs:
        until(lambda: count_rests(settings) == 3)
        assert isinstance(list(jobs.watch(jobs.submit(TextToImage(prompt="a cat"))))[-1], events.Finished)


def test_memory_is_freed_on_every_device_and_after_the_job_of_one_that_is_busy(settings: Settings) -> None:
    with Jobs(dataclasses.replace(settings, device="one, two"), SCRIPTED) as jobs:
        assert jobs.free_memory(PATIENT_SECONDS) == FreedMemory(ram=2 * 2**30, checkpoints=("scripted",))
        job = jobs.submit(TextToImage(prompt="script: slow", steps=1000))
        until(lambda: jobs.state(job).progress)
        assert jobs.free_memory(0.2) is None
        jobs.stop(job)
        assert isinstance(list(jobs.watch(job))[-1], events.Cancelled)
        assert jobs.free_memory(PATIENT_SECONDS) is not None
