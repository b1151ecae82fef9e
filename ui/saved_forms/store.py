"""The saved forms of a tab, in a file of the data folder, and their exchange as JSON."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import RequestError
from engine.json_values import JsonValue, as_object, parse_object
from engine.settings import Settings
from engine.storage.atomic_files import translate_errors
from engine.storage.json_store import JsonStore
from engine.storage.regular_files import open_regular_file
from ui import messages, sentences
from ui.common import form

FILE = "forms.json"
FORMAT = "easel_form"
"""The key by which an exported form is known; its value is the version of the format."""

LONGEST_NAME, MOST_BYTES = 100, 2**20

Fields = Mapping[str, form.Value]


@dataclass(frozen=True)
class SavedForm:
    """A form of the tab called ``tab``, with the value of each field by name."""

    tab: str
    name: str
    fields: Fields


class SavedForms:
    """The forms of one tab. The file is read each time, because several pages may change it."""

    def __init__(self, settings: Settings, tab: str) -> None:
        self._folder, self._tab = settings.data, tab
        self._store = JsonStore(settings.data / FILE, _parse, _dump)

    def read(self) -> dict[str, SavedForm]:
        """The forms of the tab, by name. Raises UnreadableFile, a sentence."""
        return {each.name: each for each in self._store.read().values() if each.tab == self._tab}

    def save(self, name: str, fields: Fields) -> None:
        """Save a form, in place of one of the same name. Raises RequestError for a name that is none, or OutputError."""
        if not name.strip():
            raise RequestError(messages.NAME_THE_FORM)
        self._change(SavedForm(self._tab, name.strip()[:LONGEST_NAME], fields))

    def add(self, found: SavedForm) -> SavedForm:
        """Save an imported form. Another one of the same name stays: the new one gets a number. Raises like :meth:`save`."""
        there = self.read()
        names = itertools.chain([found.name], (f"{found.name[: LONGEST_NAME - 8]} ({number})" for number in itertools.count(2)))
        named = next(name for name in names if name not in there or there[name].fields == found.fields)
        self.save(named, found.fields)
        return SavedForm(self._tab, named, found.fields)

    def remove(self, name: str) -> None:
        """Remove a form. Raises OutputError."""
        self._change(SavedForm(self._tab, name, {}), keep=False)

    def _change(self, changed: SavedForm, keep: bool = True) -> None:
        with translate_errors(self._folder):
            self._store.update(lambda _: {f"{changed.tab}: {changed.name}": changed if keep else None})


def read_form_file(path: Path, tab: str) -> SavedForm:
    """The form in a file. Raises RequestError, a sentence, for another file or the form of another tab, or one that is gone."""
    try:
        with open_regular_file(path) as file:
            return read_form(file.read(MOST_BYTES + 1), tab)
    except OSError as error:
        raise RequestError(messages.FORM_GONE) from error


def read_form(content: bytes, tab: str) -> SavedForm:
    """As :func:`read_form_file`, from the file's bytes."""
    try:
        if len(content) > MOST_BYTES:
            raise ValueError("it is too large")
        written = parse_object(content.decode("utf-8-sig"))
        if FORMAT not in written:
            raise ValueError("it has another form")
        found = _parse(written)
    except ValueError as error:
        raise RequestError(messages.NO_FORM) from error
    if found.tab != tab:
        raise RequestError(sentences.form_of_another_tab(found.tab))
    return SavedForm(found.tab, found.name[:LONGEST_NAME], found.fields)


def _parse(value: JsonValue) -> SavedForm:
    written = as_object(value)
    tab, name, fields = written.get("tab"), written.get("name"), as_object(written.get("fields"))
    plain = {key: each for key, each in fields.items() if each is None or isinstance(each, (str, bool, int, float))}
    if not isinstance(tab, str) or not isinstance(name, str) or not name.strip():
        raise ValueError("a form has a tab and a name")
    return SavedForm(tab, name.strip(), plain)


def _dump(saved: SavedForm) -> JsonValue:
    return {"tab": saved.tab, "name": saved.name, "fields": dict(saved.fields)}
