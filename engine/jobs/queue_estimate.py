"""Estimates how long the queue will take, from the times of the newest images."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from engine.jobs.journal import JobState
from engine.requests import Request, size_of


def estimate_seconds(line: Iterable[JobState], finished: Iterable[JobState], workers: int) -> float | None:
    """Seconds until ``workers`` workers have done everything in ``line``; None if that is unknown for a job in it.

    A running job reports its own remaining time. One that waits is estimated from its size and steps, at the median speed of
    the images in ``finished``.
    """
    speeds = [result.seconds / _work(job.request) for job in finished for result in job.results if result.seconds > 0]
    speed = statistics.median(speeds) if speeds else None
    needs = [_estimate_job(job, speed) for job in line]
    known = [seconds for seconds in needs if seconds is not None]
    return sum(known) / workers if len(known) == len(needs) else None


def _estimate_job(job: JobState, speed: float | None) -> float | None:
    if job.progress is not None and job.progress.seconds_left is not None:
        return job.progress.seconds_left
    return None if speed is None else speed * _work(job.request) * (job.request.count - len(job.results))


def _work(request: Request) -> float:
    """Steps times megapixels of one image; with usual values for open fields."""
    width, height = size_of(request) or (512, 512)
    return (request.steps or 25) * width * height / 1e6
