"""A program for tests: runs the real page and the real engine in the given folder, with one request of each kind.

A captioner is expected in its folder ``models``.
"""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

import engine.preferences as preferences
from engine import Jobs, Settings
from engine.events import Described, ImageSaved
from engine.records.blobs import Blobs
from engine.requests import CompareNegative, DescribeImage, ImageToImage, Request, StudyNegative, TextToImage, Upscale
from ui.server.serve import serve

OPTIONAL = ("openvino", "fontTools", "skimage")
"""Imported by the optional dependencies in pyproject.toml."""


def requests(blobs: Blobs) -> Iterator[Request]:
    """One request of each kind, as small as possible."""
    image = blobs.put(Image.linear_gradient("L").convert("RGB").resize((64, 64)))
    prompt, negative_prompt, size = "a red balloon", "blue, green", 64
    yield TextToImage(prompt=prompt, steps=2, seed=1, width=size, height=size)
    yield ImageToImage(prompt=prompt, steps=2, seed=1, width=size, height=size, init_image=image)
    yield CompareNegative(prompt=prompt, negative_prompt=negative_prompt, steps=2, seed=1, width=size, height=size)
    yield StudyNegative(prompt=prompt, negative_prompt=negative_prompt, steps=2, seed=1, width=size, height=size)
    yield Upscale(images=(image,), factor=2.0)
    yield DescribeImage(image=image)


def main(folder: Path) -> None:
    settings = Settings(data=folder / "data", outputs=folder / "outputs")
    preferences.write(settings.data, preferences.Preferences(extra_models=(str(folder / "models"),)))
    with Jobs(settings) as jobs, serve(settings, jobs, port=0) as studio:
        urllib.request.urlopen(studio.url, timeout=60).close()
        for request in requests(Blobs(settings.data / "blobs")):
            made = sum(isinstance(event, ImageSaved | Described) for event in jobs.watch(jobs.submit(request)))
            print(type(request).__name__, made, flush=True)
    for name in OPTIONAL:
        if find_spec(name):
            import_module(name)
            print(name, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
