"""What a person would type for a scene: one of many wordings, drawn at random, and the words that all of them are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from training.drawing.air import AIR_BY_NAME
from training.drawing.backgrounds import BACKGROUND_BY_NAME, BACKGROUNDS
from training.drawing.palette import COLOURS
from training.drawing.styles import STYLE_BY_NAME, STYLES
from training.drawing.things import THING_BY_NAME, THINGS, plural, takes_article, with_a
from training.layouts import Placed
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
"""Wordings for two things by their relation; those of None name no relation."""
LOOSE = 0.25
"""How often the caption leaves out the relation of two things beside each other."""
SIZES = {"big": ("big", "large", "giant", "huge"), "small": ("small", "tiny", "little")}
POSES = {"flying": ("flying",)}
STANCES = ("is", "sitting", "standing", "is sitting", "is standing")
FAR = ("{near} with {far} in the background", "{near}, {far} in the background", "{near} and {far} behind it")
LINKS = ("in front of a {colour} background", "on a {colour} background", "on {colour}", "with a {colour} background")
SPARE_WORDS = (
    "in", "of", "the", "a", "an", "on", "and", "some", "one", "very", "nice", "my", "background", "style", "it", "this", "at",
    "with",
)  # fmt: skip
UNTOLD = 0.1
"""How often the background is left out."""
PREPOSITIONS = ("in ", "on ", "at ", "under ", "by ", "with ", "near ")


def _pick(options: Sequence[str], rng: Generator) -> str:
    return options[int(rng.integers(len(options)))]


def with_article(words: str, rng: Generator) -> str:
    """`words` with a or an, now and then "the", often nothing: people type all of them."""
    draw = rng.random()
    if draw < 0.28:
        return words
    if draw < 0.36:
        return f"the {words}"
    return with_a(words)


def _colour_word(colour: str, rng: Generator) -> str:
    return "grey" if colour == "gray" and rng.random() < 0.4 else colour


def _word(name: str, rng: Generator) -> str:
    words = THING_BY_NAME[name].words
    return words[0] if rng.random() < 0.65 else _pick(words, rng)


def _adjectives(thing: Placed, rng: Generator) -> str:
    words = [_pick(SIZES[thing.size_word], rng)] if thing.size_word else []
    words += [_colour_word(thing.colour, rng)] if thing.colour else []
    words += [_pick(POSES[thing.pose], rng)] if thing.pose else []
    return " ".join(words)


def _noun(thing: Placed, rng: Generator) -> str:
    word = _word(thing.name, rng)
    described = f"{_adjectives(thing, rng)} {word}".strip()
    return with_article(described, rng) if takes_article(word) else described


def _several(things: Sequence[Placed], rng: Generator) -> str:
    """The words for two to four of one thing."""
    number, adjectives, word = _pick(NUMBERS[len(things)], rng), _adjectives(things[0], rng), _word(things[0].name, rng)
    return f"{number} {adjectives} {plural(word)}".replace("  ", " ")


def _things(scene: Scene, rng: Generator) -> str:
    things = scene.in_order()
    if len(things) > 1 and len({thing.name for thing in things}) == 1:
        return _several(things, rng)
    nouns = [_noun(thing, rng) for thing in things]
    if scene.relation:
        loose = scene.relation in ("left", "on") and rng.random() < LOOSE
        return _pick(PAIRS[None if loose else scene.relation], rng).format(**dict(zip("abc", nouns, strict=False)))
    if len(nouns) == 2:
        return _pick(PAIRS[None], rng).format(a=nouns[0], b=nouns[1])
    return nouns[0] if len(nouns) == 1 else f"{nouns[0]}, {nouns[1]} and {nouns[2]}"


def _place(scene: Scene, rng: Generator) -> str:
    """The background as the end of a sentence: "on the beach"."""
    if scene.colour:
        return _pick(LINKS, rng).format(colour=_colour_word(scene.colour, rng)).replace("a orange", "an orange")
    place = _pick(BACKGROUND_BY_NAME[scene.background].phrases, rng)
    if scene.far:
        return _pick(FAR, rng).format(near=place, far=with_article(_pick(BACKGROUND_BY_NAME[scene.far].words, rng), rng))
    return place


def _view(scene: Scene, rng: Generator) -> str:
    """The background as a thing of its own: "beach", "rural landscape with a city in the background"."""
    if scene.colour:
        return f"{_colour_word(scene.colour, rng)} background"
    near = _pick(BACKGROUND_BY_NAME[scene.background].words, rng)
    if scene.far:
        return _pick(FAR, rng).format(near=near, far=with_article(_pick(BACKGROUND_BY_NAME[scene.far].words, rng), rng))
    return near


def _around(scene: Scene, rng: Generator, listed: bool) -> list[str]:
    rows = [AIR_BY_NAME[name] for name in (scene.time, scene.season, scene.weather) if name]
    return [_pick(row.words if listed else row.phrases, rng) for row in rows]


def _list_things(scene: Scene, rng: Generator) -> str:
    """A comma list, as people type them."""
    parts = [_view(scene, rng), *_around(scene, rng, listed=True)]
    if scene.things:
        parts.insert(0 if rng.random() < 0.8 else 1, _things(scene, rng))
    return ", ".join(parts)


def _tell(scene: Scene, rng: Generator) -> str:
    """A sentence; only where no words of a style come before it does it now and then begin with the background."""
    around = " ".join(_around(scene, rng, listed=False))
    if not scene.things:
        return f"{with_article(_view(scene, rng), rng)} {around}".strip()
    if rng.random() < UNTOLD:
        return f"{_things(scene, rng)} {around}".strip()
    place = _place(scene, rng)
    things = _things(scene, rng)
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
        return with_a(f"{_pick(style.words, rng)} {words.partition(' ')[2]}")
    if draw < 0.4:
        return f"{words}, {_pick(style.words, rng)}"
    return _pick(style.phrases, rng).format(scene=words)


def caption(scene: Scene, rng: Generator) -> str:
    """One way to describe the scene, in lower case."""
    words = _list_things(scene, rng) if rng.random() < 0.3 else _tell(scene, rng)
    return re.sub(r"\s+", " ", _add_style(words, scene, rng)).strip()


def list_words() -> list[str]:
    """Every word that a caption can have, sorted: the vocabulary of the tokenizer."""
    tables = [SPARE_WORDS, OPENINGS, ENDINGS, STANCES, FAR, LINKS, tuple(COLOURS), ("grey",)]
    texts = [text for table in (*tables, *PAIRS.values(), *NUMBERS.values(), *SIZES.values(), *POSES.values()) for text in table]
    texts += [form for thing in THINGS for word in thing.words for form in (word, plural(word))]
    texts += [text for row in (*BACKGROUNDS, *AIR_BY_NAME.values(), *STYLES) for text in (*row.words, *row.phrases)]
    cleaned = re.sub(r"\{\w+\}|[,]", " ", " ".join(texts))
    return sorted(set(cleaned.split()))
