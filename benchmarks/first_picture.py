"""How long an image takes with the starter: from the press of Generate to the file, for the first and for later ones."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

from engine import Jobs, Settings, TextToImage
from engine.events import ImageSaved

ROUNDS = 8


def main() -> None:
    """Print seconds from submitting a request to its saved file: the first with a cold worker, then the median of more."""
    with tempfile.TemporaryDirectory() as folder:
        settings = dataclasses.replace(Settings(), data=Path(folder) / "data", outputs=Path(folder) / "outputs")
        start = time.perf_counter()
        with Jobs(settings) as jobs:
            measure_seconds_to_file(jobs, seed=0)
            first = time.perf_counter() - start
            later = [measure_seconds_to_file(jobs, seed=seed) for seed in range(1, ROUNDS + 1)]
    print(f"first picture, worker start and loading included: {first:.2f} s")
    print(f"following pictures: median {statistics.median(later):.2f} s, slowest {max(later):.2f} s, of {ROUNDS}")


def measure_seconds_to_file(jobs: Jobs, seed: int) -> float:
    """Seconds until the image of ``seed`` is on disk."""
    start = time.perf_counter()
    for event in jobs.watch(jobs.submit(TextToImage(prompt="a cat on the beach", seed=seed))):
        if isinstance(event, ImageSaved):
            return time.perf_counter() - start
    raise RuntimeError("the job ended without a picture")


if __name__ == "__main__":
    main()
