"""Captions: made of known words, naming what is there, and none of them one of the judge's."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from training.captions import BACKGROUND_DROP, add_article, list_words, write_caption
from training.drawing.backgrounds import BACKGROUND_BY_NAME
from training.drawing.styles import STYLES
from training.drawing.things import THING_BY_NAME, add_indefinite_article, pluralise
from training.layouts import PlacedThing
from training.scenes import Scene, create_scene
from training.trials import PROMPTS, list_sheet_captions, list_trials

MANY = 4000


@pytest.fixture(scope="module")
def told() -> list[tuple[Scene, str]]:
    scenes = [create_scene(seed) for seed in range(MANY)]
    return [(scene, write_caption(scene, np.random.default_rng(scene.seed))) for scene in scenes]


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def test_captions_are_of_known_words_and_differ(told: list[tuple[Scene, str]]) -> None:
    known = set(list_words())
    assert not {word for _, text in told for word in words_of(text)} - known
    assert len({text for _, text in told}) > 0.97 * MANY
    scene = told[5][0]
    assert len({write_caption(scene, np.random.default_rng(seed)) for seed in range(50)}) > 25


def test_captions_read_like_language(told: list[tuple[Scene, str]]) -> None:
    assert not [text for _, text in told if "{" in text or "  " in text or text != text.strip() or " ," in text]
    assert not [text for _, text in told if re.search(r"\ba (?!uni|ufo)[aeiou]|\ban (?!hour)[^aeiou]|\ban (uni|ufo)", text)]
    assert not [text for _, text in told if re.search(r"\b(of|a|the) (in|on|at) ", text)]


def test_every_thing_and_style_is_named(told: list[tuple[Scene, str]]) -> None:
    styles = {style.name: style for style in STYLES}
    for scene, text in told:
        for name in {thing.name for thing in scene.things}:
            forms = [form for word in THING_BY_NAME[name].words for form in (word, pluralise(word))]
            assert any(form in text for form in forms), (text, name)
        if styles[scene.style].words:
            phrases = [phrase.replace("{scene}", "").strip(" ,") for phrase in styles[scene.style].phrases]
            assert any(part in text for part in (*styles[scene.style].words, *phrases)), text


def test_the_background_is_nearly_always_named(told: list[tuple[Scene, str]]) -> None:
    named = []
    for scene, text in told:
        row, colour = BACKGROUND_BY_NAME[scene.background], "(gray|grey)" if scene.colour == "gray" else scene.colour
        places = [f"{colour} background", f"on {colour}"] if colour else [*row.words, *row.phrases]
        named.append(any(re.search(rf"\b{place}\b", text) for place in places))
    assert 1 - BACKGROUND_DROP < np.mean(named) < 1


def pair(first: str, second: str, relation: str | None) -> Scene:
    things = tuple(PlacedThing(name, x, 0.7, 0.4) for name, x in ((first, 0.26), (second, 0.74)))
    return Scene("beach", None, None, things, (0, 1), relation, None, None, None, "drawn", 0)


def test_left_and_right_in_captions_agree_with_the_picture() -> None:
    rng, scene = np.random.default_rng(0), pair("cat", "dog", "left")
    texts = " | ".join(write_caption(scene, rng) for _ in range(400))
    feline, canine = "(the |a )?(cat|kitty|kitten)", "(the |a )?(dog|puppy|doggy)"
    assert re.search(f"{feline} (to the )?left of {canine}", texts)
    assert re.search(f"{canine} (to the )?right of {feline}", texts)
    assert not re.search(f"{canine} (to the )?left of {feline}", texts)
    assert not re.search(f"{feline} on the right", texts)


def test_several_of_a_kind_are_counted() -> None:
    rng, scene = np.random.default_rng(0), pair("mouse", "mouse", None)
    assert all(re.search(r"\b(two|2|a pair of) (mice|rats)\b", write_caption(scene, rng)) for _ in range(60))


def test_an_before_vowels() -> None:
    said = {add_article("apple", np.random.default_rng(seed)) for seed in range(40)}
    assert said == {"apple", "an apple", "the apple"}
    assert [add_indefinite_article(word) for word in ("cat", "unicorn", "umbrella", "hourglass")] == [
        "a cat", "a unicorn", "an umbrella", "an hourglass",
    ]  # fmt: skip


def test_the_judges_captions_are_a_thousand_of_known_words_in_no_training_set(told: list[tuple[Scene, str]]) -> None:
    asked, known = list_trials(), set(list_words()) | {"here", "are", "together", "one"}
    assert len(asked) >= 950 and len({trial.text for trial in asked}) > 0.98 * len(asked)
    assert not {word for trial in asked for word in words_of(trial.text)} - known
    assert not {trial.text for trial in asked} & {text for _, text in told}
    counts = Counter(trial.category for trial in asked)
    assert len(counts) == 8 and min(counts.values()) >= 60


def test_the_prompts_that_must_come_out_are_of_known_words() -> None:
    known = set(list_words())
    assert not {word for prompt in PROMPTS for word in words_of(prompt)} - known
    assert list_sheet_captions()[: len(PROMPTS)] == list(PROMPTS) and len(list_sheet_captions()) == 64
