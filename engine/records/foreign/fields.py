"""The fields of a foreign record, and which of them were read.

Readers do not access the record directly: they take fields from a :class:`Fields`, which keeps track of them. What remains is
shown to the user, so that no field of a record is ignored silently.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from engine.json_values import JsonValue
from engine.records.foreign.values import json_object, number, text, whole

_SHOWN = 60
"""The most characters of a value, and names of an object, that are shown."""

_MOST_LEFTOVERS = 500
"""The most fields that are listed; the rest of a larger record is counted."""

T = TypeVar("T")


@dataclass(frozen=True)
class Leftover:
    """A field that no reader took. ``where`` is the path of the object that contains it, "" for the root."""

    where: str
    key: str
    value: JsonValue


class Fields:
    """The fields of one object. Fields can be taken repeatedly; blank values (null, "", "None") count as taken once looked at."""

    def __init__(self, written: Mapping[str, JsonValue], where: str = "", labels: Mapping[str, str] | None = None) -> None:
        self._written = dict(written)
        self._where = where
        self._labels = labels or {}
        self._taken: set[str] = set()
        self._inner: list[Fields] = []
        self._folded = ""

    def __contains__(self, name: str) -> bool:
        return name in self._written

    def names(self) -> Sequence[str]:
        """All names, whether taken or not."""
        return list(self._written)

    def look(self, name: str) -> JsonValue:
        """A value, without taking it."""
        return self._written.get(name)

    def take(self, *names: str) -> JsonValue:
        """Take the first of ``names`` that is not blank."""
        for name in names:
            value = self._written.get(name)
            if not is_blank(value):
                self._taken.add(name)
                return value
            if name in self._written:
                self._taken.add(name)
        return None

    def text(self, *names: str) -> str | None:
        """Take the first of ``names`` that is a text and not blank."""
        for name in names:
            if (found := text(self._written.get(name))) is not None or self._is_blank(name):
                self._taken.add(name)
            if found is not None:
                return found
        return None

    def number(self, *names: str) -> float | None:
        """Take the first of ``names`` that is a finite number, or a text that contains one."""
        for name in names:
            if (found := number(self._written.get(name))) is not None or self._is_blank(name):
                self._taken.add(name)
            if found is not None:
                return found
        return None

    def whole(self, *names: str) -> int | None:
        """Take the first of ``names`` that is an integer; exact, without conversion to float."""
        for name in names:
            if (found := whole(self._written.get(name))) is not None or self._is_blank(name):
                self._taken.add(name)
            if found is not None:
                return found
        return None

    def inside(self, name: str) -> Fields:
        """The object under ``name``, or in the JSON text there; empty, and not taken, if there is none."""
        value = self.take(name) if self._is_blank(name) else self._written.get(name)
        found = value if isinstance(value, dict) else json_object(value) if isinstance(value, str) else {}
        return self.open(name, found) if found else Fields({}, self._path(name))

    def each(self, name: str) -> list[Fields]:
        """The objects in the list under ``name``; empty, and not taken, if the list contains anything else."""
        value = self._written.get(name)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            return []
        return [self.open(name, item, f"{name}[{i}]") for i, item in enumerate(value) if isinstance(item, dict)]

    def open(
        self, name: str, content: Mapping[str, JsonValue], label: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Fields:
        """Take ``name``, whose value was parsed into ``content``; the fields of that are now taken one by one.

        ``label`` is what to call it, ``labels`` what to call its fields, if not by their names.
        """
        self._taken.add(name)
        inner = Fields(content, self._path(name if label is None else label), labels)
        self._inner.append(inner)
        return inner

    def is_untouched(self, apart_from: Collection[str]) -> bool:
        """Whether no field was taken except those in ``apart_from``."""
        return self._taken <= {*apart_from}

    def fold(self, name: str) -> None:
        """Report what is left of this object as a single leftover called ``name``."""
        self._folded = name

    def list_leftovers(self) -> Iterator[Leftover]:
        """Everything that was not taken, here and in nested objects."""
        left = self._list_parts()
        if self._folded:
            yield Leftover("", self._folded, {part.key: part.value for part in left})
        else:
            yield from left

    def _list_parts(self) -> Iterator[Leftover]:
        for key, value in self._written.items():
            if key not in self._taken:
                yield Leftover(self._where, self._labels.get(key, key), value)
        for inner in self._inner:
            yield from inner.list_leftovers()

    def _is_blank(self, name: str) -> bool:
        return name in self._written and is_blank(self._written[name])

    def _path(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where and name else self._where or name


def is_blank(value: JsonValue) -> bool:
    """Whether a value is blank: null, an empty text or the like."""
    return value is None or value == [] or value == {} or (isinstance(value, str) and value.strip() in ("", "None", "none"))


@dataclass(frozen=True)
class KnownFields:
    """What a program writes that Easel does not use: regular expression for the field -> its description, "" for its own name.

    ``settings`` change the image, ``facts`` do not. ``neutral``: regular expression -> values of a setting that mean off.
    """

    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    neutral: Mapping[str, tuple[JsonValue, ...]] = field(default_factory=dict[str, tuple[JsonValue, ...]])


@dataclass(frozen=True)
class Unused:
    """Descriptions of what was not used: ``settings`` and ``facts`` as in :class:`KnownFields`, and what is ``unknown``."""

    settings: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


NOTHING_UNUSED = Unused()


def sort_leftovers(leftovers: Iterator[Leftover], known: KnownFields) -> Unused:
    """Sorts leftovers into settings, facts and unknown fields. Settings that were off are omitted."""
    settings: list[str] = []
    facts: list[str] = []
    unknown: list[str] = []
    for left in itertools.islice(leftovers, _MOST_LEFTOVERS):
        name = left.key.strip().casefold()
        if (words := _find(known.settings, name)) is not None:
            neutral = _find(known.neutral, name) or ()
            if not is_blank(left.value) and left.value is not False and not _is_one_of(left.value, neutral):
                settings.append(describe(words or left.key, left.value))
        elif (words := _find(known.facts, name)) is not None:
            facts.extend([describe(words or left.key, left.value)] if not is_blank(left.value) else [])
        else:
            unknown.append(describe(f"“{left.where}.{left.key}”" if left.where else f"“{left.key}”", left.value))
    if more := sum(1 for _ in leftovers):
        unknown.append(f"and {more:,} more")
    return Unused(tuple(dict.fromkeys(settings)), tuple(dict.fromkeys(facts)), tuple(dict.fromkeys(unknown)))


def _find(table: Mapping[str, T], name: str) -> T | None:
    return next((found for pattern, found in table.items() if re.fullmatch(pattern, name)), None)


def _is_one_of(value: JsonValue, neutral: tuple[JsonValue, ...]) -> bool:
    """Whether ``value`` is neutral, as a number or text. 1 does not equal True here, nor 0 False."""
    if isinstance(value, bool):
        return any(each is value for each in neutral)
    return value in neutral or (isinstance(value, str) and number(value) is not None and number(value) in neutral)


def describe(words: str, value: JsonValue) -> str:
    """``words`` followed in parentheses by a short value, or by the names in a long one."""
    words = words if len(words) <= 2 * _SHOWN else words[: 2 * _SHOWN] + "…"
    if value is None or isinstance(value, bool):
        shown = "" if value is True else str(value).lower() if value is False else "empty"
    elif isinstance(value, list | dict):
        shown = _list_names(value)
    else:
        shown = re.sub(r"\s+", " ", str(value)).strip()
        shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    return f"{words} ({shown})" if shown else words


def _list_names(value: JsonValue) -> str:
    """The names of all fields in ``value``, or its items if they have none."""
    names: dict[str, None] = {}
    waiting: deque[JsonValue] = deque([value])
    for _ in range(_MOST_LEFTOVERS):
        if not waiting or len(names) > _SHOWN:
            break
        item = waiting.popleft()
        if isinstance(item, dict):
            names |= dict.fromkeys(map(str, item))
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(value, list) and not any(isinstance(each, dict | list) for each in value):
            names[str(item)[:_SHOWN]] = None
    shown = list(names)
    return ", ".join(shown[:_SHOWN]) + (" …" if len(shown) > _SHOWN else "")
