"""How soon Stop takes effect: while a full-size Stable Diffusion 1.5 checkpoint loads, and in the middle of its steps."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.full_size import write_checkpoint
from engine import Jobs, Settings, TextToImage
from engine.events import Event, Loading, Step

REQUEST = TextToImage(prompt="a cat", steps=50, width=512, height=512, seed=0)
ROUNDS = 6


def main() -> None:
    """Print the duration of a step, and the seconds from Stop to the end of the job in each situation."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_checkpoint(folder / "models" / "full-size")
        settings = dataclasses.replace(Settings(), models=folder / "models", data=folder / "data", outputs=folder / "outputs")
        with Jobs(settings) as jobs:
            loading = [time_stop(jobs, Loading, wait) for wait in (0.2, 1.0, 2.0)]
            step = measure_step(jobs)
            steps = [time_stop(jobs, Step, step * (place + 0.5) / ROUNDS) for place in range(ROUNDS)]
    print(f"a guided step at 512 x 512 takes {step:.2f} s")
    for where, seconds in {"while loading": loading, "inside a step": steps}.items():
        print(f"stopped {where}: median {statistics.median(seconds):.2f} s, slowest {max(seconds):.2f} s, of {len(seconds)}")


def measure_step(jobs: Jobs) -> float:
    """Seconds between the first and the third step, halved."""
    job, seen = jobs.submit(REQUEST), []
    for event in jobs.watch(job):
        if isinstance(event, Step):
            seen.append(time.perf_counter())
            if len(seen) == 3:
                jobs.stop(job)
    return (seen[2] - seen[0]) / 2


def time_stop(jobs: Jobs, at: type[Event], wait: float) -> float:
    """Seconds from Stop, requested ``wait`` seconds after the job's first event of kind ``at``, until the job has ended."""
    job, pressed = jobs.submit(REQUEST), 0.0
    for event in jobs.watch(job):
        if isinstance(event, at) and not pressed:
            time.sleep(wait)
            pressed = time.perf_counter()
            jobs.stop(job)
    return time.perf_counter() - pressed


if __name__ == "__main__":
    main()
