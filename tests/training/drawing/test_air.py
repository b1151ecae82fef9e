from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from training.drawing.air import AIR_BY_NAME, SEASONS, TIMES, WEATHERS, Air, find_light
from training.drawing.backgrounds import BACKGROUND_BY_NAME, BACKGROUNDS

ROWS = (*TIMES, *SEASONS, *WEATHERS)
SEEN = [air for air in ROWS if air.name != "day"]


def village() -> Image.Image:
    paint = BACKGROUND_BY_NAME["village"].paint
    assert paint
    return paint(64, np.random.default_rng(3))


def through(air: Air, picture: Image.Image, seed: int = 7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(air.over(air.under(picture, rng), rng)).astype(int)


def test_every_word_means_one_of_them_and_no_background() -> None:
    words = [word for row in (*ROWS, *BACKGROUNDS) for word in row.words]
    assert len(set(words)) == len(words)
    assert {"fall", "autumn"} <= set(AIR_BY_NAME["autumn"].words)


@pytest.mark.parametrize("air", SEEN, ids=lambda air: air.name)
def test_it_is_clearly_visible_and_the_same_for_the_same_seed(air: Air) -> None:
    before = village()
    kept = np.array(before)
    after = through(air, before)
    assert after.shape == (64, 64, 3)
    assert np.abs(after - kept.astype(int)).mean() > 5
    assert np.array_equal(after, through(air, before)) and np.array_equal(np.asarray(before), kept)


def test_day_changes_nothing() -> None:
    assert np.array_equal(through(AIR_BY_NAME["day"], village()), np.asarray(village()))


def test_every_two_look_different() -> None:
    pictures = {air.name: through(air, village()) for air in ROWS}
    apart = {(a, b): np.abs(pictures[a] - pictures[b]).mean() for a, b in combinations(pictures, 2)}
    closest = min(apart, key=lambda pair: apart[pair])
    assert apart[closest] > 4, (closest, apart[closest])


@pytest.mark.parametrize("air", SEEN, ids=lambda air: air.name)
@pytest.mark.parametrize("colour", [0, 1, 2], ids=["red", "green", "blue"])
def test_a_thing_under_it_can_be_seen_and_keeps_its_hue(air: Air, colour: int) -> None:
    rgb = [60, 60, 60]
    rgb[colour] = 210
    picture = air.under(village(), np.random.default_rng(7)).copy()
    ImageDraw.Draw(picture).ellipse((20, 28, 44, 52), fill=tuple(rgb))
    after = np.asarray(air.over(picture, np.random.default_rng(7))).astype(int)
    inside = np.median(after[34:46, 26:38].reshape(-1, 3), axis=0)
    if air.name != "sunset":  # its light is so red that blue turns violet
        assert inside.argmax() == colour
    around = np.median(after[30:60, :16].reshape(-1, 3), axis=0)
    assert np.abs(inside - around).max() > 12


def test_night_is_dark_fog_is_pale_and_autumn_is_not_green() -> None:
    plain = np.asarray(village()).astype(int)
    assert through(AIR_BY_NAME["night"], village()).mean() < 0.6 * plain.mean()
    assert through(AIR_BY_NAME["fog"], village()).std() < 0.6 * plain.std()
    ground = through(AIR_BY_NAME["autumn"], village())[52:].mean((0, 1))
    assert ground[0] > ground[1] > ground[2] and plain[52:].mean((0, 1)).argmax() == 1


def test_shadows_fall_away_from_the_sun() -> None:
    assert find_light("morning")[0] > 0 > find_light("sunset")[0]
    assert find_light(None) == find_light("day")
    assert all(0 < find_light(time.name)[2] <= 1 for time in TIMES)
