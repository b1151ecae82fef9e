"""Scenes: the same twice, nothing held out, things where their relation says, all of it in the image."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from training.drawing.air import AIR_BY_NAME
from training.drawing.backgrounds import BACKGROUND_NAMES, BACKGROUNDS
from training.drawing.styles import STYLES
from training.drawing.things import THING_NAMES, THINGS
from training.layouts import RELATIONS, Ground, PlacedThing
from training.painting import create_thing_mask, render
from training.scenes import COLOUR_NAMES, FIXED, KINDS, ROLES, Scene, create_scene, is_background_held_out, is_colour_held_out

MANY = 4000


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [create_scene(seed) for seed in range(MANY)]


def test_a_seed_is_a_scene_and_a_scene_its_bytes() -> None:
    scenes = [create_scene(seed) for seed in (3, 3, 4)]
    assert scenes[0] == scenes[1] != scenes[2]
    pictures = [render(scene, 64) for scene in scenes]
    assert np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[0], pictures[2])
    assert pictures[0].shape == (64, 64, 3) and pictures[0].dtype == np.uint8


def test_nothing_held_out_is_drawn_and_something_is_held_out(scenes: list[Scene]) -> None:
    pairs = {(thing.name, scene.background) for scene in scenes for thing in scene.things}
    assert not [pair for pair in pairs if is_background_held_out(*pair) and pair[0] not in FIXED]
    assert not [t for scene in scenes for t in scene.things if t.colour and is_colour_held_out(t.name, t.colour)]
    assert any(is_background_held_out("cat", place) for place in BACKGROUND_NAMES)
    assert any(is_colour_held_out("cat", colour) for colour in COLOUR_NAMES)


def test_every_thing_has_places_it_is_shown_at_and_one_it_is_not() -> None:
    for name in THING_NAMES:
        assert 1 <= sum(is_background_held_out(name, place) for place in BACKGROUND_NAMES) <= 5


def test_every_word_means_one_thing_or_one_place_or_one_style() -> None:
    rows = (*THINGS, *BACKGROUNDS, *AIR_BY_NAME.values(), *STYLES)
    several = {word for word, count in Counter(word for row in rows for word in row.words).items() if count > 1}
    assert several == {"pencil", "rainbow"}  # a thing and a style, a thing and a weather


def test_each_thing_is_drawn_and_fills_its_box() -> None:
    empty = Scene("plain", "gray", None, (), (), None, None, None, None, "drawn", 1)
    bare = render(empty, 64)
    for name in THING_NAMES:
        scene = replace(empty, things=(PlacedThing(name, 0.5, 0.5, 0.75),), named=(0,))
        changed, inside = (render(scene, 64) != bare).any(-1), create_thing_mask(scene, 64) > 0
        assert changed[inside].mean() > 0.12, name
        assert changed[~inside].mean() < 0.03, name


def test_every_kind_comes_about_as_often_as_its_share(scenes: list[Scene]) -> None:
    seen = Counter((len(s.things), s.relation, len({t.name for t in s.things}) < len(s.things)) for s in scenes)
    total = sum(kind.share for kind in KINDS)
    for kind in KINDS:
        share = seen[kind.count, kind.relation, kind.same] / MANY
        assert share == pytest.approx(kind.share / total, abs=0.02)
    assert {scene.style for scene in scenes} == {style.name for style in STYLES}


def test_all_of_a_thing_is_in_the_picture(scenes: list[Scene]) -> None:
    for scene in scenes:
        for thing in scene.things:
            for middle, reach in ((thing.x, thing.width / 2), (thing.y, thing.height / 2)):
                assert middle - reach > -0.03 and middle + reach < 1.03, (scene.relation, thing)


def test_relations_hold(scenes: list[Scene]) -> None:
    def gap(scene: Scene) -> float:
        a, b = scene.in_order()[:2]
        overlap = abs(a.x - b.x) < (a.width + b.width) / 2 and abs(a.y - b.y) < (a.height + b.height) / 2
        behind, foot_of_a, top_of_b = scene.things.index(a) < scene.things.index(b), a.y + a.height / 2, b.y - b.height / 2
        return {
            "left": b.x - a.x - 0.25,
            "above": b.y - a.y - 0.2,
            "on": float(not behind and top_of_b - 0.02 < foot_of_a < top_of_b + 0.9 * b.height),  # or on its seat
            "under": a.y - b.y - 0.15,
            "behind": float(overlap and behind),
            "holding": float(overlap and behind),
        }[scene.relation or ""]

    asked = [scene for scene in scenes if scene.relation in RELATIONS]
    assert {scene.relation for scene in asked} == set(RELATIONS)
    assert not [(scene.relation, scene.seed) for scene in asked if gap(scene) <= 0]


def test_several_can_be_counted(scenes: list[Scene]) -> None:
    """No two of one kind hide each other."""
    for scene in scenes:
        if len({thing.name for thing in scene.things}) == 1:
            for place, one in enumerate(scene.things):
                for other in scene.things[place + 1 :]:
                    across, down = abs(one.x - other.x) / one.width, abs(one.y - other.y) / one.height
                    assert max(across, down) > 0.55, scene.seed


def test_roles_are_those_of_the_layouts() -> None:
    assert set(ROLES) == {*RELATIONS, "creating"}
    rng, ground = np.random.default_rng(0), Ground(0.6, solid=True)
    for relation, layout in RELATIONS.items():
        assert len(layout(["cat", "table"], ground, rng)) == len(ROLES[relation])


def test_masks_cover_things(scenes: list[Scene]) -> None:
    full = [scene for scene in scenes if scene.things][:200]
    for scene in full:
        mask = create_thing_mask(scene, 16)
        assert all(mask[min(15, int(t.y * 16)), min(15, int(t.x * 16))] == 1 for t in scene.things)
    assert create_thing_mask(next(scene for scene in scenes if not scene.things), 16).max() == 0
