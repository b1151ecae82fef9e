"""Points in time as local dates, also those that no date can express."""

from __future__ import annotations

import math
from datetime import datetime

_FIRST, _LAST = datetime(1, 1, 2), datetime(9999, 12, 30)
"""What still is a date in every time zone."""


def to_local_time(seconds: float) -> datetime:
    """``seconds`` since 1970 as a local time; the first or the last date where there is none so far away."""
    try:
        return datetime.fromtimestamp(seconds)
    except (ValueError, OverflowError, OSError):
        return _LAST if math.isnan(seconds) or seconds > 0 else _FIRST


def to_day(seconds: float) -> str:
    """The local date as ``YYYY-MM-DD``."""
    return to_local_time(seconds).date().isoformat()
