from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from PIL import Image, ImageDraw

from training.drawing.styles import STYLE_BY_NAME, STYLE_NAMES, STYLES

SIDE = 128
THING = (slice(40, 104), slice(32, 96))


@lru_cache(maxsize=8)
def _picture(side: int, thing: bool = True) -> Image.Image:
    """A red ball with an eye on a meadow under a blue sky."""
    rows = np.linspace(0, 1, side)[:, None, None]
    sky = np.broadcast_to(np.asarray((90, 160, 240)) * (1 - rows) + np.asarray((220, 240, 250)) * rows, (side, side, 3))
    picture = Image.fromarray(sky.astype(np.uint8), "RGB")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0.6 * side, side, side), fill=(90, 165, 60))
    if thing:
        draw.ellipse((0.25 * side, 0.31 * side, 0.75 * side, 0.81 * side), fill=(215, 60, 45))
        draw.ellipse((0.42 * side, 0.42 * side, 0.52 * side, 0.52 * side), fill=(20, 20, 25))
    return picture


def _styled(name: str, side: int = SIDE, seed: int = 4, thing: bool = True) -> np.ndarray:
    styled = STYLE_BY_NAME[name].apply(_picture(side, thing), np.random.default_rng(seed))
    assert styled.mode == "RGB"
    return np.asarray(styled).astype(int)


def test_there_are_enough_styles_and_every_word_means_one() -> None:
    assert len(STYLES) >= 12
    words = [word for style in STYLES for word in style.words]
    assert len(set(words)) == len(words) and all(word == word.lower() for word in words)
    phrases = [phrase for style in STYLES for phrase in style.phrases]
    assert len(set(phrases)) == len(phrases) and all(phrase.count("{scene}") == 1 for phrase in phrases)
    assert all(len(style.words) >= 2 and len(style.phrases) >= 4 for style in STYLES[1:])


def test_the_first_style_is_the_drawing_itself_and_has_no_words() -> None:
    assert STYLES[0].name == "drawn" and not STYLES[0].words and not STYLES[0].phrases
    assert np.array_equal(_styled("drawn"), np.asarray(_picture(SIDE)))


@pytest.mark.parametrize("name", STYLE_NAMES)
@pytest.mark.parametrize("side", [48, 91])
def test_a_style_draws_any_side_and_the_same_bytes_for_the_same_seed(name: str, side: int) -> None:
    before = _picture(side).tobytes()
    first, again = _styled(name, side), _styled(name, side)
    assert first.shape == (side, side, 3)
    assert np.array_equal(first, again)
    assert _picture(side).tobytes() == before


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_each_style_can_be_told_from_the_others(name: str) -> None:
    mine = _styled(name)
    assert min(np.abs(mine - _styled(other)).mean() for other in STYLE_NAMES if other != name) > 12


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_a_style_shows_the_thing_where_it_stands_and_the_horizon(name: str) -> None:
    bare = _styled(name, thing=False)
    change = np.abs(_styled(name) - bare).max(-1)
    elsewhere = np.ones((SIDE, SIDE), bool)
    elsewhere[36:108, 28:100] = False
    assert change[THING].mean() > 12
    assert change[THING].mean() > 4 * change[elsewhere].mean()
    assert (
        np.abs(bare[20:60].mean((0, 1)) - bare[85:125].mean((0, 1))).max() > 2 or np.ptp(bare[72:82].mean(1), axis=0).max() > 25
    )


LOOKS: dict[str, Callable[[np.ndarray], bool]] = {
    "pencil sketch": lambda seen: np.ptp(seen, axis=-1).max() < 12 and seen.mean() > 200,
    "ink drawing": lambda seen: bool((np.ptp(seen, axis=-1) < 40).all()) and (seen.max(-1) < 60).mean() > 0.03,
    "pixel art": lambda seen: len(np.unique(seen.reshape(-1, 3), axis=0)) <= 16,
    "stained glass": lambda seen: 0.04 < (seen.max(-1) < 70).mean() < 0.4,
    "neon": lambda seen: np.median(seen.max(-1)) < 40 and (seen.max(-1) > 240).mean() > 0.02,
    "black and white": lambda seen: not np.ptp(seen, axis=-1).any() and np.ptp(seen) > 150,
    "blueprint": lambda seen: ((seen[..., 2] - seen[..., 0]) > 60).mean() > 0.6 and (seen.min(-1) > 200).mean() > 0.01,
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_style_looks_as_its_name_says(name: str) -> None:
    assert LOOKS[name](_styled(name))


@pytest.mark.parametrize("name", ["oil painting", "abstract", "watercolor", "stained glass", "mosaic"])
def test_another_seed_lays_the_paint_otherwise(name: str) -> None:
    assert np.abs(_styled(name, seed=4) - _styled(name, seed=7)).mean() > 1
