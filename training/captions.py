"""Writes the caption of a scene as a person would prompt it: one of many random wordings, from a fixed vocabulary."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from training.drawing.air import AIR_BY_NAME
from training.drawing.backgrounds import BACKGROUND_BY_NAME, BACKGROUNDS
from training.drawing.palette import COLOURS
from training.drawing.styles import STYLE_BY_NAME, STYLES
from training.drawing.things import THING_BY_NAME, THINGS, add_indefinite_article, pluralise, takes_article
from training.layouts import PlacedThing
from training.scenes import Scene

Generator = np.random.Generator

NUMBERS = {2: ("two", "2", "a pair of"), 3: ("three", "3"), 4: ("four", "4")}
OPENINGS = (
    "a picture of", "a drawing of", "picture of", "drawing of", "an image of", "there is", "an illustration of", "a photo of",
)  # fmt: skip
ENDINGS = (", colorful", ", beautiful", ", cute", ", detailed", ", high quality", ", masterpiece")
PAIRS: dict[str | None, tuple[str, ...]] = {
    "left": (
        "{a} to the left of {b}", "{a} left of {b}", "{a} on the left and {b} on the right", "{a} on the left, {b} on the right",
        "{b} to the right of {a}", "{b} right of {a}", "{b} on the right and {a} on the left", "{a} on the left side of {b}",
    ),
    "above": ("{a} above {b}", "{a} over {b}", "{b} below {a}", "{b} beneath {a}"),
    "on": ("{a} on {b}", "{a} on top of {b}", "{a} is sitting on {b}", "{a} sitting on {b}", "{a} is on {b}"),
    "under": ("{a} under {b}", "{a} sitting under {b}", "{a} underneath {b}", "{a} is under {b}"),
    "behind": ("{a} behind {b}", "{b} in front of {a}", "{a} is behind {b}", "{b} standing in front of {a}"),
    "holding": ("{a} holding {b}", "{a} with {b}", "{a} is holding {b}", "{a} carrying {b}", "{a} with {b} in its hand"),
    "creating": (
        "{a} is creating {b} with {c}", "{a} painting {b} with {c}", "{a} drawing {b} with {c}",
        "{a} is drawing {b} with {c}",
        "{a} making {b} with {c}", "{a} is painting {b} with {c}",
    ),
    None: ("{a} and {b}", "{a} and {b}", "{a}, {b}", "{a} next to {b}", "{a} with {b}", "{a} beside {b}", "{a} near {b}"),
}  # fmt: skip
"""Relation -> wordings for two things; those under None state no relation."""
RELATION_DROP = 0.25
"""The probability that the caption omits the relation of two things side by side."""
SIZES = {"big": ("big", "large", "giant", "huge"), "small": ("small", "tiny", "little")}
POSES = {"flying": ("flying",)}
STANCES = ("is", "sitting", "standing", "is sitting", "is standing")
FAR = ("{near} with {far} in the background", "{near}, {far} in the background", "{near} and {far} behind it")
LINKS = ("in front of a {colour} background", "on a {colour} background", "on {colour}", "with a {colour} background")
SPARE_WORDS = (
    "in", "of", "the", "a", "an", "on", "and", "some", "one", "very", "nice", "my", "background", "style", "it", "this", "at",
    "with",
)  # fmt: skip
BACKGROUND_DROP = 0.1
"""The probability that the caption omits the background."""
PREPOSITIONS = ("in ", "on ", "at ", "under ", "by ", "with ", "near ")


def _pick(options: Sequence[str], rng: Generator) -> str:
    return options[int(rng.integers(len(options)))]


def add_article(words: str, rng: Generator) -> str:
    """`words` with "a" or "an", sometimes "the", often no article: people type all of them."""
    draw = rng.random()
    if draw < 0.28:
        return words
    if draw < 0.36:
        return f"the {words}"
    return add_indefinite_article(words)


def _choose_colour_word(colour: str, rng: Generator) -> str:
    return "grey" if colour == "gray" and rng.random() < 0.4 else colour


def _choose_word(name: str, rng: Generator) -> str:
    words = THING_BY_NAME[name].words
    return words[0] if rng.random() < 0.65 else _pick(words, rng)


def _choose_adjectives(thing: PlacedThing, rng: Generator) -> str:
    words = [_pick(SIZES[thing.size_word], rng)] if thing.size_word else []
    words += [_choose_colour_word(thing.colour, rng)] if thing.colour else []
    words += [_pick(POSES[thing.pose], rng)] if thing.pose else []
    return " ".join(words)


def _describe_thing(thing: PlacedThing, rng: Generator) -> str:
    word = _choose_word(thing.name, rng)
    described = f"{_choose_adjectives(thing, rng)} {word}".strip()
    return add_article(described, rng) if takes_article(word) else described


def _describe_several(things: Sequence[PlacedThing], rng: Generator) -> str:
    """The words for two to four equal things."""
    number, adjectives, word = (
        _pick(NUMBERS[len(things)], rng),
        _choose_adjectives(things[0], rng),
        _choose_word(things[0].name, rng),
    )
    return f"{number} {adjectives} {pluralise(word)}".replace("  ", " ")


def _describe_things(scene: Scene, rng: Generator) -> str:
    things = scene.in_order()
    if len(things) > 1 and len({thing.name for thing in things}) == 1:
        return _describe_several(things, rng)
    nouns = [_describe_thing(thing, rng) for thing in things]
    if scene.relation:
        loose = scene.relation in ("left", "on") and rng.random() < RELATION_DROP
        return _pick(PAIRS[None if loose else scene.relation], rng).format(**dict(zip("abc", nouns, strict=False)))
    if len(nouns) == 2:
        return _pick(PAIRS[None], rng).format(a=nouns[0], b=nouns[1])
    return nouns[0] if len(nouns) == 1 else f"{nouns[0]}, {nouns[1]} and {nouns[2]}"


def _describe_place(scene: Scene, rng: Generator) -> str:
    """The background as an adverbial phrase: "on the beach"."""
    if scene.colour:
        return _pick(LINKS, rng).format(colour=_choose_colour_word(scene.colour, rng)).replace("a orange", "an orange")
    place = _pick(BACKGROUND_BY_NAME[scene.background].phrases, rng)
    if scene.far:
        return _pick(FAR, rng).format(near=place, far=add_article(_pick(BACKGROUND_BY_NAME[scene.far].words, rng), rng))
    return place


def _describe_view(scene: Scene, rng: Generator) -> str:
    """The background as a noun phrase: "beach", "rural landscape with a city in the background"."""
    if scene.colour:
        return f"{_choose_colour_word(scene.colour, rng)} background"
    near = _pick(BACKGROUND_BY_NAME[scene.background].words, rng)
    if scene.far:
        return _pick(FAR, rng).format(near=near, far=add_article(_pick(BACKGROUND_BY_NAME[scene.far].words, rng), rng))
    return near


def _describe_surroundings(scene: Scene, rng: Generator, listed: bool) -> list[str]:
    rows = [AIR_BY_NAME[name] for name in (scene.time, scene.season, scene.weather) if name]
    return [_pick(row.words if listed else row.phrases, rng) for row in rows]


def _list_things(scene: Scene, rng: Generator) -> str:
    """The scene as a comma-separated list, as people type prompts."""
    parts = [_describe_view(scene, rng), *_describe_surroundings(scene, rng, listed=True)]
    if scene.things:
        parts.insert(0 if rng.random() < 0.8 else 1, _describe_things(scene, rng))
    return ", ".join(parts)


def _write_sentence(scene: Scene, rng: Generator) -> str:
    """The scene as a sentence. It may begin with the background only if no style precedes it."""
    around = " ".join(_describe_surroundings(scene, rng, listed=False))
    if not scene.things:
        return f"{add_article(_describe_view(scene, rng), rng)} {around}".strip()
    if rng.random() < BACKGROUND_DROP:
        return f"{_describe_things(scene, rng)} {around}".strip()
    place = _describe_place(scene, rng)
    things = _describe_things(scene, rng)
    if not STYLE_BY_NAME[scene.style].words and rng.random() < 0.2:
        return f"{place}, {things} {around}".strip()
    stance = f" {_pick(STANCES, rng)}" if len(scene.things) == 1 and rng.random() < 0.15 else ""
    return f"{things}{stance} {place} {around}".strip()


def _add_style(words: str, scene: Scene, rng: Generator) -> str:
    style = STYLE_BY_NAME[scene.style]
    if not style.words:
        opening = f"{_pick(OPENINGS, rng)} " if rng.random() < 0.25 and not words.startswith(PREPOSITIONS) else ""
        return f"{opening}{words}{_pick(ENDINGS, rng) if rng.random() < 0.15 else ''}"
    draw = rng.random()
    if draw < 0.12 and words.startswith(("a ", "an ")):  # "a cartoon mouse"
        return add_indefinite_article(f"{_pick(style.words, rng)} {words.partition(' ')[2]}")
    if draw < 0.4:
        return f"{words}, {_pick(style.words, rng)}"
    return _pick(style.phrases, rng).format(scene=words)


def write_caption(scene: Scene, rng: Generator) -> str:
    """A random caption of the scene, in lower case."""
    words = _list_things(scene, rng) if rng.random() < 0.3 else _write_sentence(scene, rng)
    return re.sub(r"\s+", " ", _add_style(words, scene, rng)).strip()


def list_words() -> list[str]:
    """Every word that a caption can contain, sorted: the tokenizer's vocabulary."""
    tables = [SPARE_WORDS, OPENINGS, ENDINGS, STANCES, FAR, LINKS, tuple(COLOURS), ("grey",)]
    texts = [text for table in (*tables, *PAIRS.values(), *NUMBERS.values(), *SIZES.values(), *POSES.values()) for text in table]
    texts += [form for thing in THINGS for word in thing.words for form in (word, pluralise(word))]
    texts += [text for row in (*BACKGROUNDS, *AIR_BY_NAME.values(), *STYLES) for text in (*row.words, *row.phrases)]
    cleaned = re.sub(r"\{\w+\}|[,]", " ", " ".join(texts))
    return sorted(set(cleaned.split()))
