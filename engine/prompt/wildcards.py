"""Wildcards: what may stand for ``__name__`` in a prompt, read from files. No torch.

``colors/warm.txt`` is ``__colors/warm__``, with one value a line; lines that begin with ``#`` are comments, as is what
follows a `` #``. ``*`` and ``?`` stand for any letters, as in ``__colors/*__``; a name that is not found at the top is looked for
in all sub-folders. Case does not matter. In ``.yaml``, ``.yml`` and ``.json`` each list of values is named by its keys,
``animals/cats``, below the folder of its file. A value is a template itself (:mod:`engine.prompt.variants`), and may have a
weight: ``3::red``.
"""

from __future__ import annotations

import codecs
import fnmatch
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

try:
    from yaml import CSafeLoader as Loader  # many times faster, and refuses what is nested too deeply
except ImportError:
    from yaml import SafeLoader as Loader

from engine.errors import EaselError, RequestError
from engine.json_values import JsonValue, parse_json
from engine.prompt.tree import MAX_DEPTH
from engine.prompt.variants import Variant, find_wildcards, read_option
from engine.storage.items import translate_any_error
from engine.storage.regular_files import read_regular_file

MOST_FILES, MOST_BYTES, MOST_LISTS, MOST_ITEMS = 20_000, 16 * 2**20, 50_000, 500_000
"""Limits of a search: files in all folders, bytes of one file, lists and everything together in one structured file."""

STRUCTURED = (".yaml", ".yml", ".json")
_ENDINGS = (".txt", *STRUCTURED)
_MOST_DEPTH = 100
_COMMENT = re.compile(r"(?:^|\s)#.*")


@dataclass(frozen=True)
class _Source:
    """A list of values: a text file, or ``lines`` of a structured file."""

    path: Path
    lines: tuple[str, ...] | None = None

    def read(self) -> tuple[Variant, ...]:
        """Its values. Raises EaselError, a sentence about the file."""
        with translate_any_error(RequestError, str(self.path)):
            lines = _read_text(self.path).splitlines() if self.lines is None else self.lines
            values = [_COMMENT.sub("", line).strip() for line in lines]
            return tuple(read_option(value) for value in dict.fromkeys(values) if value)


@dataclass
class Wildcards:
    """All wildcards in ``folders`` as they are when the first one is asked for; the first folder that has a name counts.

    ``troubles`` are sentences about files that could not be read.
    """

    folders: Sequence[Path]
    troubles: list[str] = field(default_factory=list[str])
    _read: dict[str, tuple[Variant, ...]] = field(default_factory=dict[str, tuple[Variant, ...]])
    _checked: set[str] = field(default_factory=set[str])

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return tuple(sorted(self._sources))

    def __contains__(self, name: str) -> bool:
        return bool(self._find(name))

    def values(self, name: str) -> tuple[Variant, ...]:
        """What may stand for ``__name__``. Raises RequestError, a sentence, if there is none, or if it leads to itself."""
        self._check(name, ())
        return self._read_values(name)

    def _check(self, name: str, above: tuple[str, ...]) -> None:
        """Raises RequestError for a wildcard that leads to one of those ``above`` it, or to one without values."""
        key = _normalise(name)
        if key in self._checked:
            return
        if key in above or len(above) >= MAX_DEPTH:
            circle = ", ".join((*above[above.index(key) if key in above else 0 :], key))
            raise RequestError(
                f"The wildcard “{name[:100]}” names itself in a circle: {circle[:300]}. Change one of these files."
            )
        for option in self._read_values(name):
            for wildcard in find_wildcards(option.parts):
                if not wildcard.optional or wildcard.name in self:
                    self._check(wildcard.name, (*above, key))
        self._checked.add(key)

    def _read_values(self, name: str) -> tuple[Variant, ...]:
        key = _normalise(name)
        if key not in self._read:
            sources = self._find(name)
            if not sources:
                raise RequestError(
                    f"There is no wildcard called “{name[:100]}”. Put a file {name[:100]}.txt with one value a line into a "
                    f"folder called wildcards beside your models, or write \\__{name[:100]}__ if you mean the word itself."
                    + "".join(f" {trouble}" for trouble in self.troubles[:3])
                )
            values = tuple(dict.fromkeys(option for source in sources for option in source.read()))
            if not values:
                raise RequestError(f"The wildcard “{name[:100]}” is empty. Write its values into {sources[0].path}, one a line.")
            self._read[key] = values
        return self._read[key]

    def _find(self, name: str) -> list[_Source]:
        """The lists that a name or pattern means, at the top or else in any sub-folder."""
        key = _normalise(name)
        if key in self._by_key:
            return [self._by_key[key]]
        for pattern in (key, f"*/{key}"):
            if found := [source for known, source in self._by_key.items() if fnmatch.fnmatchcase(known, pattern)]:
                return found
        return []

    @cached_property
    def _by_key(self) -> dict[str, _Source]:
        return {_normalise(name): source for name, source in reversed(self._sources.items())}

    @cached_property
    def _sources(self) -> dict[str, _Source]:
        found: dict[str, _Source] = {}
        for folder in self.folders:
            for path in _list_files(folder):
                try:
                    with translate_any_error(EaselError, str(path)):
                        for name, source in _list_sources(path, folder):
                            found.setdefault(name, source)
                except EaselError as error:
                    self.troubles.append(str(error))
        return found


def _normalise(name: str) -> str:
    return re.sub(r"[\\/]+", "/", name).strip("/ ").casefold()


def _list_files(folder: Path) -> Iterator[Path]:
    """The files of wildcards in a folder, sorted; each folder once, whatever links lead to it."""
    seen: set[str] = set()
    count = 0
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files) if real not in seen else ():
            if name.lower().endswith(_ENDINGS) and not name.startswith("."):
                count += 1
                yield Path(place, name)
        seen.add(real)
        if count >= MOST_FILES:
            return


def _list_sources(path: Path, folder: Path) -> Iterator[tuple[str, _Source]]:
    """The lists in a file by their names."""
    if path.suffix.lower() not in STRUCTURED:
        yield path.relative_to(folder).with_suffix("").as_posix(), _Source(path)
        return
    found = _parse(path, _read_text(path))
    content: JsonValue = {path.stem: found} if isinstance(found, list) else found
    above = path.parent.relative_to(folder)
    items = itertools.count(1)
    for count, (names, lines) in enumerate(_walk_lists(content, (), items)):
        if count >= MOST_LISTS:
            return
        yield above.joinpath(*names).as_posix(), _Source(path, lines)


def _parse(path: Path, text: str) -> JsonValue:
    """What a structured file holds. Most JSON is YAML too, but is read faster as what it is."""
    if path.suffix.lower() == ".json":
        with suppress(ValueError):
            return parse_json(text)
    try:
        _check_size(path, text)
        content: JsonValue = yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise EaselError(f"“{path}” was left out: it is not YAML or JSON that can be read. Repair it, or remove it.") from error
    return content


def _check_size(path: Path, text: str) -> None:
    """Raises EaselError for a file of too many values, or nested so deeply that its loader would overflow the stack."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEPTH or count > MOST_ITEMS:
            raise EaselError(
                f"“{path}” was left out: it holds too many values, or is nested too deeply. Split it into several files."
            )


def _walk_lists(
    content: JsonValue, names: tuple[str, ...], items: Iterator[int]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Every list in a structured file, with the keys that lead to it. Raises EaselError for more than :data:`MOST_ITEMS`, which a
    short file can mean by naming its parts again and again."""
    if next(items) > MOST_ITEMS:
        raise EaselError(f"“{names[0]}” holds more than {MOST_ITEMS:,} values, and was left out. Split its file into several.")
    if isinstance(content, dict):
        for name, inner in content.items():
            yield from _walk_lists(inner, (*names, str(name)), items)
    elif isinstance(content, list):
        yield names, tuple(_write_item(item) for item, _ in zip(content, items, strict=False))
    elif content is not None:
        yield names, (str(content),)


def _write_item(item: JsonValue) -> str:
    """An item of a list as a line: a text, or an object with ``text`` or ``content`` and ``weight``."""
    if isinstance(item, dict):
        return f"{item.get('weight', 1)}::{item.get('text') or item.get('content') or ''}"
    return "" if item is None or isinstance(item, list) else str(item)


def _read_text(path: Path) -> str:
    """Text in UTF-8, or in UTF-16 as Windows' editors save it."""
    raw = read_regular_file(path, MOST_BYTES)
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return raw.decode("utf-16" if marked else "utf-8-sig", "replace")
