"""The comma-separated terms of a prompt, and a prompt in which some of them are switched off. No torch."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.prompt.grammar import parse
from engine.prompt.tokenizer import PromptTokenizer
from engine.prompt.tokens import PromptReading
from engine.prompt.tree import MAX_DEPTH, Alternation, Break, Part, Scheduled, Text, branches

Place = tuple[int, int]
"""Characters of a prompt as written: the first, and the one after the last."""


@dataclass(frozen=True)
class Term:
    """What stands between two commas of a prompt, and where: ``place`` holds its characters without white space around them."""

    text: str
    place: Place


def find_terms(text: str) -> tuple[Term, ...]:
    """The terms of a prompt in order. Breaks, and the sides of schedules and alternations, end a term like commas do."""
    return tuple(term for run in _list_runs(parse(text).parts) for term in _split_at_commas(run))


def neutralise(reading: PromptReading, places: Sequence[Place]) -> PromptReading:
    """``reading`` with every token that lies in one of ``places`` replaced by a neutral one.

    Number, order, weights and chunks of the tokens stay, so that only the meaning goes. The neutral token is the comma, which
    CLIP has seen between all words; a vocabulary without one gives its padding.
    """
    if not places:
        return reading
    neutral = _find_neutral(reading.tokenizer)

    def is_replaced(start: int, end: int) -> bool:
        return any(first <= start and end <= last for first, last in places)

    chunks = tuple(
        tuple(dataclasses.replace(t, id=neutral, text=",") if is_replaced(t.start, t.end) else t for t in chunk)
        for chunk in reading.chunks
    )
    return dataclasses.replace(reading, chunks=chunks, silenced=tuple(places))


def remove_terms(text: str, places: Iterable[Place]) -> str:
    """``text`` without the terms at ``places``, their commas, and brackets that became empty."""
    for start, end in sorted(places, reverse=True):
        before, after = text[:start].rstrip(), text[end:].lstrip()
        if after.startswith(","):
            after = after[1:].lstrip()
        elif before.endswith(","):
            before = before[:-1].rstrip()
        text = before + _find_glue(before, after) + after
    for _ in range(MAX_DEPTH):
        text = _EMPTY.sub("", text)
    return _EMPTY_END.sub("", text).strip()


_EMPTY = re.compile(r"(?<!\\)(?:\(\s*(?::[+-]?[0-9.]+\s*)?\)|\[\s*\])\s*,?\s*")
_EMPTY_END = re.compile(r"\s*,\s*\Z")


def _find_glue(before: str, after: str) -> str:
    """A space, except beside a bracket."""
    return " " if before and after and before[-1] not in "([" and after[0] not in ")]:" else ""


def _find_neutral(tokenizer: PromptTokenizer) -> int:
    return tokenizer.pad_id if tokenizer.comma_id is None else tokenizer.comma_id


def _list_runs(parts: Iterable[Part]) -> Iterator[list[tuple[str, int]]]:
    """Characters with their places, cut where something other than a comma ends a term."""
    run: list[tuple[str, int]] = []
    for part in _flatten(parts):
        if isinstance(part, Text):
            run += zip(part.text, part.sources, strict=True)
        else:
            yield run
            run = []
    yield run


def _flatten(parts: Iterable[Part]) -> Iterator[Text | Break]:
    """Texts in order, with a Break at each end of a term that is no comma."""
    for part in parts:
        if isinstance(part, Text | Break):
            yield part
            continue
        ends = isinstance(part, Scheduled | Alternation)
        for branch in branches(part):
            yield from [Break()] if ends else []
            yield from _flatten(branch)
        yield from [Break()] if ends else []


def _split_at_commas(run: list[tuple[str, int]]) -> Iterator[Term]:
    letters = "".join(letter for letter, _ in run)
    for found in re.finditer(r"[^,]+", letters):
        text = found[0].strip()
        if text:
            start = found.start() + len(found[0]) - len(found[0].lstrip())
            yield Term(text, (run[start][1], run[start + len(text) - 1][1] + 1))
