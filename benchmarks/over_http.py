"""How long a starter picture takes over HTTP, beside the same job submitted in Python: in turns, so that both meet what else
the machine does."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from engine import Jobs, Settings, TextToImage
from ui.server.serve import serve

ROUNDS = 20
MOST, GOAL = 1.10, 1.05
"""How many times as long a picture over HTTP may take, and should take."""

PROMPT = "a cat on the beach"


def main() -> None:
    """Print the medians and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = dataclasses.replace(Settings(), data=folder / "data", outputs=folder / "outputs")
        with (
            Jobs(settings) as jobs,
            serve(settings, jobs, port=0) as studio,
            httpx.Client(base_url=studio.url, timeout=600) as http,
        ):
            medians = compare(lambda seed: submit(jobs, seed), lambda seed: post(http, seed), ROUNDS)
    ratio = medians[1] / medians[0]
    print(
        f"starter picture, median of {ROUNDS} in turns: in Python {medians[0]:.3f} s, over HTTP {medians[1]:.3f} s, "
        f"{ratio:.3f} times (at most {MOST:.2f}, goal {GOAL:.2f})"
    )


def compare(first: Callable[[int], None], second: Callable[[int], None], rounds: int) -> tuple[float, float]:
    """The median seconds of each, after one turn that does not count."""
    taken = [(_time(first, seed), _time(second, seed)) for seed in range(rounds + 1)][1:]
    return statistics.median(each[0] for each in taken), statistics.median(each[1] for each in taken)


def submit(jobs: Jobs, seed: int) -> None:
    """Make a picture through the queue, and read its file, as a client gets it."""
    job = jobs.submit(TextToImage(prompt=PROMPT, seed=seed))
    for _ in jobs.watch(job):
        pass
    (result,) = jobs.state(job).results
    result.path.read_bytes()


def post(http: httpx.Client, seed: int) -> None:
    """Make the same picture through A1111's API."""
    http.post("/sdapi/v1/txt2img", json={"prompt": PROMPT, "seed": seed}).raise_for_status()


def _time(make: Callable[[int], None], seed: int) -> float:
    start = time.perf_counter()
    make(seed)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
