"""The syntax tree of a prompt. :mod:`engine.prompt.grammar` parses text into one. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

ROUND, SQUARE = 1.1, 1 / 1.1
"""What ``(word)`` and ``[word]`` multiply a weight by."""

MAX_WEIGHT = 100.0
"""Weights stay within plus and minus this, so that the values cannot overflow."""

MAX_DEPTH = 50
"""Brackets nest this deep (1.1 ** 50 is more than :data:`MAX_WEIGHT`); deeper ones are text."""


@dataclass(frozen=True)
class Text:
    """Plain characters, escapes resolved. ``sources[i]`` is where character ``i`` stands in the prompt as written."""

    text: str
    sources: tuple[int, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Break:
    """What follows starts a new chunk."""


@dataclass(frozen=True)
class Lora:
    """``<lora:name:weight>``; ``unet_weight`` is the UNet's, where it differs from the text encoder's ``weight``.

    ``block_weights`` as :mod:`engine.prompt.block_weights` reads them; "" without. ``unused``: named arguments of other kinds.
    """

    name: str
    weight: float = 1.0
    unet_weight: float | None = None
    block_weights: str = ""
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnknownTag:
    """``<hypernet:name:1>`` and other tags that Easel does not know, as written. They have no text."""

    text: str


@dataclass(frozen=True)
class Group:
    """Parts whose weight is multiplied by ``weight``."""

    parts: tuple[Part, ...]
    weight: float


@dataclass(frozen=True)
class Scheduled:
    """``before`` up to a step, then ``after``. ``switch`` is a share of the steps if ``share``, else a number of steps."""

    before: tuple[Part, ...]
    after: tuple[Part, ...]
    switch: float
    share: bool

    def first_steps(self, steps: int) -> int:
        """In how many of ``steps`` steps ``before`` is used."""
        return min(steps, int(self.switch * steps if self.share else self.switch))


@dataclass(frozen=True)
class Alternation:
    """One of ``options`` a step, in turn."""

    options: tuple[tuple[Part, ...], ...]


Part = Text | Break | Lora | UnknownTag | Group | Scheduled | Alternation


@dataclass(frozen=True)
class Span:
    """Characters of one weight. ``sources`` as in :class:`Text`."""

    text: str
    weight: float = 1.0
    sources: tuple[int, ...] = field(default=(), compare=False, repr=False)


Spans = tuple[Span | Break, ...]


@dataclass(frozen=True)
class Prompt:
    """A prompt as a tree. ``str(prompt)`` writes it so that parsing gives an equal prompt."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return "".join(_write(self.parts, inside=False))

    @property
    def unknown_tags(self) -> tuple[str, ...]:
        """The tags that Easel does not know, as written, in order."""
        return tuple(part.text for part in walk(self.parts) if isinstance(part, UnknownTag))

    @property
    def text(self) -> str:
        """All that is said in any step, without weights and brackets; a line for each run of text."""
        return "\n".join(part.text for part in walk(self.parts) if isinstance(part, Text))

    @property
    def loras(self) -> tuple[Lora, ...]:
        """Every LoRA that is named, in order."""
        return tuple(part for part in walk(self.parts) if isinstance(part, Lora))

    def at_step(self, step: int, steps: int) -> Spans:
        """The text with its weights in ``step`` (0 to ``steps`` - 1), and where a new chunk starts."""
        return tuple(_join(_choose(self.parts, 1.0, step, steps)))

    def schedule(self, steps: int) -> list[tuple[int, Spans]]:
        """The texts over all steps: each ``(until, spans)`` applies to the steps below ``until`` that no earlier one covers."""
        ends = [*(step for step in self._changes(steps) if 0 < step < steps), steps]
        starts = [0, *ends[:-1]]
        turns = [(end, self.at_step(start, steps)) for start, end in zip(starts, ends, strict=True)]
        return [turn for turn, after in zip(turns, [*turns[1:], (0, None)], strict=True) if turn[1] != after[1]]

    def _changes(self, steps: int) -> list[int]:
        parts = list(walk(self.parts))
        if any(isinstance(part, Alternation) for part in parts):
            return list(range(1, steps))
        return sorted({part.first_steps(steps) for part in parts if isinstance(part, Scheduled)})


def walk(parts: Iterable[Part]) -> Iterator[Part]:
    """Every part of a tree, parents before children, in the order they are written."""
    for part in parts:
        yield part
        for branch in branches(part):
            yield from walk(branch)


def branches(part: Part) -> tuple[tuple[Part, ...], ...]:
    """The lists of parts that lie directly in ``part``."""
    match part:
        case Group():
            return (part.parts,)
        case Scheduled():
            return (part.before, part.after)
        case Alternation():
            return part.options
        case _:
            return ()


def _choose(parts: Iterable[Part], weight: float, step: int, steps: int) -> Iterator[Span | Break]:
    """The texts used in a step, each with its weight."""
    for part in parts:
        match part:
            case Text():
                yield Span(part.text, weight, part.sources)
            case Break():
                yield part
            case Group():
                heavier = max(-MAX_WEIGHT, min(MAX_WEIGHT, weight * part.weight))
                yield from _choose(part.parts, heavier, step, steps)
            case Scheduled():
                yield from _choose(part.before if step < part.first_steps(steps) else part.after, weight, step, steps)
            case Alternation():
                yield from _choose(part.options[step % len(part.options)], weight, step, steps)
            case Lora() | UnknownTag():
                pass  # they have no text


def _join(spans: Iterable[Span | Break]) -> Iterator[Span | Break]:
    """Neighbours of one weight become one span, so that ``[sn|d]ow`` is one word."""
    run: list[Span] = []
    for span in spans:
        if run and not (isinstance(span, Span) and span.weight == run[0].weight):
            yield _merge(run)
            run = []
        if isinstance(span, Span):
            run.append(span)
        else:
            yield span
    if run:
        yield _merge(run)


def _merge(run: list[Span]) -> Span:
    if len(run) == 1:
        return run[0]
    sources = tuple(place for span in run for place in span.sources)
    return Span("".join(span.text for span in run), run[0].weight, sources)


_SPECIAL = re.compile(r"[()\[\]\\]|<(?=[A-Za-z_]+:)|^#", re.MULTILINE)
_SPECIAL_INSIDE = re.compile(r"[()\[\]\\:|]|<(?=[A-Za-z_]+:)|^#", re.MULTILINE)


def _write(parts: Iterable[Part], inside: bool) -> Iterator[str]:
    """The pieces of text that parse to ``parts``. ``inside`` brackets, colons and bars need an escape too."""
    for part in parts:
        match part:
            case Text():
                yield (_SPECIAL_INSIDE if inside else _SPECIAL).sub(r"\\\g<0>", part.text)
            case Break():
                yield " BREAK "
            case Lora():
                second = "" if part.unet_weight is None else f":{number(part.unet_weight)}"
                blocks = f":lbw={part.block_weights}" if part.block_weights else ""
                yield f"<lora:{part.name}:{number(part.weight)}{second}{blocks}>"
            case UnknownTag():
                yield part.text
            case Group():
                yield from _write_group(part)
            case Scheduled():
                switch = number(part.switch)
                yield from ("[", *_write(part.before, True), ":", *_write(part.after, True), ":")
                yield f"{switch}.0]" if part.share and "." not in switch else f"{switch}]"
            case Alternation():
                yield "["
                for index, option in enumerate(part.options):
                    yield from ("|" if index else "", *_write(option, True))
                yield "]"


def _write_group(group: Group) -> Iterator[str]:
    opening, closing = {ROUND: ("(", ")"), SQUARE: ("[", "]")}.get(group.weight, ("(", f":{number(group.weight)})"))
    yield from (opening, *_write(group.parts, True), closing)


def number(value: float) -> str:
    """``value`` without an exponent and without needless zeros, exact for every number that the grammar reads."""
    return f"{value:.9f}".rstrip("0").rstrip(".")
