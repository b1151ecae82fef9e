"""The ids of jobs, which are part of their images' file names. They sort in the order of submission, whatever the clock does."""

from __future__ import annotations

import re
import secrets

_ID = re.compile(r"j(?P<milliseconds>[0-9a-f]{11})[0-9a-f]{4}(-|$)")
_LAST = 16**11 - 1


def create_job_id(latest: str, now: float) -> str:
    """A new id that sorts after ``latest``, the newest id so far or "". ``now`` is in seconds since 1970."""
    wanted = int(min(max(now, 0.0) * 1000, _LAST))
    match = _ID.match(latest)
    after = int(match["milliseconds"], 16) + 1 if match else 0
    return f"j{min(max(wanted, after), _LAST):011x}{secrets.token_hex(2)}"


def read_submission_time(job: str) -> float | None:
    """When a job was submitted, in seconds since 1970, later than all earlier jobs; None for an id of an earlier version."""
    match = _ID.match(job)
    return int(match["milliseconds"], 16) / 1000 if match else None
