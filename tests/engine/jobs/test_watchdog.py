from __future__ import annotations

import pytest

from engine.events import Event, Loading, Step
from engine.jobs.watchdog import TimeLimits, Watchdog

LIMITS = TimeLimits(load=100, factor=10, least=5, stop=3)


def step(number: int, steps: int = 10) -> Step:
    return Step(job="job", index=0, count=1, step=number, steps=steps)


def watch(*events: tuple[Event, float], limits: TimeLimits = LIMITS) -> Watchdog:
    """A watchdog of a job that started at 0 and sent each event at its time."""
    watchdog = Watchdog(limits)
    watchdog.start_job(0.0)
    for event, now in events:
        watchdog.hear(event, now)
    return watchdog


def test_a_silent_worker_may_load_for_as_long_as_that_takes() -> None:
    watchdog = watch()
    assert not watchdog.is_hung(100.0, None) and watchdog.is_hung(100.1, None)
    watchdog.hear(Loading(job="job", checkpoint="any", text="Loading"), 90.0)
    assert not watchdog.is_hung(190.0, None) and watchdog.is_hung(190.1, None)


@pytest.mark.parametrize("steps, limit", [(1, 100), (2, 100), (3, 20), (4, 20)])
def test_three_steps_set_the_limit_between_steps(steps: int, limit: float) -> None:
    watchdog = watch(*((step(number), 2.0 * number) for number in range(1, steps + 1)))
    assert watchdog.limit == limit
    assert not watchdog.is_hung(2.0 * steps + limit, None) and watchdog.is_hung(2.0 * steps + limit + 0.1, None)


def test_the_median_step_counts_not_a_slow_one() -> None:
    assert watch((step(1), 60.0), (step(2), 61.0), (step(3), 62.0)).limit == 10


def test_quick_steps_leave_some_time_all_the_same() -> None:
    assert watch(*((step(number), 0.1 * number) for number in range(1, 5))).limit == 5


def test_the_decode_after_the_last_step_may_take_as_long_as_loading() -> None:
    assert watch(*((step(number, steps=4), 2.0 * number) for number in range(1, 5))).limit == 100


def test_only_the_newest_fifty_steps_count() -> None:
    slow = [(step(number, steps=200), 10.0 * number) for number in range(1, 60)]
    quick = [(step(60 + number, steps=200), 590.0 + number) for number in range(1, 51)]
    assert watch(*slow).limit == 100 and watch(*slow, *quick).limit == 10


def test_a_new_job_may_load_again_and_keeps_what_was_learned() -> None:
    watchdog = watch(*((step(number), 2.0 * number) for number in range(1, 5)))
    watchdog.start_job(1000.0)
    assert watchdog.limit == 100 and not watchdog.is_hung(1100.0, None)
    watchdog.hear(step(1), 1002.0)
    assert watchdog.limit == 20


def test_a_worker_that_ignores_stop_is_hung() -> None:
    watchdog = watch()
    assert not watchdog.is_hung(10.0, 7.0) and watchdog.is_hung(10.0, 6.9) and not watchdog.is_hung(10.0, None)
