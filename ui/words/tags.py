"""Lists of tags for completion: CSV files ``tag,type,count,aliases``, as the tag completion of other programs reads them.

A first row with names of columns (``name``, ``category``, ``post_count`` ...) may change their order. The count and the aliases
may be missing; aliases are separated by commas inside quotes.
"""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.errors import EaselError
from engine.storage.file_version import Version, read_version
from engine.storage.items import read_each, translate_any_error
from engine.storage.regular_files import read_regular_file

MOST_BYTES, MOST_FILES, MOST_TAGS = 64 * 2**20, 20, 1_000_000
"""Limits: bytes of one file, files, and tags in all of them together."""

_COLUMNS: Mapping[str, frozenset[str]] = {
    "name": frozenset({"name", "tag", "tags"}),
    "count": frozenset({"count", "post_count", "posts"}),
    "aliases": frozenset({"aliases", "alias"}),
}
_USUAL_ORDER = {"name": 0, "count": 2, "aliases": 3}
_SHORT = re.compile(r".{1,3}|.*\W_\W.*", re.DOTALL)
_SYNTAX = re.compile(r"[()\[\]{}]|^#")


@dataclass(frozen=True)
class Tag:
    """A tag as its file writes it, and how many images have it."""

    name: str
    count: int = 0
    aliases: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The tag as it stands in a prompt: spaces for underscores, except in faces such as ``^_^``; no sign of the grammar."""
        spaced = self.name if _SHORT.fullmatch(self.name) else self.name.replace("_", " ")
        return _SYNTAX.sub(lambda sign: f"\\{sign[0]}", spaced)


class TagList:
    """Tags to search, the most frequent first.

    All names and aliases are lines of one text, in that order, so that a search scans it once and ends at the last match wanted.
    """

    def __init__(self, tags: Sequence[Tag] = ()) -> None:
        best: dict[str, Tag] = {}
        for tag in tags:
            if tag.name not in best or best[tag.name].count < tag.count:
                best[tag.name] = tag
        self.tags = sorted(best.values(), key=lambda tag: -tag.count)
        spellings = [(_fold(text), row) for row, tag in enumerate(self.tags) for text in (tag.name, *tag.aliases)]
        self._text = "\n".join(["", *(text for text, _ in spellings), ""])
        self._rows = [row for _, row in spellings]
        self._starts: list[int] = []
        position = 1
        for text, _ in spellings:
            self._starts.append(position)
            position += len(text) + 1

    def find(self, query: str, most: int) -> list[Tag]:
        """Up to ``most`` tags called ``query``, then those that begin so, then those with a word that does."""
        wanted = _fold(query).strip()
        if not wanted:
            return []
        rows: dict[int, None] = {}
        for pattern in (f"\n{wanted}\n", f"\n{wanted}", f" {wanted}", f"({wanted}"):
            for row in self._scan(pattern):
                rows[row] = None
                if len(rows) >= most:
                    return [self.tags[each] for each in rows]
        return [self.tags[each] for each in rows]

    def _scan(self, pattern: str) -> Iterator[int]:
        at = self._text.find(pattern)
        while at >= 0:
            yield self._rows[bisect_right(self._starts, at + 1) - 1]
            at = self._text.find(pattern, at + 1)


def read_tags(folders: Sequence[Path]) -> tuple[TagList, tuple[str, ...]]:
    """All tags in the CSV files of ``folders``, and a sentence for each file that could not be read. Unchanged files are not read
    again."""
    paths = [path for folder in folders for path in sorted(folder.glob("*.csv"))][:MOST_FILES]
    versions, gone = read_each(paths, read_version, lambda path: path.name)
    tags, troubles = _read_versions(tuple(versions.items()))
    return tags, (*gone.values(), *troubles)


@lru_cache(maxsize=2)
def _read_versions(versions: tuple[tuple[Path, Version], ...]) -> tuple[TagList, tuple[str, ...]]:
    found, troubles = read_each([path for path, _ in versions], read_tag_file, lambda path: path.name)
    tags = [tag for each in found.values() for tag in each]
    return TagList(tags[:MOST_TAGS]), tuple(troubles.values())


def read_tag_file(path: Path) -> list[Tag]:
    """The tags in one file. Raises EaselError, a sentence about the file."""
    with translate_any_error(EaselError, path.name):
        raw = read_regular_file(path, MOST_BYTES)
        if b"\0" in raw:
            raise EaselError(_explain(path, "it is not text"))
        rows = csv.reader(io.StringIO(raw.decode("utf-8-sig", "replace"), newline=""), strict=True)
        try:
            tags = list(_read_rows(rows))
        except csv.Error as error:
            raise EaselError(_explain(path, f"a quote is not closed, or a row is broken, at line {rows.line_num}")) from error
        if not tags:
            raise EaselError(_explain(path, "no tag was found in it"))
        return tags


def _explain(path: Path, fault: str) -> str:
    return f'“{path.name}” was left out: {fault}. A list of tags has one tag a line, as tag,type,count,"aliases".'


def _read_rows(rows: Iterator[list[str]]) -> Iterator[Tag]:
    order: Mapping[str, int] = _USUAL_ORDER
    for number, row in enumerate(rows):
        if number == 0 and (named := _read_header(row)):
            order = named
            continue
        cells = {column: row[at].strip() for column, at in order.items() if at < len(row)}
        if name := cells.get("name", ""):
            count = cells.get("count", "")
            aliases = tuple(alias for each in cells.get("aliases", "").split(",") if (alias := each.strip()))
            yield Tag(name, int(count) if count.isascii() and count.isdecimal() and len(count) < 16 else 0, aliases)


def _read_header(row: Sequence[str]) -> dict[str, int]:
    """Column -> its place, if the row names columns; else nothing. One is not enough: a list may hold a tag called “name”."""
    cells = [cell.strip().casefold() for cell in row]
    found = {column: place for column, names in _COLUMNS.items() for place, cell in enumerate(cells) if cell in names}
    return found if len(found) > 1 and "name" in found else {}


def _fold(text: str) -> str:
    return " ".join(text.replace("_", " ").casefold().split())
