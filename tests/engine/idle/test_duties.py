"""What the engine does between two jobs: each thing once, when it is due, and again after the next job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import CancelledError
from engine.idle.duties import GIVE_BACK_SECONDS, Duties, Duty, unload_seconds
from engine.preferences import Preferences, write
from engine.stopping import Stop


def create_duties(folder: Path, done: list[str], **work: Callable[[Stop], None]) -> Duties:
    def do(name: str) -> Callable[[Stop], None]:
        def note(stop: Stop) -> None:
            done.append(name)
            work.get(name, lambda _stop: None)(stop)

        return note

    return Duties(folder, (
        Duty("look", lambda chosen: 10, do("look")),
        Duty("give back", lambda chosen: GIVE_BACK_SECONDS, do("give back")),
        Duty("unload", unload_seconds, do("unload")),
    ))  # fmt: skip


def test_each_duty_is_done_once_when_it_is_due_and_again_after_the_next_job(tmp_path: Path) -> None:
    done: list[str] = []
    duties = create_duties(tmp_path, done)
    assert duties.perform(0, Stop()) == 10 and done == []
    assert duties.perform(10, Stop()) == 300 and done == ["look"]
    assert duties.perform(300, Stop()) == 1800 and done == ["look", "give back"]
    assert duties.perform(1800, Stop()) is None and done == ["look", "give back", "unload"]
    assert duties.perform(9999, Stop()) is None and len(done) == 3
    duties.restart()
    assert duties.perform(9999, Stop()) is None and len(done) == 6


@pytest.mark.parametrize("minutes", [1, 90])
def test_the_setting_says_when_checkpoints_are_unloaded(minutes: int, tmp_path: Path) -> None:
    done: list[str] = []
    duties = create_duties(tmp_path, done)
    write(tmp_path, Preferences(unload_minutes=minutes))
    duties.perform(60 * minutes - 1, Stop())
    assert "unload" not in done
    duties.perform(60 * minutes, Stop())
    assert done.count("unload") == 1


def test_with_the_setting_at_zero_checkpoints_stay(tmp_path: Path) -> None:
    done: list[str] = []
    write(tmp_path, Preferences(unload_minutes=0))
    assert create_duties(tmp_path, done).perform(10**9, Stop()) is None
    assert done == ["look", "give back"]


def test_what_is_stopped_is_due_again_and_what_fails_is_said_and_waits_for_the_next_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop, done = Stop(), list[str]()

    def give_way(stop: Stop) -> None:
        stop.set()
        try:
            stop.raise_if_set()
        except CancelledError as error:
            raise RuntimeError("the tracer failed") from error  # as libraries wrap it

    def fail(_stop: Stop) -> None:
        raise RuntimeError("no such driver")

    duties = create_duties(tmp_path, done, look=give_way)
    with pytest.raises(CancelledError):
        duties.perform(10, stop)
    with pytest.raises(CancelledError):
        duties.perform(10, Stop())
    assert done == ["look", "look"]

    duties = create_duties(tmp_path, done, look=fail)
    assert duties.perform(10, Stop()) == 300
    assert duties.perform(10, Stop()) == 300 and len(done) == 3
    assert "no such driver" in capsys.readouterr().out


def test_after_a_stop_nothing_is_begun(tmp_path: Path) -> None:
    done: list[str] = []
    stop = Stop()
    stop.set()
    with pytest.raises(CancelledError):
        create_duties(tmp_path, done).perform(9999, stop)
    assert done == []
