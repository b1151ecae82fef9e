"""The two distances that benchmarks print."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.perceptual import gmsd, psnr


@pytest.fixture
def picture() -> np.ndarray:
    """Smooth waves with a few hard edges."""
    y, x = np.mgrid[0:64, 0:64]
    waves = 127 + 60 * np.sin(x / 5) * np.cos(y / 7)
    waves[20:40, 20:40] = 230
    return np.repeat(waves[:, :, None], 3, axis=2)


def noisy(picture: np.ndarray, strength: float) -> np.ndarray:
    return picture + np.random.default_rng(1).normal(0, strength, picture.shape)


def test_equal_pictures_have_no_distance(picture: np.ndarray) -> None:
    assert gmsd(picture, picture) == 0
    assert psnr(picture, picture) == float("inf")


def test_decibels_are_those_of_the_mean_squared_error(picture: np.ndarray) -> None:
    assert psnr(picture + 25.5, picture) == pytest.approx(20)


def test_more_noise_is_farther(picture: np.ndarray) -> None:
    distances = [gmsd(noisy(picture, strength), picture) for strength in (2, 8, 32)]
    assert 0 < distances[0] < distances[1] < distances[2] < 0.4


def test_an_eye_minds_moved_edges_more_than_another_brightness(picture: np.ndarray) -> None:
    brighter, moved = picture + 10, np.roll(picture, 4, axis=1)
    assert gmsd(brighter, picture) < 0.01 < gmsd(moved, picture)
