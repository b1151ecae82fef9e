"""Which checkpoints, LoRAs, embeddings, VAEs and upscalers there are in the user's folders. Read only, and without torch."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.checkpoints.families import BY_NAME, OTHER, TASKS, Family, bundled_config
from engine.checkpoints.identify.folders import read_json
from engine.checkpoints.identify.identify import identify
from engine.checkpoints.identify.identity import KINDS, Identity
from engine.checkpoints.library import overrides, search_paths
from engine.checkpoints.library import sha256 as hashing
from engine.checkpoints.library.overrides import Override
from engine.errors import CheckpointError
from engine.settings import Settings

_OWN = ("steps", "guidance_scale", "sketch_guidance_scale", "negative_guidance_scale", "scheduler")
"""What a checkpoint may say better for itself."""


@dataclass(frozen=True, kw_only=True)
class CheckpointEntry:
    """A file or folder that Easel recognised.

    ``name`` is what requests call it. ``stamp`` is (size, modification time in nanoseconds). ``configs`` is a folder with
    component configurations in diffusers' layout, for a single file whose sizes are not its family's; None takes the
    published ones. ``sha256`` is that of the whole file, "" for folders and while it is not known (see
    :mod:`engine.checkpoints.library.sha256`). ``quick``: the version with :attr:`few_steps` in its weights is meant.
    """

    name: str
    path: Path
    identity: Identity
    stamp: tuple[int, int] = (0, 0)
    configs: Path | None = None
    sha256: str = ""
    quick: bool = False

    @property
    def family(self) -> Family:
        """The row of the table that it belongs to, with what the checkpoint says better for itself."""
        row = BY_NAME.get(self.identity.family, OTHER)
        told = self._told
        best = told.get("few_steps", {}) if self.quick else told.get("defaults", {})
        changes = {name: best[name] for name in _OWN if name in best}
        free = row.guidance_free or self.quick
        return dataclasses.replace(row, native_size=self.identity.native_size or row.native_size, guidance_free=free, **changes)

    @property
    def _told(self) -> dict[str, Any]:
        """What a starter says of itself; empty for any other checkpoint."""
        told = self.path / "starter.json"
        return read_json(told) if self.is_folder and told.is_file() else {}

    @property
    def few_steps(self) -> Path | None:
        """A LoRA that comes with the checkpoint and lets it make its pictures in few steps without guidance, if one does."""
        name = self._told.get("few_steps", {}).get("lora", "")
        return self.path / name if name and (self.path / name).is_file() else None

    @property
    def for_drafts(self) -> CheckpointEntry:
        """The few-step version, or the checkpoint itself if it has none."""
        return dataclasses.replace(self, quick=True) if self.few_steps else self

    @property
    def is_folder(self) -> bool:
        """Whether it is a diffusers folder."""
        return self.identity.container == "folder"

    @property
    def hash(self) -> str:
        """A SHA-256 in hexadecimal over the headers and samples of the weights: quick to have, another for other weights."""
        lora = self.few_steps if self.quick else None
        return _digest_with(self.identity.digest, lora, self.stamp) if lora else self.identity.digest

    @property
    def abilities(self) -> tuple[str, ...]:
        """What it can do, in words."""
        return tuple(TASKS[task] for task in self.family.pipelines)

    @property
    def parameters(self) -> dict[str, int]:
        """How many numbers each component has, from the headers."""
        return self.identity.parameters

    def config(self, component: str) -> dict[str, Any]:
        """The configuration of a component, as diffusers or transformers writes it. Raises KeyError if it has no such part."""
        folder = self.path if self.is_folder else self.configs
        if folder is None:
            found = bundled_config(self.family, component)
        else:
            names = (folder / component / name for name in ("config.json", "scheduler_config.json", "preprocessor_config.json"))
            path = next((p for p in names if p.is_file()), None)
            if path is None:
                raise KeyError(component)
            found = read_json(path)
        if component == "scheduler" and self.identity.prediction_type:
            found = {**found, "prediction_type": self.identity.prediction_type}
        return found


class Catalogue:
    """What there is. Scans when asked; a file that did not change is not looked into again.

    ``find`` and the lists may be called from any thread.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[tuple[int, int], Identity | CheckpointError]] = {}
        self._entries: dict[str, CheckpointEntry] = {}
        self.refused: dict[Path, str] = {}

    def scan(self) -> tuple[CheckpointEntry, ...]:
        """Everything that was recognised, in the order of the folders. ``refused`` then says why the others were not."""
        with self._lock:
            overruled, hashed = overrides.read(self._settings.data), hashing.read(self._settings.data)
            entries: dict[str, CheckpointEntry] = {}
            self.refused = {}
            for path, root in search_paths.places(self._settings).items():
                self._add(entries, root, path, overruled)
            entries = {name: _with_sha256(entry, hashed) for name, entry in entries.items()}
            self._entries = entries
            return tuple(entries.values())

    def of_kind(self, kind: str) -> list[CheckpointEntry]:
        """Everything of one kind of :class:`~engine.checkpoints.identify.identity.Identity`."""
        return [entry for entry in self.scan() if entry.identity.kind == kind]

    def checkpoints(self) -> list[CheckpointEntry]:
        """The checkpoints, the starter first."""
        return sorted(self.of_kind("checkpoint"), key=lambda e: (not e.family.is_bundled, e.name.casefold()))

    def find(self, wanted: str | None, kind: str = "checkpoint") -> CheckpointEntry:
        """The checkpoint (or other kind) called ``wanted``: a name, a path, or the beginning of a hash. None is the first.

        Raises CheckpointError if there is none.
        """
        path = Path(wanted).expanduser() if wanted else None
        if path is not None and path.is_absolute() and path.exists():
            return entry_for(path, self._settings)
        there = self.checkpoints() if kind == "checkpoint" else self.of_kind(kind)
        if not wanted:
            if not there:
                raise CheckpointError("There is no checkpoint yet: put one into the models folder.")
            return there[0]
        found = next((e for match in _MATCHES for e in there if match(e, wanted)), None)
        if found is not None:
            return found
        raise self._missing(wanted, kind)

    def _missing(self, wanted: str, kind: str) -> CheckpointError:
        for path, why in self.refused.items():
            if wanted in (path.name, path.stem):
                return CheckpointError(why)
        return CheckpointError(
            f"There is no {KINDS[kind]} called “{wanted}” in your folders. Put it into the models folder, or choose another one."
        )

    def _add(self, entries: dict[str, CheckpointEntry], root: Path, path: Path, overruled: Mapping[str, Override]) -> None:
        stamp = stamp_of(path)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = stamp, _identified(path)
            self._known[path] = known
        if isinstance(known[1], CheckpointError):
            self.refused[path] = str(known[1])
            return
        identity = overrides.apply(known[1], overruled.get(str(path), Override()))
        if identity.kind == "unknown":
            self.refused[path] = f"“{path.name}” is not used: {identity.reason}."
            return
        name = next(n for n in search_paths.names(root, path) if n not in entries)
        entries[name] = CheckpointEntry(name=name, path=path, identity=identity, stamp=stamp)


_MATCHES = (
    lambda entry, wanted: entry.name == wanted,
    lambda entry, wanted: str(entry.path) == wanted or entry.path.name == wanted,
    lambda entry, wanted: entry.name.casefold() == wanted.casefold() or entry.path.stem == wanted,
    lambda entry, wanted: len(wanted) >= 8 and wanted.lower() in (entry.hash[: len(wanted)], entry.sha256[: len(wanted)]),
)


def entry_for(path: Path, settings: Settings | None = None, configs: Path | None = None) -> CheckpointEntry:
    """An entry for one file or folder anywhere. Raises CheckpointError as
    :func:`~engine.checkpoints.identify.identify.identify` does."""
    overruled = overrides.read(settings.data) if settings else {}
    identity = overrides.apply(identify(path), overruled.get(str(path), Override()))
    return CheckpointEntry(name=path.stem if path.is_file() else path.name, path=path, identity=identity, stamp=stamp_of(path),
                           configs=configs)  # fmt: skip


def stamp_of(path: Path) -> tuple[int, int]:
    """Size and modification time: of a file, or of all files of a folder together."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    stats = [f.stat() for f in files]
    return sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)


@cache
def _digest_with(digest: str, lora: Path, _stamp: tuple[int, int]) -> str:
    """Of weights that have the file ``lora`` in them."""
    return hashlib.sha256(digest.encode() + lora.read_bytes()).hexdigest()


def _with_sha256(entry: CheckpointEntry, hashed: Mapping[str, tuple[hashing.Stamp, str]]) -> CheckpointEntry:
    stamp, sha256 = hashed.get(str(entry.path), ((0, 0), ""))
    return dataclasses.replace(entry, sha256=sha256) if stamp == entry.stamp else entry


def _identified(path: Path) -> Identity | CheckpointError:
    try:
        return identify(path)
    except CheckpointError as error:
        return error
