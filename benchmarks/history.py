"""The speed of the history with ten thousand images: first scan, later scans, first page, search, thumbnails."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from engine.records import favourites, outputs
from engine.records.history import History, Search
from engine.requests import ExecutionPlan, Resolved, TextToImage

IMAGES = 10_000
DAYS = 50
MARKED = 100
PAGE = 60
ROUNDS = 9
SIDE = 512

WORDS = ("a cat on the beach", "two penguins in the snow", "a castle at night", "a red barn in fog")


def main() -> None:
    """Print seconds and milliseconds for what the History tab does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "outputs")
        history = History(folder / "outputs", folder / "data")
        first, again = (measure_seconds(lambda: list(history.refresh())) for _ in range(2))
        print(f"{history.count(Search()):,} pictures, each file with its record; medians of {ROUNDS}")
        print(f"the index from nothing, once: {first:.1f} s; looking at the folder again: {again * 1000:.0f} ms")
        asked = {
            "the first page": Search(), "search for two words": Search(words="penguins snow"),
            "one checkpoint": Search(checkpoint="dreamy"), "favourites": Search(favourites=True),
        }  # fmt: skip
        for what, search in asked.items():
            print(f"{what}: {measure_median_ms(lambda s=search: look(history, s)):.1f} ms ({history.count(search):,} fit)")
        print(f"the last page: {measure_median_ms(lambda: history.find(Search(), IMAGES - PAGE, PAGE)):.1f} ms")
        time_thumbnails(history, folder / "outputs")
        history.close()


def fill(folder: Path, images: int = IMAGES, side: int = SIDE) -> None:
    """One real image for each prompt, copied to different file names over many days, ``images`` in all."""
    for number, words in enumerate(WORDS):
        request = TextToImage(prompt=words, seed=number, width=side, height=side, checkpoint=("starter", "dreamy")[number % 2])
        resolved = Resolved(request=request, plan=ExecutionPlan(), threads=1)
        image = Image.effect_noise((side, side), 60).convert("RGB")
        made = outputs.save(image, resolved, outputs=folder, job=f"job{number}", index=0)
        for copy in range(number, images - len(WORDS), len(WORDS)):
            day = folder / f"2026-{copy % DAYS // 28 + 1:02d}-{copy % DAYS % 28 + 1:02d}"
            day.mkdir(exist_ok=True)
            shutil.copyfile(made, day / f"120000-copy{copy}-0-{copy}.png")
    marked = (f"120000-copy{copy}-0-{copy}.png\n" for copy in range(MARKED))
    (folder / favourites.FILE).write_text("".join(marked), "utf-8")


def look(history: History, search: Search) -> None:
    """Run the queries of one change in the search field."""
    history.count(search)
    history.find(search, 0, PAGE)


def time_thumbnails(history: History, folder: Path) -> None:
    """Print the time of a page of thumbnails for the first time and from the cache."""
    page = [folder / entry.name for entry in history.find(Search(), 0, PAGE)]
    made, found = (measure_seconds(lambda: [history.thumbnails.of(path) for path in page]) for _ in range(2))
    print(f"{PAGE} thumbnails of {SIDE} x {SIDE}: made in {made * 1000:.0f} ms, found again in {found * 1000:.0f} ms")


def measure_seconds(work: Callable[[], object]) -> float:
    """The seconds that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_median_ms(work: Callable[[], object]) -> float:
    """The median in milliseconds, after one warm-up round."""
    work()
    return 1000 * statistics.median(measure_seconds(work) for _ in range(ROUNDS))


if __name__ == "__main__":
    main()
