from __future__ import annotations

from itertools import combinations
from time import process_time

import numpy as np
import pytest
from PIL import Image

from training.drawing.backgrounds import BACKGROUND_BY_NAME, BACKGROUNDS, paint_two_planes
from training.drawing.canvas import Canvas

PAINTED = [background for background in BACKGROUNDS if background.paint]
NEAR = [background.name for background in BACKGROUNDS if background.near]
FAR = [background.name for background in BACKGROUNDS if background.far]


def painted(name: str, seed: int, side: int = 64) -> np.ndarray:
    paint = BACKGROUND_BY_NAME[name].paint
    assert paint
    return np.asarray(paint(side, np.random.default_rng(seed)))


def small(name: str, seed: int) -> np.ndarray:
    """What a glance sees: 8 x 8 colours."""
    return np.asarray(Image.fromarray(painted(name, seed)).resize((8, 8), Image.Resampling.BOX)).astype(float)


def test_there_are_thirty_and_every_word_means_one_of_them() -> None:
    assert len(BACKGROUNDS) >= 30
    words = [word for background in BACKGROUNDS for word in background.words]
    assert len(set(words)) == len(words) and all(word == word.lower() for word in words)
    assert [background.name for background in BACKGROUNDS if background.paint is None] == ["plain"]


@pytest.mark.parametrize("name", [background.name for background in PAINTED])
def test_a_seed_paints_the_same_bytes_and_another_seed_others(name: str) -> None:
    first, again, other = painted(name, 1), painted(name, 1), painted(name, 2)
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other.astype(int)).mean() > 4


def test_every_two_backgrounds_differ_at_a_glance() -> None:
    glances = {background.name: np.mean([small(background.name, seed) for seed in range(4)], axis=0) for background in PAINTED}
    apart = {(a, b): np.abs(glances[a] - glances[b]).mean() for a, b in combinations(glances, 2)}
    closest = min(apart, key=lambda pair: apart[pair])
    assert apart[closest] > 8, (closest, apart[closest])


@pytest.mark.parametrize("name", [row.name for row in BACKGROUNDS if row.front and row.ground != "water"])
def test_a_front_covers_all_below_its_horizon(name: str) -> None:
    """Else what stands behind it in an image of two planes would show through its ground. (Water mirrors it.)"""
    background = BACKGROUND_BY_NAME[name]
    assert background.front
    for seed in range(4):
        canvas = Canvas(64, np.random.default_rng(seed))
        canvas.fill(0, 1, (255, 0, 255), (255, 0, 255))
        background.front(canvas)
        ground = np.asarray(canvas.finish())[round((background.horizon + 0.03) * 64) :]
        assert not (ground == (255, 0, 255)).all(-1).any()


def test_where_things_stand_is_said_of_every_background() -> None:
    for background in BACKGROUNDS:
        assert background.ground in ("land", "water", "floor", "none")
        assert (background.horizon == 1.0) == (background.ground == "none")
        assert not background.near or background.front
        assert not background.far or background.outdoors
    assert len(NEAR) >= 8 and {"metropolis", "mountains", "forest", "castle hill"} <= set(FAR)


@pytest.mark.parametrize("near", NEAR)
def test_two_planes_show_the_far_one_above_and_the_near_one_below(near: str) -> None:
    pictures = [np.asarray(paint_two_planes(near, far, 64, np.random.default_rng(5))).astype(int) for far in FAR]
    line = round(BACKGROUND_BY_NAME[near].horizon * 64)
    for one, other in combinations(pictures, 2):
        assert np.abs(one[:line] - other[:line]).mean() > 5
    if BACKGROUND_BY_NAME[near].ground == "land":
        assert all(np.array_equal(picture[line + 8 :], pictures[0][line + 8 :]) for picture in pictures)


def test_a_picture_of_256_takes_milliseconds() -> None:
    """Sixteen cores have to feed a GPU: about 3 ms each, and this fails when something grew ten times slower."""
    for background in PAINTED:
        painted(background.name, 0, 256)
    start = process_time()
    for background in PAINTED:
        painted(background.name, 0, 256)
    assert (process_time() - start) / len(PAINTED) < 0.03
