from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from training.drawing.drawn import SHAPES
from training.drawing.glyphs import draw_glyph, find_glyph_name
from training.drawing.palette import COLOURS
from training.drawing.thing import KINDS, PLACES
from training.drawing.things import THING_BY_NAME, THINGS, draw_thing, pluralise, takes_article


def test_there_is_enough_to_draw() -> None:
    assert len(THINGS) >= 390 and len(COLOURS) == 12
    assert sum(thing.recolour for thing in THINGS) >= 60
    assert THING_BY_NAME["paintbrush"].words == ("paintbrush", "paint brush", "brush")


def test_every_word_and_every_plural_means_one_thing_and_is_plain_english() -> None:
    forms = Counter(form for thing in THINGS for form in {form for word in thing.words for form in (word, pluralise(word))})
    assert [form for form, count in forms.items() if count > 1] == []
    assert [form for form in forms if not re.fullmatch(r"[a-z]+( [a-z]+)*", form)] == []


def test_no_word_of_a_thing_is_a_colour() -> None:
    assert not {word for thing in THINGS for word in thing.words} & {*COLOURS, "grey"}


def test_every_row_can_be_drawn_and_no_drawing_serves_twice() -> None:
    for thing in THINGS:
        assert thing.kind in KINDS and thing.place in PLACES and 0.35 <= thing.scale <= 1, thing.name
        assert thing.top is None or 0 <= thing.top < 1, thing.name
        assert thing.top is not None or thing.place != "surface", thing.name
        if thing.drawing not in SHAPES:
            assert all(find_glyph_name(part) for part in thing.drawing.split())
    assert max(Counter(thing.drawing for thing in THINGS).values()) == 1
    assert set(SHAPES) <= {thing.drawing for thing in THINGS}


def test_a_glyph_of_several_code_points_is_one_picture_and_not_its_first_part() -> None:
    farmer, person = draw_glyph("🧑‍🌾"), draw_glyph("🧑")
    assert farmer.size == person.size
    assert np.abs(np.asarray(farmer, int) - np.asarray(person, int)).mean() > 5


@pytest.mark.parametrize("missing", ["🧑🌾", "中", "🧑‍🐈"])
def test_what_the_font_has_no_single_picture_for_is_refused(missing: str) -> None:
    with pytest.raises(ValueError, match="no picture"):
        draw_glyph(missing)


@pytest.mark.parametrize("name", ["farmer", "cat", "branch", "people dancing", "hello world", "picture", "skyscraper"])
def test_a_tile_is_cut_to_its_outline(name: str) -> None:
    tile = draw_thing(name, None)
    assert tile.mode == "RGBA" and 90 <= max(tile.size) <= 260
    box = tile.getchannel("A").getbbox()
    assert box == (0, 0, *tile.size)


def _body(tile: Image.Image) -> np.ndarray:
    """The median colour of what is opaque."""
    pixels = np.asarray(tile, int)
    return np.median(pixels[pixels[..., 3] > 200][:, :3], axis=0)


@pytest.mark.parametrize("colour", ["blue", "red", "green", "white"])
@pytest.mark.parametrize("name", ["cat", "dog", "rabbit", "elephant", "sheep", "camel", "bird", "car", "hat", "ball", "balloon"])
def test_a_thing_in_a_colour_has_mostly_that_colour(name: str, colour: str) -> None:
    painted = _body(draw_thing(name, colour))
    nearest = min(COLOURS, key=lambda other: float(np.abs(painted - COLOURS[other]).sum()))
    assert nearest == colour


def test_every_thing_that_takes_a_colour_shows_it() -> None:
    shown: dict[tuple[str, str], float] = {}
    for thing in THINGS:
        for colour in ("red", "green", "blue") if thing.recolour else ():
            tile = np.asarray(draw_thing(thing.name, colour), int)
            solid = tile[tile[..., 3] > 200][:, :3]
            shown[thing.name, colour] = (solid.argmax(1) == np.argmax(COLOURS[colour])).mean()
    least = min(shown, key=lambda row: shown[row])
    assert shown[least] > 0.08, least
    assert np.mean([share > 0.4 for share in shown.values()]) > 0.95


def test_a_blue_cat_keeps_its_outline_and_its_eyes() -> None:
    usual, blue = (np.asarray(draw_thing("cat", colour), int) for colour in (None, "blue"))
    assert np.array_equal(usual[..., 3], blue[..., 3])
    dark = (usual[..., :3].max(-1) < 70) & (usual[..., 3] > 200)
    assert dark.sum() > 20
    assert np.abs(usual[dark] - blue[dark]).max() < 12


def test_the_eyes_of_a_black_cat_are_pale() -> None:
    usual, black = (np.asarray(draw_thing("cat", colour), int) for colour in (None, "black"))
    eyes = (usual[..., :3].max(-1) < 70) & (usual[..., 3] > 200)
    assert black[eyes][:, :3].mean() > 110


@pytest.mark.parametrize(
    ("word", "many"),
    [
        ("cat", "cats"),
        ("mouse", "mice"),
        ("paint brush", "paint brushes"),
        ("butterfly", "butterflies"),
        ("person running", "people running"),
        ("police officer", "police officers"),
        ("jar of honey", "jars of honey"),
        ("gentleman", "gentlemen"),
        ("human", "humans"),
        ("woman dancing", "women dancing"),
        ("maple leaf", "maple leaves"),
        ("sheep", "sheep"),
        ("toy", "toys"),
    ],
)
def test_plurals(word: str, many: str) -> None:
    assert pluralise(word) == many


def test_some_words_need_no_article() -> None:
    assert takes_article("cat") and takes_article("sheep")
    assert not takes_article("scissors") and not takes_article("bread")
