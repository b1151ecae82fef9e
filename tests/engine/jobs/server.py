"""Easel without its page, to be killed: the claim, the queue and the worker as app.py makes them.

Each line of standard input is a number of pictures and a prompt; "queued ID" answers it once the job is in the journal, and
"finished ID" is said when a page would show the result.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from engine.events import Finished
from engine.jobs import Jobs, claim
from engine.requests import TextToImage
from engine.settings import Settings

SIDE = 256


def serve(jobs: Jobs) -> None:
    """Until standard input ends."""
    for state in jobs.line():
        watch(jobs, state.id)
    for line in sys.stdin:
        count, _, prompt = line.strip().partition(" ")
        starter = "script" not in prompt
        size = {} if starter else {"width": SIDE, "height": SIDE}
        job = jobs.submit(TextToImage(prompt=prompt, count=int(count), steps=4, **size))
        print(f"queued {job}", flush=True)
        watch(jobs, job)


def watch(jobs: Jobs, job: str) -> None:
    """Say when the job is done."""

    def say() -> None:
        if isinstance(list(jobs.watch(job))[-1], Finished):
            print(f"finished {job}", flush=True)

    threading.Thread(target=say, daemon=True).start()


if __name__ == "__main__":
    data, outputs, runner = sys.argv[1:]
    settings = Settings(data=Path(data), outputs=Path(outputs))
    with claim(settings.data) as claimed:
        assert claimed.url is None, "another one runs on this folder"
        with Jobs(settings, runner) as opened:
            serve(opened)
