"""What a person would type for a scene: one of many wordings, drawn at random."""

from __future__ import annotations

import numpy as np

from training.backgrounds import BACKGROUND_BY_NAME, BACKGROUNDS
from training.scenes import Placed, Scene
from training.things import COLOURS, THING_BY_NAME, THINGS

NUMBERS = {2: ("two", "2"), 3: ("three", "3")}
OPENINGS = (
    "a picture of",
    "a photo of",
    "a drawing of",
    "a painting of",
    "picture of",
    "drawing of",
    "an image of",
    "there is",
)
ENDINGS = ("", "", "", "", ", cartoon", ", colorful", ", beautiful", ", cute")
LEFT = (
    "{a} to the left of {b}",
    "{a} left of {b}",
    "{a} on the left and {b} on the right",
    "{a} on the left, {b} on the right",
)
RIGHT = (
    "{b} to the right of {a}",
    "{b} right of {a}",
    "{b} on the right and {a} on the left",
    "{b} on the right, {a} on the left",
)
ABOVE = ("{a} above {b}", "{a} over {b}", "{b} below {a}", "{b} under {a}", "{a} on top of {b}")
TOGETHER = (
    "{a} and {b}",
    "{b} and {a}",
    "{a} and {b}",
    "{b} and {a}",
    "{a}, {b}",
    "{b} next to {a}",
    "{a} with {b}",
    "{b} beside {a}",
)
PAIRS = {"left": (LEFT + RIGHT, TOGETHER), "above": (ABOVE, ABOVE)}
LINKS = ("is", "are", "sitting", "standing")
SPARE_WORDS = (
    "in",
    "of",
    "the",
    "a",
    "an",
    "on",
    "and",
    "some",
    "one",
    "very",
    "nice",
    "my",
    "background",
    "style",
    "it",
    "this",
)
PLURALS = {
    "fish": "fish",
    "mouse": "mice",
    "person": "people",
    "butterfly": "butterflies",
    "cactus": "cacti",
    "kitty": "kitties",
    "puppy": "puppies",
    "paintbrush": "paintbrushes",
    "brush": "brushes",
}
VOWELS = "aeiou"


def plural(word: str) -> str:
    return PLURALS.get(word, word + "s")


def with_article(words: str, rng: np.random.Generator) -> str:
    """`words` with a or an, now and then "the", often nothing: people type all of them."""
    draw = rng.random()
    if draw < 0.3:
        return words
    if draw < 0.4:
        return f"the {words}"
    return f"an {words}" if words[0] in VOWELS else f"a {words}"


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _colour_word(colour: str | None, rng: np.random.Generator) -> str:
    return "grey" if colour == "gray" and rng.random() < 0.4 else str(colour)


def _word(name: str, rng: np.random.Generator) -> str:
    words = THING_BY_NAME[name].words
    return words[0] if rng.random() < 0.75 else _pick(words, rng)


def _noun(thing: Placed, rng: np.random.Generator) -> str:
    words = f"{_colour_word(thing.colour, rng)} " if thing.colour else ""
    return with_article(words + _word(thing.name, rng), rng)


def _things(scene: Scene, rng: np.random.Generator) -> str:
    names = [thing.name for thing in scene.things]
    if len(names) == 1:
        return _noun(scene.things[0], rng)
    if len(set(names)) == 1 and len({thing.colour for thing in scene.things}) == 1:
        colour = f"{_colour_word(scene.things[0].colour, rng)} " if scene.things[0].colour else ""
        return f"{_pick(NUMBERS[len(names)], rng)} {colour}{plural(_word(names[0], rng))}"
    nouns = [_noun(thing, rng) for thing in scene.things]
    if scene.relation:
        placed, loose = PAIRS[scene.relation]
        return _pick(placed if rng.random() < 0.6 else loose, rng).format(a=nouns[0], b=nouns[1])
    return f"{nouns[0]}, {nouns[1]} and {nouns[2]}" if rng.random() < 0.7 else ", ".join(nouns)


def _place(scene: Scene, rng: np.random.Generator) -> str:
    return _pick(BACKGROUND_BY_NAME[scene.background].phrases, rng).format(colour=_colour_word(scene.colour, rng))


def _listed(scene: Scene, things: str, rng: np.random.Generator) -> str:
    words = BACKGROUND_BY_NAME[scene.background].words
    place = (
        f"{_colour_word(scene.colour, rng)} background" if scene.colour else words[0] if rng.random() < 0.6 else _pick(words, rng)
    )
    return f"{things}, {place}" if rng.random() < 0.75 else f"{place}, {things}"


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """One way to describe the scene, in lower case."""
    things = _things(scene, rng)
    draw = rng.random()
    if draw < 0.3:
        return _listed(scene, things, rng) + _pick(ENDINGS, rng)
    opening = f"{_pick(OPENINGS, rng)} " if rng.random() < 0.3 else ""
    if draw < 0.4 and len(scene.things) == 1:
        return f"{opening}{things} {_pick(('is', 'sitting', 'standing', 'is sitting'), rng)} {_place(scene, rng)}"
    if draw < 0.5:
        return f"{_place(scene, rng)}, {things}"
    return f"{opening}{things} {_place(scene, rng)}{_pick(ENDINGS, rng)}"


def known_words() -> list[str]:
    """Every word that a caption can have, sorted: the vocabulary of the tokenizer."""
    texts = [*SPARE_WORDS, *LINKS, *OPENINGS, *ENDINGS, *LEFT, *RIGHT, *ABOVE, *TOGETHER, *COLOURS, "grey"]
    texts += [number for pair in NUMBERS.values() for number in pair]
    texts += [form for thing in THINGS for word in thing.words for form in (word, plural(word))]
    texts += [text for background in BACKGROUNDS for text in (*background.words, *background.phrases)]
    cleaned = " ".join(texts).replace("{a}", "").replace("{b}", "").replace("{colour}", "").replace(",", " ")
    return sorted(set(cleaned.split()))
