"""The real engine in a worker that the system kills as it does when memory runs out: at once and silently."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

from engine.events import Event, Step
from engine.local import Local
from engine.requests import Request
from engine.stopping import Stop


class KilledOnce(Local):
    """Dies in the middle of the first attempt at each job."""

    def run(self, job: str, request: Request, stop: Stop, attempt: int = 1, *, device_was_lost: bool = False) -> Iterator[Event]:
        for event in super().run(job, request, stop, attempt, device_was_lost=device_was_lost):
            yield event
            if attempt == 1 and isinstance(event, Step):
                os.kill(os.getpid(), signal.SIGKILL)
