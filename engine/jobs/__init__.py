"""Jobs: a durable queue, and the worker process that makes the pictures. Free of torch; the worker's runner imports it."""

from __future__ import annotations

from engine.jobs.journal import JobState
from engine.jobs.queue import Jobs
from engine.jobs.single_instance import claim

__all__ = ["JobState", "Jobs", "claim"]
