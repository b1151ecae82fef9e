"""The catalogue of checkpoints, LoRAs, embeddings, VAEs and upscalers in the user's folders, which are only read."""

from __future__ import annotations

import dataclasses
import itertools
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from engine.checkpoints.identify.identify import identify
from engine.checkpoints.identify.identity import KINDS, Identity
from engine.checkpoints.library import overrides, search_paths, starter_card
from engine.checkpoints.library import sha256 as hashing
from engine.checkpoints.library.borrowing import borrow_components
from engine.checkpoints.library.entry import CheckpointEntry, entry_for, stamp_of, version_of
from engine.checkpoints.library.overrides import Override
from engine.errors import CheckpointError
from engine.safe_text import name_to_text, text_to_name
from engine.settings import Settings
from engine.storage.items import read_each, translate_any_error


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The result of a scan: ``entries`` in the order of the folders, and for each file that is not used, by path, the reason.

    Immutable, so any thread may read it while another scan runs.
    """

    settings: Settings
    entries: tuple[CheckpointEntry, ...]
    refused: Mapping[Path, str]

    def of_kind(self, kind: str) -> list[CheckpointEntry]:
        """All entries of one kind of :class:`~engine.checkpoints.identify.identity.Identity`."""
        return [entry for entry in self.entries if entry.identity.kind == kind]

    def checkpoints(self) -> list[CheckpointEntry]:
        """The checkpoints, the starter first."""
        return sorted(self.of_kind("checkpoint"), key=lambda e: (not e.family.is_bundled, e.name.casefold()))

    def find(self, wanted: str | None, kind: str = "checkpoint") -> CheckpointEntry:
        """The checkpoint (or other kind) called ``wanted``: a name, a path, or the beginning of a hash. None is the first.

        Backslashes between folders are accepted. Raises CheckpointError if there is none, or if several different files have that
        name.
        """
        paths = (search_paths.expand_folder(each) for each in _spell(wanted or ""))
        if path := next((each for each in paths if each.is_absolute() and os.path.exists(each)), None):
            with translate_any_error(CheckpointError, path.name):
                return borrow_components(entry_for(path, self.settings), self.entries)
        candidates = self.checkpoints() if kind == "checkpoint" else self.of_kind(kind)
        if not wanted:
            if not candidates:
                raise CheckpointError("There is no checkpoint yet: put one into the models folder.")
            return candidates[0]
        # As it is first: where a slash separates folders, a backslash may be part of a name.
        for name, match in itertools.product(dict.fromkeys((wanted, wanted.replace("\\", "/"))), _MATCHES):
            found = [entry for entry in candidates if match(entry, name)]
            if len({entry.hash for entry in found}) > 1:
                raise self._ambiguous(wanted, kind, found)
            if found:
                return found[0]
        raise self._missing(wanted, kind)

    def _ambiguous(self, wanted: str, kind: str, found: Sequence[CheckpointEntry]) -> CheckpointError:
        names = " and ".join(f"“{entry.name}”" for entry in found[:5])
        return CheckpointError(f"Several files are a {KINDS[kind]} called “{wanted}”: {names}. Use one of these names.")

    def _missing(self, wanted: str, kind: str) -> CheckpointError:
        for path, why in self.refused.items():
            if not _spell(wanted).isdisjoint((path.name, path.stem)):
                return CheckpointError(why)
        return CheckpointError(
            f"There is no {KINDS[kind]} called “{wanted}” in your folders. Put it into the models folder, or choose another one."
        )


class Catalogue:
    """Scans the user's folders. Files that did not change since the last scan are not read again. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._identified: dict[Path, tuple[str, Identity | CheckpointError]] = {}

    def scan(self) -> Inventory:
        """Scan the folders. To find several entries, use the returned :class:`Inventory`."""
        with self._lock:
            chosen, hashed = overrides.read(self._settings.data), hashing.read(self._settings.data)
            candidates = search_paths.find_candidates(self._settings)
            found, troubles = read_each(candidates.paths, lambda path: self._read(path, chosen, hashed), lambda path: path.name)
            entries: dict[str, CheckpointEntry] = {}
            for path, entry in found.items():
                names = map(name_to_text, search_paths.list_names(candidates.paths[path], path))
                name = next(name for name in names if name not in entries)
                entries[name] = dataclasses.replace(entry, name=name)
            cards = {path / starter_card.FILE: entry.card for path, entry in found.items()}
            for path, card in cards.items():
                troubles.update({path: " ".join(card.troubles)} if card and card.troubles else {})
            refused = MappingProxyType({**candidates.troubles, **troubles})
            whole = tuple(borrow_components(entry, entries.values()) for entry in entries.values())
            return Inventory(settings=self._settings, entries=whole, refused=refused)

    def find(self, wanted: str | None, kind: str = "checkpoint") -> CheckpointEntry:
        """One entry, after a scan; see :meth:`Inventory.find`."""
        return self.scan().find(wanted, kind)

    def _read(
        self, path: Path, chosen: Mapping[str, Override], hashed: Mapping[str, tuple[hashing.Stamp, str]]
    ) -> CheckpointEntry:
        """The entry of a file or folder, without its final name. Raises CheckpointError, or another exception if it is
        malformed."""
        stamp, version = stamp_of(path), version_of(path)
        identity = overrides.apply(self._identify(path, version), chosen.get(str(path), Override()))
        if identity.kind == "unknown":
            raise CheckpointError(f"“{path.name}” is not used: {identity.reason}.")
        return _with_sha256(CheckpointEntry(name="", path=path, identity=identity, stamp=stamp, version=version), hashed)

    def _identify(self, path: Path, version: str) -> Identity:
        """The identity of a file or folder, cached by its version. Raises CheckpointError."""
        known = self._identified.get(path)
        if known is None or known[0] != version:
            known = version, _identity_or_error(path)
            self._identified[path] = known
        if isinstance(known[1], CheckpointError):
            raise CheckpointError(str(known[1]))
        return known[1]


_MATCHES = (
    lambda entry, wanted: entry.name == wanted,
    lambda entry, wanted: not _spell(wanted).isdisjoint((str(entry.path), entry.path.name)),
    lambda entry, wanted: entry.name.casefold() == wanted.casefold() or entry.word == wanted,
    lambda entry, wanted: len(wanted) >= 8 and wanted.lower() in (entry.hash[: len(wanted)], entry.sha256[: len(wanted)]),
)


def _spell(wanted: str) -> set[str]:
    """The spellings that can name a file: as given, and as the page encodes a name that is not valid text."""
    return {wanted, text_to_name(wanted)}


def _with_sha256(entry: CheckpointEntry, hashed: Mapping[str, tuple[hashing.Stamp, str]]) -> CheckpointEntry:
    stamp, sha256 = hashed.get(str(entry.path), ((0, 0), ""))
    return dataclasses.replace(entry, sha256=sha256) if stamp == entry.stamp else entry


def _identity_or_error(path: Path) -> Identity | CheckpointError:
    try:
        return identify(path)
    except CheckpointError as error:
        return error
