"""Easel without its page, to be killed: lock, queue and worker as app.py creates them.

Each line of standard input is a number of images and a prompt. A line of standard output is "ready", or a word and a job's id:
"queued" once the job is in the journal, "began" and "saved" for a step and an image, "finished" once a page shows the result.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from engine.events import Event, Finished, ImageSaved, Step
from engine.jobs import Jobs, claim
from engine.requests import TextToImage
from engine.settings import Settings

SIDE = 256
WORDS: dict[type[Event], str] = {Step: "began", ImageSaved: "saved", Finished: "finished"}


def serve(jobs: Jobs) -> None:
    """Serve until standard input ends."""
    print("ready", flush=True)
    for state in jobs.line():
        watch(jobs, state.id)
    for line in sys.stdin:
        count, _, prompt = line.strip().partition(" ")
        side = SIDE if "script" in prompt else None
        job = jobs.submit(TextToImage(prompt=prompt, count=int(count), steps=2, width=side, height=side))
        print(f"queued {job}", flush=True)
        watch(jobs, job)


def watch(jobs: Jobs, job: str) -> None:
    """Report the job's progress."""

    def say() -> None:
        for event in jobs.watch(job):
            if word := WORDS.get(type(event)):
                print(f"{word} {job}", flush=True)

    threading.Thread(target=say, daemon=True).start()


if __name__ == "__main__":
    data, outputs, runner = sys.argv[1:]
    settings = Settings(data=Path(data), outputs=Path(outputs))
    with claim(settings.data) as claimed:
        assert claimed.url is None, "another one runs on this folder"
        with Jobs(settings, runner) as opened:
            serve(opened)
