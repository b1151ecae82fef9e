"""Estimates how long the queue will take, from the times of the newest images."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from engine.jobs.journal import JobState
from engine.requests import Request, size_of


def estimate_ends(line: Iterable[JobState], finished: Iterable[JobState], workers: int) -> list[float | None]:
    """Seconds until each job of ``line`` has ended, with ``workers`` workers; None from the first on for which that is unknown.

    A running job reports its own remaining time. One that waits is estimated from its size and steps, at the median speed of
    the images in ``finished``.
    """
    speeds = [result.seconds / _work(job.request) for job in finished for result in job.results if result.seconds > 0]
    speed = statistics.median(speeds) if speeds else None
    ends: list[float | None] = []
    total: float | None = 0.0
    for job in line:
        needed = _estimate_job(job, speed)
        total = None if total is None or needed is None else total + needed
        ends.append(None if total is None else total / workers)
    return ends


def _estimate_job(job: JobState, speed: float | None) -> float | None:
    if job.progress is not None and job.progress.seconds_left is not None:
        return job.progress.seconds_left
    return None if speed is None else speed * _work(job.request) * (job.request.count - len(job.results))


def _work(request: Request) -> float:
    """Steps times megapixels of one image; with usual values for open fields."""
    width, height = size_of(request) or (512, 512)
    return (request.steps or 25) * width * height / 1e6
