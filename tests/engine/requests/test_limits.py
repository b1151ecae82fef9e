"""The ranges of LIMITS are a promise: presets, records and jobs of earlier versions hold values up to their ends."""

from __future__ import annotations

import pytest

from engine.requests.limits import LIMITS

RANGES = {
    "width": (8, 16384),
    "height": (8, 16384),
    "steps": (1, 1000),
    "guidance_scale": (0, 100),
    "guidance_rescale": (0, 1),
    "count": (1, 1000),
    "clip_skip": (0, 11),
    "refiner_start": (0, 1),
    "strength": (0, 1),
    "feather": (0, 512),
    "padding": (0, 2048),
    "max_terms": (1, 100),
    "factor": (1, 16),
    "cleaning": (0, 1),
    "noise_level": (0, 350),
    "tile": (0, 4096),
    "threshold": (0, 1),
    "first_width": (8, 16384),
    "first_height": (8, 16384),
    "hires_steps": (1, 1000),
    "hires_guidance_scale": (0, 100),
    "hires_strength": (0, 1),
    "variation_strength": (0, 1),
}


@pytest.mark.parametrize("name", LIMITS)
def test_no_range_changes_unnoticed(name: str) -> None:
    assert (LIMITS[name].least, LIMITS[name].most) == RANGES[name]
