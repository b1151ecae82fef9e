from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from training.backgrounds import BACKGROUND_NAMES, BACKGROUNDS
from training.scenes import Placed, Scene, held_out_background, held_out_pair, random_scene, render, thing_mask
from training.things import COLOURS, THING_NAMES, THINGS, thing_tile


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (render(random_scene(seed)) for seed in (5, 5, 6))
    assert first.dtype == np.uint8 and first.shape == (64, 64, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_there_is_enough_to_draw_and_every_word_means_one_thing() -> None:
    assert len(THINGS) >= 40 and len(BACKGROUNDS) >= 12
    words = [word for thing in THINGS for word in thing.words]
    words += [word for background in BACKGROUNDS for word in background.words]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("name", BACKGROUND_NAMES)
def test_each_background_can_be_told_from_the_others(name: str) -> None:
    bare = Scene(name, "purple" if name == "plain" else None, (), None, seed=3)
    mine = render(bare).astype(int)
    others = [Scene(other, "purple" if other == "plain" else None, (), None, 3) for other in BACKGROUND_NAMES if other != name]
    assert min(np.abs(mine - render(other).astype(int)).mean() for other in others) > 8


@pytest.mark.parametrize("name", THING_NAMES)
def test_each_thing_is_drawn_and_fills_its_box(name: str) -> None:
    empty = Scene("plain", "gray", (), None, seed=1)
    placed = Placed(name, None, 0.5, 0.5, 0.75, flip=False)
    changed = (render(replace(empty, things=(placed,))) != render(empty)).any(-1)
    inside = thing_mask(replace(empty, things=(placed,)), 64) > 0
    assert changed[inside].mean() > 0.12
    assert not changed[~inside].any()


@pytest.mark.parametrize("thing", [thing for thing in THINGS if thing.recolour], ids=lambda thing: thing.name)
def test_a_recoloured_thing_has_the_asked_colour(thing) -> None:
    for colour in ("red", "green", "blue"):
        tile = np.asarray(thing_tile(thing.name, colour)).astype(int)
        solid = tile[tile[..., 3] > 200][:, :3]
        channel = int(np.argmax(COLOURS[colour]))
        assert (solid.argmax(1) == channel).mean() > 0.4


def test_no_held_out_combination_is_ever_drawn_for_training() -> None:
    for seed in range(1500):
        scene = random_scene(seed)
        names = [thing.name for thing in scene.things]
        assert not any(held_out_background(name, scene.background) for name in names)
        assert not any(held_out_pair(a, b) for a, b in pairwise(names))


def test_every_thing_has_places_it_is_shown_at_and_one_it_is_not() -> None:
    for name in THING_NAMES:
        held = [place for place in BACKGROUND_NAMES if held_out_background(name, place)]
        assert 1 <= len(held) <= 3


def test_things_stand_in_the_order_of_the_relation() -> None:
    scenes = [scene for scene in map(random_scene, range(600)) if scene.relation]
    assert {scene.relation for scene in scenes} == {"left", "above"}
    for scene in scenes:
        first, second = scene.things
        assert first.x < second.x - 0.3 if scene.relation == "left" else first.y < second.y - 0.3
