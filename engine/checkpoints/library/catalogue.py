"""Which checkpoints, LoRAs, embeddings, VAEs and upscalers there are in the user's folders. Read only, and without torch."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from engine.checkpoints.families import BY_NAME, OTHER, TASKS, Family, bundled_config
from engine.checkpoints.identify.folders import read_json
from engine.checkpoints.identify.identify import identify
from engine.checkpoints.identify.identity import KINDS, Identity
from engine.checkpoints.library import overrides, search_paths
from engine.checkpoints.library import sha256 as hashing
from engine.checkpoints.library.overrides import Override
from engine.errors import CheckpointError
from engine.json_values import JsonObject, as_object
from engine.settings import Settings

_OWN = ("steps", "guidance_scale", "sketch_guidance_scale", "negative_guidance_scale", "scheduler")
"""Defaults of a family that a checkpoint may replace with its own."""


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
        best = self._read_starter("few_steps" if self.quick else "defaults")
        changes = {name: best[name] for name in _OWN if name in best}
        free = row.guidance_free or self.quick
        return dataclasses.replace(row, native_size=self.identity.native_size or row.native_size, guidance_free=free, **changes)

    @property
    def few_steps(self) -> Path | None:
        """A LoRA that comes with the checkpoint and lets it make its pictures in few steps without guidance, if one does."""
        name = self._read_starter("few_steps").get("lora")
        return self.path / name if isinstance(name, str) and (self.path / name).is_file() else None

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

    def config(self, component: str) -> JsonObject:
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

    def _read_starter(self, section: str) -> JsonObject:
        """A section of ``starter.json``, which only the starter has; empty for any other checkpoint."""
        path = self.path / "starter.json"
        return as_object(read_json(path).get(section, {})) if self.is_folder and path.is_file() else {}


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What one scan found: ``entries`` in the order of the folders, and by path why the other files are not used.

    It never changes, so any thread may look at it while another scan runs.
    """

    settings: Settings
    entries: tuple[CheckpointEntry, ...]
    refused: Mapping[Path, str]

    def of_kind(self, kind: str) -> list[CheckpointEntry]:
        """Everything of one kind of :class:`~engine.checkpoints.identify.identity.Identity`."""
        return [entry for entry in self.entries if entry.identity.kind == kind]

    def checkpoints(self) -> list[CheckpointEntry]:
        """The checkpoints, the starter first."""
        return sorted(self.of_kind("checkpoint"), key=lambda e: (not e.family.is_bundled, e.name.casefold()))

    def find(self, wanted: str | None, kind: str = "checkpoint") -> CheckpointEntry:
        """The checkpoint (or other kind) called ``wanted``: a name, a path, or the beginning of a hash. None is the first.

        Raises CheckpointError if there is none.
        """
        path = Path(wanted).expanduser() if wanted else None
        if path is not None and path.is_absolute() and path.exists():
            return entry_for(path, self.settings)
        candidates = self.checkpoints() if kind == "checkpoint" else self.of_kind(kind)
        if not wanted:
            if not candidates:
                raise CheckpointError("There is no checkpoint yet: put one into the models folder.")
            return candidates[0]
        found = next((e for match in _MATCHES for e in candidates if match(e, wanted)), None)
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


class Catalogue:
    """Scans the user's folders. A file that did not change since the last scan is not read again. Any thread may use it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._identified: dict[Path, tuple[tuple[int, int], Identity | CheckpointError]] = {}

    def scan(self) -> Inventory:
        """What is in the folders now. Whoever needs several entries asks the returned :class:`Inventory` for each."""
        with self._lock:
            chosen, hashed = overrides.read(self._settings.data), hashing.read(self._settings.data)
            entries: dict[str, CheckpointEntry] = {}
            refused: dict[Path, str] = {}
            for path, root in search_paths.places(self._settings).items():
                stamp = stamp_of(path)
                try:
                    identity = overrides.apply(self._identify(path, stamp), chosen.get(str(path), Override()))
                except CheckpointError as error:
                    refused[path] = str(error)
                    continue
                if identity.kind == "unknown":
                    refused[path] = f"“{path.name}” is not used: {identity.reason}."
                    continue
                name = next(n for n in search_paths.names(root, path) if n not in entries)
                entry = CheckpointEntry(name=name, path=path, identity=identity, stamp=stamp)
                entries[name] = _with_sha256(entry, hashed)
            return Inventory(settings=self._settings, entries=tuple(entries.values()), refused=MappingProxyType(refused))

    def find(self, wanted: str | None, kind: str = "checkpoint") -> CheckpointEntry:
        """One entry, after a scan; see :meth:`Inventory.find`."""
        return self.scan().find(wanted, kind)

    def _identify(self, path: Path, stamp: tuple[int, int]) -> Identity:
        """The identity of a file or folder, from memory if its stamp is the same. Raises CheckpointError."""
        known = self._identified.get(path)
        if known is None or known[0] != stamp:
            known = stamp, _identity_or_error(path)
            self._identified[path] = known
        if isinstance(known[1], CheckpointError):
            raise CheckpointError(str(known[1]))
        return known[1]


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


def _identity_or_error(path: Path) -> Identity | CheckpointError:
    try:
        return identify(path)
    except CheckpointError as error:
        return error
