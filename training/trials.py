"""The fixed captions that a starter is judged by, category for category as in GenEval (Ghosh et al. 2023).

Their wordings are not those of the training's captions, so that no caption is in a training set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from training.drawing.styles import STYLES
from training.drawing.things import THING_NAMES, THINGS, plural, takes_article, with_a
from training.judge import Seen, above, left_of
from training.scenes import COLOUR_NAMES, FIXED, PLACES, held_out_background, held_out_colour

NUMBERS = ("one", "two", "three", "four")
RELATIONS = {
    "left": ("to the left of", left_of, False),
    "right": ("to the right of", left_of, True),
    "above": ("above", above, False),
    "below": ("below", above, True),
}
"""The words, how it is looked for, and whether the second thing is asked for first."""
STEP = 37
"""Walks through the things in an order in which neighbours have nothing in common; prime to their number or nearly so."""


@dataclass(frozen=True)
class Trial:
    """A caption, and what must be seen in its image. `None`: not asked."""

    category: str
    text: str
    things: tuple[str, ...] = ()
    background: str | None = None
    colour: str | None = None
    count: int | None = None
    style: str | None = None
    relation: str | None = None

    def right(self, seen: Seen) -> bool:
        """Whether the category's question is answered as asked."""
        if self.relation:
            holds, turned = RELATIONS[self.relation][1:]
            return holds(seen, *(reversed(self.things) if turned else self.things))
        named = not self.things or seen.first(len(self.things)) == set(self.things)
        asked = ((self.colour, seen.colour), (self.count, seen.count), (self.style, seen.style))
        return named and all(wanted is None or wanted == found for wanted, found in asked)

    def verdicts(self, seen: Seen) -> Iterator[tuple[str, bool]]:
        """(row of the table, right or wrong): the category, and the background where one is named."""
        yield self.category, self.right(seen)
        if self.background:
            yield "background", seen.background == self.background


def _noun(name: str, colour: str | None = None) -> str:
    described = f"{colour} {name}" if colour else name
    return with_a(described) if takes_article(name) else described


def _thing(number: int) -> str:
    return THING_NAMES[number * STEP % len(THING_NAMES)]


def _check_met(*names: str, number: int) -> str:
    """A background on which these were trained."""
    places = [row.name for row in PLACES if not any(held_out_background(name, row.name) for name in names)]
    return places[number * 7 % len(places)]


def _phrase(background: str, number: int) -> str:
    phrases = next(row.phrases for row in PLACES if row.name == background)
    return phrases[number % len(phrases)]


def _ones() -> Iterator[Trial]:
    for number, name in enumerate(THING_NAMES):
        place = _check_met(name, number=number)
        yield Trial("one thing", f"here is {_noun(name)} {_phrase(place, number)}", (name,), place)


def _pairs(count: int, start: int) -> Iterator[tuple[int, str, str]]:
    for number in range(count):
        first, second = _thing(start + 2 * number), _thing(start + 2 * number + 1)
        yield number, first, second


def _twos(count: int = 140) -> Iterator[Trial]:
    for number, first, second in _pairs(count, 5):
        place = _check_met(first, second, number=number)
        text = f"{_noun(first)} together with {_noun(second)} {_phrase(place, number)}"
        yield Trial("two things", text, (first, second), place)


def _counts(count: int = 120) -> Iterator[Trial]:
    for number in range(count):
        name, wanted = _thing(3 + number), number % 4 + 1
        opening = "here is" if wanted == 1 else "here are"
        place = _check_met(name, number=number)
        word = name if wanted == 1 else plural(name)
        yield Trial("counting", f"{opening} {NUMBERS[wanted - 1]} {word} {_phrase(place, number)}", (name,), place, count=wanted)


def _colours(count: int = 120, unseen: bool = False) -> Iterator[Trial]:
    rows = [
        (thing.name, colour)
        for thing in THINGS if thing.recolour
        for colour in COLOUR_NAMES if held_out_colour(thing.name, colour) == unseen
    ]  # fmt: skip
    category = "thing and colour never seen together" if unseen else "colour of a thing"
    for number in range(min(count, len(rows))):
        name, colour = rows[number * 53 % len(rows)]
        place = _check_met(name, number=number)
        yield Trial(category, f"here is {_noun(name, colour)} {_phrase(place, number)}", (name,), place, colour=colour)


def _positions(count: int = 120) -> Iterator[Trial]:
    for number, first, second in _pairs(count, 11):
        relation = tuple(RELATIONS)[number % len(RELATIONS)]
        place = _check_met(first, second, number=number)
        text = f"here {_noun(first)} {RELATIONS[relation][0]} {_noun(second)} {_phrase(place, number)}"
        yield Trial("position", text, (first, second), place, relation=relation)


def _styles(each: int = 10) -> Iterator[Trial]:
    for place, style in enumerate(STYLES[1:]):
        for number in range(each):
            name = _thing(17 + place * each + number)
            background = _check_met(name, number=number + place)
            scene = f"here is {_noun(name)} {_phrase(background, number)}"
            yield Trial("style", style.phrases[number % len(style.phrases)].format(scene=scene), style=style.name)


def _strangers(count: int = 60) -> Iterator[Trial]:
    names = [name for name in THING_NAMES if name not in FIXED]
    pairs = [(name, row.name) for name in names for row in PLACES if held_out_background(name, row.name)]
    for number in range(count):
        name, place = pairs[number * 71 % len(pairs)]
        text = f"here is {_noun(name)} {_phrase(place, number)}"
        yield Trial("thing and background never seen together", text, (name,), place)


def trials() -> list[Trial]:
    """All captions, about a thousand; the same at every run."""
    rows = (_ones(), _twos(), _counts(), _colours(), _positions(), _styles(), _strangers(), _colours(60, unseen=True))
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
"""Prompts whose results must be recognisable; they come first on the sheet."""


def sheet_captions(count: int = 64) -> list[str]:
    """The captions of the sheet of samples: the prompts, then some of each category."""
    rows = trials()
    return [*PROMPTS, *(trial.text for trial in rows[:: max(1, len(rows) // (count - len(PROMPTS)))])][:count]
