from __future__ import annotations

import re

import numpy as np

from training.backgrounds import BACKGROUND_BY_NAME
from training.captions import caption, known_words, plural, with_article
from training.scenes import Placed, Scene, random_scene
from training.things import THING_BY_NAME


def _captions(scene: Scene, count: int = 60) -> list[str]:
    rng = np.random.default_rng(0)
    return [caption(scene, rng) for _ in range(count)]


def test_a_caption_names_every_thing_and_the_background() -> None:
    for seed in range(300):
        scene = random_scene(seed)
        text = caption(scene, np.random.default_rng(seed))
        for thing in scene.things:
            words = THING_BY_NAME[thing.name].words
            assert any(re.search(rf"\b({word}|{plural(word)})\b", text) for word in words), (text, thing)
        background = BACKGROUND_BY_NAME[scene.background]
        colour = "(gray|grey)" if scene.colour == "gray" else str(scene.colour)
        places = [*background.words, *(phrase.format(colour=colour) for phrase in background.phrases), f"{colour} background"]
        assert any(re.search(rf"\b{place}\b", text) for place in places), text


def test_left_and_right_in_captions_agree_with_the_picture() -> None:
    cat, dog = Placed("cat", None, 0.26, 0.6, 0.45, False), Placed("dog", None, 0.74, 0.6, 0.45, False)
    texts = " | ".join(_captions(Scene("beach", None, (cat, dog), "left", 0), 300))
    feline, canine = "(the |a )?(cat|kitty)", "(the |a )?(dog|puppy)"
    assert re.search(f"{feline} (to the )?left of {canine}", texts)
    assert re.search(f"{canine} (to the )?right of {feline}", texts)
    assert not re.search(f"{canine} (to the )?left of {feline}", texts)
    assert not re.search(f"{feline} on the right", texts)


def test_two_of_a_kind_are_counted() -> None:
    two = tuple(Placed("mouse", None, x, 0.6, 0.45, False) for x in (0.26, 0.74))
    texts = _captions(Scene("snow", None, two, "left", 0))
    assert all(re.search(r"\b(two|2) mice\b", text) for text in texts)


def test_one_scene_is_said_in_many_ways() -> None:
    assert len(set(_captions(random_scene(3), 200))) > 30


def test_an_before_vowels() -> None:
    said = {with_article("apple", np.random.default_rng(seed)) for seed in range(40)}
    assert said == {"apple", "an apple", "the apple"}


def test_captions_use_known_words_only() -> None:
    known = set(known_words())
    for seed in range(400):
        words = caption(random_scene(seed), np.random.default_rng(seed)).replace(",", " ").split()
        assert set(words) <= known
