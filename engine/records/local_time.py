"""Timestamps as local dates, also those outside the range of :class:`datetime.datetime`."""

from __future__ import annotations

import math
from datetime import datetime

_FIRST, _LAST = datetime(1, 1, 2), datetime(9999, 12, 30)
"""The first and last date that exist in every time zone."""


def to_local_time(seconds: float) -> datetime:
    """``seconds`` since 1970 as local time, clamped to the dates that can be represented."""
    try:
        return datetime.fromtimestamp(seconds)
    except (ValueError, OverflowError, OSError):
        return _LAST if math.isnan(seconds) or seconds > 0 else _FIRST


def to_day(seconds: float) -> str:
    """The local date as ``YYYY-MM-DD``."""
    return to_local_time(seconds).date().isoformat()
