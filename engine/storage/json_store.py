"""Small JSON files: an object whose values have one type, changed by several processes without losing an update.

A file that cannot be read is never taken for an empty one: reading says so, and the next change moves it aside first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from engine.errors import EaselError
from engine.json_values import JsonObject, JsonValue, parse_object
from engine.storage.atomic_files import lock_file, set_aside, write_file
from engine.storage.regular_files import read_regular_file

MAX_BYTES = 64 * 2**20
"""A larger file was not written by Easel."""

V = TypeVar("V")


class UnreadableFile(EaselError):
    """A file holds something other than what Easel writes there, or the disk does not give it."""


class JsonStore(Generic[V]):
    """The JSON object in ``path``.

    ``parse`` turns a value of it into a ``V``, or raises ValueError, and ``dump`` turns it back. An entry that ``parse`` refuses
    is not returned, and stays in the file as it is.
    """

    def __init__(self, path: Path, parse: Callable[[JsonValue], V], dump: Callable[[V], JsonValue]) -> None:
        self._path, self._parse, self._dump = path, parse, dump

    def read(self) -> dict[str, V]:
        """Every entry; none if there is no file. Raises UnreadableFile."""
        return self._parse_entries(self._read())

    def read_or_empty(self) -> dict[str, V]:
        """Every entry; none if there is no file or it cannot be read: for values that can be determined again."""
        try:
            return self.read()
        except UnreadableFile:
            return {}

    def set_aside_if_unreadable(self) -> str:
        """Moves a file that cannot be read aside, so that a new one can be begun; a sentence that says so, "" if it can be
        read. If the file cannot be moved, the sentence says why it cannot be read."""
        try:
            self.read()
            return ""
        except UnreadableFile as error:
            trouble = error
        try:
            with lock_file(self._path):
                aside = set_aside(self._path, "unreadable")
        except OSError:
            return f"{trouble} Move the file away or repair it."
        return f"{trouble} It was moved to “{aside.name}” in the same folder, and Easel begins a new one."

    def update(self, change: Callable[[dict[str, V]], Mapping[str, V | None]]) -> None:
        """Set the entries that ``change`` returns for those that are there; None removes one.

        Nobody else changes the file meanwhile. One that cannot be read is moved aside. Raises OSError.
        """
        with lock_file(self._path):
            try:
                written = self._read()
            except UnreadableFile:
                set_aside(self._path, "unreadable")
                written = {}
            for key, value in change(self._parse_entries(written)).items():
                if value is None:
                    written.pop(key, None)
                else:
                    written[key] = self._dump(value)
            write_file(self._path, _encode(written))

    def _read(self) -> JsonObject:
        try:
            self._path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise UnreadableFile(f"“{self._path}” cannot be read ({error}).") from error
        try:
            written = parse_object(read_regular_file(self._path, MAX_BYTES))
            _encode(written)  # what can be read can be written again
            return written
        except (OSError, ValueError, RecursionError) as error:
            raise UnreadableFile(f"“{self._path}” cannot be read ({error}).") from error

    def _parse_entries(self, written: JsonObject) -> dict[str, V]:
        parsed: dict[str, V] = {}
        for key, value in written.items():
            try:
                parsed[key] = self._parse(value)
            except ValueError:
                continue
        return parsed


def _encode(written: JsonObject) -> bytes:
    """JSON for people to read; what UTF-8 cannot hold, as an odd file name may, as ASCII."""
    try:
        return f"{json.dumps(written, indent=2, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(written, indent=2)}\n".encode()
