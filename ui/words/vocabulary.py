"""What completes a word that is being typed: LoRAs, embeddings, wildcards, the starter's words and the user's tags."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from engine.checkpoints.families import BASE_MODELS
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.search_paths import find_tag_folders, find_wildcard_folders
from engine.prompt.wildcards import Wildcards
from engine.settings import Settings
from ui import messages, sentences
from ui.common.checkpoint_options import Checkpoint, CheckpointOptions
from ui.words.tags import read_tags

T = TypeVar("T")

MOST = 20
"""Suggestions that are listed."""

LONGEST_QUERY = 100

WILDCARD_SECONDS = 5.0
"""How long a list of wildcards is used before the folders are looked through again."""


@dataclass(frozen=True)
class Suggestion:
    """``insert`` takes the place of the last ``replaces`` characters of the query. ``note`` says what it is."""

    label: str
    note: str
    insert: str
    replaces: int


@dataclass(frozen=True)
class Completion:
    """Suggestions, the best first, and sentences on files that could not be read."""

    suggestions: tuple[Suggestion, ...] = ()
    troubles: tuple[str, ...] = ()


class Vocabulary:
    """What may stand in a prompt, as of the last scan of the folders."""

    def __init__(self, settings: Settings, known: CheckpointOptions) -> None:
        self._settings, self._known = settings, known
        self._wildcards: tuple[float, Completion] = (float("-inf"), Completion())
        self._finders: Mapping[str, Callable[[str, Checkpoint], Completion]] = {
            "lora": self._complete_lora, "embedding": self._complete_embedding, "wildcard": self._complete_wildcard,
            "word": self._complete_word,
        }  # fmt: skip

    def complete(self, kind: str, query: str, checkpoint: str) -> Completion:
        """What completes ``query``. ``kind`` is what was begun: ``"lora"``, ``"embedding"``, ``"wildcard"``, or ``"word"``."""
        find = self._finders.get(kind)
        return find(query[-LONGEST_QUERY:], self._known.find(checkpoint)) if find else Completion()

    def _complete_lora(self, query: str, checkpoint: Checkpoint) -> Completion:
        return self._complete_entries("lora", query, checkpoint, lambda entry: f"<lora:{entry.name}:1>")

    def _complete_embedding(self, query: str, checkpoint: Checkpoint) -> Completion:
        return self._complete_entries("embedding", query, checkpoint, lambda entry: f"embedding:{entry.word}")

    def _complete_entries(
        self, kind: str, query: str, checkpoint: Checkpoint, write: Callable[[CheckpointEntry], str]
    ) -> Completion:
        entries = self._known.inventory.of_kind(kind)
        fitting = self._known.find_fitting(entries, checkpoint.name)
        found = sorted(_match(query, {entry.name: entry for entry in entries}), key=lambda entry: entry.name not in fitting)
        made = (Suggestion(each.name, _describe_fit(each, fitting), write(each), len(query)) for each in found)
        return Completion(tuple(islice(made, MOST)))

    def _complete_wildcard(self, query: str, _checkpoint: Checkpoint) -> Completion:
        when, listed = self._wildcards
        if time.monotonic() - when > WILDCARD_SECONDS:
            wildcards = Wildcards(find_wildcard_folders(self._settings))
            every = tuple(Suggestion(name, messages.WILDCARD, f"__{name}__", 0) for name in wildcards.names)
            listed = Completion(every, tuple(wildcards.troubles[:3]))
            self._wildcards = time.monotonic(), listed
        found = _match(query, {each.label: each for each in listed.suggestions})
        made = (Suggestion(each.label, each.note, each.insert, len(query)) for each in found)
        return Completion(tuple(islice(made, MOST)), listed.troubles)

    def _complete_word(self, query: str, checkpoint: Checkpoint) -> Completion:
        """First for all that was typed since the last comma, then for the last word of it."""
        tags, troubles = read_tags(find_tag_folders(self._settings))
        found: dict[str, Suggestion] = {}
        for typed in dict.fromkeys((query.lstrip(), *query.split()[-1:])):
            if len(typed) < 2 and typed.isascii():
                continue
            for label, note in self._list_own_words(typed, checkpoint):
                found.setdefault(label.casefold(), Suggestion(label, note, label, len(typed)))
            for tag in tags.find(typed.replace("\\", ""), MOST):
                note = sentences.tag_count(tag.count) if tag.count else messages.TAG
                found.setdefault(tag.text.casefold(), Suggestion(tag.name, note, tag.text, len(typed)))
        return Completion(tuple(islice(found.values(), MOST)), troubles)

    def _list_own_words(self, typed: str, checkpoint: Checkpoint) -> Iterator[tuple[str, str]]:
        """Embeddings, and the starter's words, that begin with ``typed``; what is typed in full needs no suggestion."""
        encoders = checkpoint.text_encoders
        learned = [name for name, _ in encoders[0].embeddings] if encoders else []
        for name in _match(typed, {name: name for name in learned}):
            yield name, messages.EMBEDDING
        repertoire = checkpoint.repertoire
        if repertoire is None:
            return
        every = (*repertoire.things, *repertoire.backgrounds, *repertoire.styles, *repertoire.colours, *repertoire.words)
        wanted = typed.casefold()
        for word in dict.fromkeys(every):
            if word.startswith(wanted) and word != wanted:
                yield word, messages.STARTERS_WORD


def _match(query: str, named: Mapping[str, T]) -> list[T]:
    """The values whose names contain ``query``: those that begin with it first, then those whose file name does."""
    wanted = query.casefold()
    found = [name for name in named if wanted in name.casefold()]
    ordered = sorted(found, key=lambda name: (not name.casefold().startswith(wanted), f"/{wanted}" not in name.casefold()))
    return [named[name] for name in ordered]


def _describe_fit(entry: CheckpointEntry, fitting: frozenset[str]) -> str:
    """The base model of a LoRA or embedding that does not fit the checkpoint, "" for one that does."""
    base = BASE_MODELS.get(entry.identity.family)
    return sentences.made_for(base.label) if base and entry.name not in fitting else ""
