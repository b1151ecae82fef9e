"""The fixed captions that a starter is evaluated on, in the categories of GenEval (Ghosh et al. 2023).

Their wordings differ from those of the training captions, so that none was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from training.drawing.styles import STYLES
from training.drawing.things import THING_NAMES, THINGS, add_indefinite_article, pluralise, takes_article
from training.judge import Judgement, is_above, is_left_of
from training.scenes import COLOUR_NAMES, FIXED, PLACES, is_background_held_out, is_colour_held_out

NUMBERS = ("one", "two", "three", "four")
RELATIONS = {
    "left": ("to the left of", is_left_of, False),
    "right": ("to the right of", is_left_of, True),
    "above": ("above", is_above, False),
    "below": ("below", is_above, True),
}
"""Relation -> its words, the test of the judge's answer, and whether the order of the things is swapped."""
STEP = 37
"""The step through the table of things, chosen so that consecutive things are unrelated; (nearly) coprime to their number."""


@dataclass(frozen=True)
class Trial:
    """A caption and what its image must show. `None`: not tested."""

    category: str
    text: str
    things: tuple[str, ...] = ()
    background: str | None = None
    colour: str | None = None
    count: int | None = None
    style: str | None = None
    relation: str | None = None

    def is_right(self, seen: Judgement) -> bool:
        """Whether the image satisfies the category's condition."""
        if self.relation:
            holds, turned = RELATIONS[self.relation][1:]
            return holds(seen, *(reversed(self.things) if turned else self.things))
        named = not self.things or seen.first(len(self.things)) == set(self.things)
        asked = ((self.colour, seen.colour), (self.count, seen.count), (self.style, seen.style))
        return named and all(wanted is None or wanted == found for wanted, found in asked)

    def list_verdicts(self, seen: Judgement) -> Iterator[tuple[str, bool]]:
        """(row of the table, right or wrong) for the category, and for the background if one is named."""
        yield self.category, self.is_right(seen)
        if self.background:
            yield "background", seen.background == self.background


def _name_thing(name: str, colour: str | None = None) -> str:
    described = f"{colour} {name}" if colour else name
    return add_indefinite_article(described) if takes_article(name) else described


def _choose_thing(number: int) -> str:
    return THING_NAMES[number * STEP % len(THING_NAMES)]


def _choose_known_background(*names: str, number: int) -> str:
    """A background on which these things were trained."""
    places = [row.name for row in PLACES if not any(is_background_held_out(name, row.name) for name in names)]
    return places[number * 7 % len(places)]


def _choose_phrase(background: str, number: int) -> str:
    phrases = next(row.phrases for row in PLACES if row.name == background)
    return phrases[number % len(phrases)]


def _list_ones() -> Iterator[Trial]:
    for number, name in enumerate(THING_NAMES):
        place = _choose_known_background(name, number=number)
        yield Trial("one thing", f"here is {_name_thing(name)} {_choose_phrase(place, number)}", (name,), place)


def list_singles(count: int) -> list[Trial]:
    """``count`` captions that ask for one thing each, spread over the table of things."""
    names = [_choose_thing(number) for number in range(count)]
    places = [_choose_known_background(name, number=number) for number, name in enumerate(names)]
    return [
        Trial("one of it", f"here is one {name} {_choose_phrase(place, number)}", (name,), place, count=1)
        for number, (name, place) in enumerate(zip(names, places, strict=True))
    ]


def _list_pairs(count: int, start: int) -> Iterator[tuple[int, str, str]]:
    for number in range(count):
        first, second = _choose_thing(start + 2 * number), _choose_thing(start + 2 * number + 1)
        yield number, first, second


def _list_twos(count: int = 140) -> Iterator[Trial]:
    for number, first, second in _list_pairs(count, 5):
        place = _choose_known_background(first, second, number=number)
        text = f"{_name_thing(first)} together with {_name_thing(second)} {_choose_phrase(place, number)}"
        yield Trial("two things", text, (first, second), place)


def _list_counts(count: int = 120) -> Iterator[Trial]:
    for number in range(count):
        name, wanted = _choose_thing(3 + number), number % 4 + 1
        opening = "here is" if wanted == 1 else "here are"
        place = _choose_known_background(name, number=number)
        word = name if wanted == 1 else pluralise(name)
        yield Trial(
            "counting", f"{opening} {NUMBERS[wanted - 1]} {word} {_choose_phrase(place, number)}", (name,), place, count=wanted
        )


def _list_colours(count: int = 120, unseen: bool = False) -> Iterator[Trial]:
    rows = [
        (thing.name, colour)
        for thing in THINGS if thing.recolour
        for colour in COLOUR_NAMES if is_colour_held_out(thing.name, colour) == unseen
    ]  # fmt: skip
    category = "thing and colour never seen together" if unseen else "colour of a thing"
    for number in range(min(count, len(rows))):
        name, colour = rows[number * 53 % len(rows)]
        place = _choose_known_background(name, number=number)
        yield Trial(
            category, f"here is {_name_thing(name, colour)} {_choose_phrase(place, number)}", (name,), place, colour=colour
        )


def _list_positions(count: int = 120) -> Iterator[Trial]:
    for number, first, second in _list_pairs(count, 11):
        relation = tuple(RELATIONS)[number % len(RELATIONS)]
        place = _choose_known_background(first, second, number=number)
        text = f"here {_name_thing(first)} {RELATIONS[relation][0]} {_name_thing(second)} {_choose_phrase(place, number)}"
        yield Trial("position", text, (first, second), place, relation=relation)


def _list_styles(each: int = 10) -> Iterator[Trial]:
    for place, style in enumerate(STYLES[1:]):
        for number in range(each):
            name = _choose_thing(17 + place * each + number)
            background = _choose_known_background(name, number=number + place)
            scene = f"here is {_name_thing(name)} {_choose_phrase(background, number)}"
            yield Trial("style", style.phrases[number % len(style.phrases)].format(scene=scene), style=style.name)


def _list_strangers(count: int = 60) -> Iterator[Trial]:
    names = [name for name in THING_NAMES if name not in FIXED]
    pairs = [(name, row.name) for name in names for row in PLACES if is_background_held_out(name, row.name)]
    for number in range(count):
        name, place = pairs[number * 71 % len(pairs)]
        text = f"here is {_name_thing(name)} {_choose_phrase(place, number)}"
        yield Trial("thing and background never seen together", text, (name,), place)


def list_trials() -> list[Trial]:
    """All captions, about a thousand; the same in every run."""
    rows = (
        _list_ones(),
        _list_twos(),
        _list_counts(),
        _list_colours(),
        _list_positions(),
        _list_styles(),
        _list_strangers(),
        _list_colours(60, unseen=True),
    )
    return [trial for row in rows for trial in row]


PROMPTS = (
    "A bird is sitting on a tree branch",
    "hamster with a paint brush",
    "robot is creating a picture with a pen",
    "rural landscape with a modern metropolis in the background",
    "abstract oil painting of people dancing",
    "a cartoon flying mouse",
    "hello world",
    "a blue cat in the snow at night",
)
"""Prompts whose results must be recognisable; the first on the sheet."""


def list_sheet_captions(count: int = 64) -> list[str]:
    """The captions of the sheet of samples: the prompts, then some of each category."""
    rows = list_trials()
    return [*PROMPTS, *(trial.text for trial in rows[:: max(1, len(rows) // (count - len(PROMPTS)))])][:count]
