"""What a computer does to a worker from outside: sleep, signals, folders that move under a file that is being written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine import events
from engine.jobs import Jobs
from engine.jobs.awake_clock import LONGEST_STEP, AwakeClock
from engine.jobs.journal import SET_ASIDE
from engine.jobs.watchdog import TimeLimits, Watchdog
from engine.requests import TextToImage
from engine.storage.atomic_files import replace_file
from tests.engine.jobs.conftest import until

HOUSE = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def test_sleep_of_any_length_is_no_silence() -> None:
    time_now = [1000.0]
    clock, watchdog = AwakeClock(lambda: time_now[0]), Watchdog(TimeLimits(load=60.0))
    watchdog.start_job(clock.advance())
    for asleep in (8 * 3600.0, -3600.0, 0.5, 1e9):
        time_now[0] += asleep
        assert not watchdog.is_hung(clock.advance(), None)
    for _ in range(200):
        time_now[0] += 0.5
        clock.advance()
    assert watchdog.is_hung(clock.advance(), None), "a worker that is silent while the computer is awake hangs"
    assert clock.now < 200 * 0.5 + 5 * LONGEST_STEP


FAMILY = """
import sys
from engine.jobs import Jobs
from engine.jobs.watchdog import TimeLimits
from engine.requests import TextToImage
from engine.settings import Settings

if __name__ == "__main__":
    with Jobs(Settings(), "engine.testing:ScriptedEngine", TimeLimits(load=4.0, least=4.0, stop=4.0)) as jobs:
        job = jobs.submit(TextToImage(prompt="script: slow", steps=10))
        for event in jobs.watch(job):
            print(type(event).__name__, getattr(event, "step", ""), flush=True)
        print("attempts", jobs.state(job).attempt, flush=True)
"""


@pytest.mark.long
def test_a_family_that_is_stopped_and_goes_on_loses_no_job(tmp_path: Path) -> None:
    script = tmp_path / "family.py"
    script.write_text(FAMILY)
    started = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=HOUSE,
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
    )  # fmt: skip
    assert started.stdout is not None
    try:
        next(line for line in started.stdout if line.startswith("Step"))
        os.killpg(started.pid, signal.SIGSTOP)
        time.sleep(10)
        os.killpg(started.pid, signal.SIGCONT)
        rest = started.stdout.read()
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    assert "Finished" in rest and "attempts 1" in rest


@pytest.mark.parametrize(("number", "says"), [(signal.SIGBUS, "unplugged"), (signal.SIGSEGV, "crashed inside a library")])
def test_how_a_worker_ended_is_said(number: signal.Signals, says: str, jobs: Jobs) -> None:
    job = jobs.submit(TextToImage(prompt="script: slow", steps=1000))
    ended: set[int] = set()
    while jobs.state(job).state != SET_ASIDE:
        until(lambda: jobs.state(job).over or (jobs.state(job).progress and jobs.worker_pid not in {None, *ended}))
        if (pid := jobs.worker_pid) is not None and not jobs.state(job).over:
            os.kill(pid, number)
            ended.add(pid)
        until(lambda: jobs.state(job).over or jobs.worker_pid not in ended)
    assert len(ended) == 2 and says in jobs.state(job).error
    following = jobs.submit(TextToImage(prompt="a cat"))
    assert isinstance(list(jobs.watch(following))[-1], events.Finished)


@pytest.mark.parametrize("removed", [False, True])
def test_a_folder_that_moves_under_a_file_that_is_being_written_is_made_again(removed: bool, tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "2026-11-29"
    folder.mkdir(parents=True)
    with replace_file(folder / "a.png") as stream:
        stream.write(b"whole" * 100_000)
        if removed:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
        else:
            folder.parent.rename(tmp_path / "moved")
    assert (folder / "a.png").read_bytes() == b"whole" * 100_000
    assert [path.name for path in folder.iterdir()] == ["a.png"]
