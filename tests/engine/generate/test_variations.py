"""Variation seeds: images between the noises of two seeds, recorded, recalled and submitted for one more look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.generate.denoise import draw_noise, vary_noise
from engine.jobs import Jobs
from engine.local import Local
from engine.records import metadata
from engine.records.foreign import readers
from engine.records.record import parameters
from engine.requests import ImageToImage, Request, ResolvedGeneration, TextToImage, request_at
from engine.settings import Settings
from ui.common.generate_button import VARIATIONS, ask_for_variations

Studio = tuple[Local, Settings]
SMALL: dict[str, Any] = {"prompt": "a cat", "checkpoint": "sd1", "width": 16, "height": 16, "steps": 2, "scheduler": "DDIM"}


def make(studio: Studio, asked: Request) -> list[tuple[Path, ResolvedGeneration, np.ndarray]]:
    """For each image of a request: its file, the request in its record, and the pixels."""
    made: list[tuple[Path, ResolvedGeneration, np.ndarray]] = []
    for result in studio[0].make(asked):
        record = metadata.read(result.path)
        assert record is not None and isinstance(record.resolved.request, ResolvedGeneration)
        with Image.open(result.path) as image:
            made.append((result.path, record.resolved.request, np.asarray(image.convert("RGB"))))
    return made


@pytest.mark.parametrize("strength", [0.0, 0.1, 0.5, 1.0])
def test_noise_between_two_seeds_stays_noise(strength: float) -> None:
    noise, other = (draw_noise(seed, (1, 4, 64, 64))[0] for seed in (1, 2))
    varied = vary_noise(noise, 2, strength)
    assert abs(float(varied.std()) - 1) < 0.02
    ends = {0.0: noise, 1.0: other}
    if strength in ends:
        assert torch.allclose(varied, ends[strength], atol=1e-5)
    assert torch.equal(vary_noise(noise, 1, strength), noise), "the same seed twice"


def test_variations_lie_between_the_two_seeds_and_are_made_again(studio: Studio) -> None:
    (_, _, one), (_, _, two) = (make(studio, TextToImage(seed=seed, **SMALL))[0] for seed in (1, 9))
    (_, _, end) = make(studio, TextToImage(seed=1, variation_seed=9, variation_strength=1.0, **SMALL))[0]
    assert np.abs(end.astype(int) - two.astype(int)).max() <= 1
    batch = make(studio, TextToImage(seed=1, variation_seed=9, variation_strength=0.3, count=3, **SMALL))
    assert [(request.seed, request.variation_seed) for _, request, _ in batch] == [(1, 9), (1, 10), (1, 11)]
    assert len({pixels.tobytes() for _, _, pixels in (*batch, ((), (), one))}) == 4
    for _, request, pixels in batch:
        ((_, again, same),) = make(studio, request)
        assert again == request and (same == pixels).all()


def test_four_more_like_this_keep_everything_but_the_variation(studio: Studio, tmp_path: Path) -> None:
    settings = studio[1]
    ((path, first, _),) = make(studio, TextToImage(seed=5, **SMALL))
    asked = ask_for_variations(settings.outputs, path.relative_to(settings.outputs).as_posix())
    assert (asked.count, asked.seed, asked.variation_seed) == (VARIATIONS, 5, None) and asked.variation_strength > 0
    with Jobs(Settings(data=tmp_path / "data", outputs=tmp_path / "out"), "engine.testing:ScriptedEngine") as jobs:
        drawn = jobs.state(jobs.submit(asked)).request
        assert isinstance(drawn, TextToImage) and drawn.variation_seed is not None, "a restarted job makes the same images"
    made = make(studio, asked)
    assert len({request.variation_seed for _, request, _ in made}) == VARIATIONS
    assert {request.prompt for _, request, _ in made} == {first.prompt}
    again = ask_for_variations(settings.outputs, made[0][0].relative_to(settings.outputs).as_posix())
    assert again.variation_strength == asked.variation_strength and again.variation_seed is None


def test_the_words_of_other_programs_are_written_and_read(studio: Studio) -> None:
    ((path, request, _),) = make(studio, TextToImage(seed=1, variation_seed=9, variation_strength=0.3, **SMALL))
    record = metadata.read(path)
    assert record is not None and "Variation seed: 9, Variation seed strength: 0.3" in parameters(record)
    foreign = readers.read(path)
    assert foreign is not None
    recalled, _ = readers.to_request(foreign)
    assert (
        (recalled.variation_seed, recalled.variation_strength) == (9, 0.3) == (request.variation_seed, request.variation_strength)
    )


def test_a_variation_of_a_picture_to_start_from_moves_its_own_seed_alone() -> None:
    asked = ImageToImage(init_image="a", seed=1, variation_seed=2**64 - 1, variation_strength=0.1)
    assert (asked.variation_seed, ImageToImage(init_image="a", variation_seed=-1).variation_seed) == (None, None)
    resolved = ResolvedGeneration(
        checkpoint="a", width=8, height=8, steps=1, guidance_scale=1.0, scheduler="DDIM", seed=1, clip_skip=0,
        variation_seed=7, variation_strength=0.1,
    )  # fmt: skip
    assert (request_at(resolved, 2).seed, request_at(resolved, 2).variation_seed) == (1, 9)
