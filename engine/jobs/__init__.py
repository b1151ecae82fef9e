"""Jobs: a durable queue, and the worker process that makes the images. Only the worker imports torch."""

from __future__ import annotations

from engine.jobs.journal import JobState
from engine.jobs.queue import Jobs
from engine.jobs.single_instance import claim

__all__ = ["JobState", "Jobs", "claim"]
