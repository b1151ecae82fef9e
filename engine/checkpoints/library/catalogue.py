"""The catalogue of checkpoints, LoRAs, embeddings, VAEs and upscalers in the user's folders, which are only read."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

from engine.checkpoints.families import BY_NAME, OTHER, TASKS, Family, bundled_config
from engine.checkpoints.families.noise_schedules import NOISE_SCHEDULES
from engine.checkpoints.identify.folders import read_json
from engine.checkpoints.identify.identify import identify
from engine.checkpoints.identify.identity import COMPONENT_NAMES, KINDS, Identity, Part
from engine.checkpoints.library import overrides, search_paths, starter_card
from engine.checkpoints.library import sha256 as hashing
from engine.checkpoints.library.companions import (
    T5,
    Companion,
    Found,
    explain_missing,
    find_companions,
    find_t5_tokenizer,
)
from engine.checkpoints.library.lenders import find_lenders, list_missing
from engine.checkpoints.library.overrides import Override
from engine.checkpoints.library.starter_card import StarterCard, read_card
from engine.errors import CheckpointError
from engine.json_values import JsonObject
from engine.safe_text import name_to_text, text_to_name
from engine.settings import Settings
from engine.storage.file_version import Version, digest_versions, read_version
from engine.storage.items import read_each, translate_any_error
from engine.storage.regular_files import open_regular_file

_MOST_FILES = 10_000
"""The most files of a checkpoint's folder that its stamp covers."""


@dataclass(frozen=True, kw_only=True)
class CheckpointEntry:
    """A file or folder that Easel recognised.

    ``name`` is its name in requests, as safe text. ``stamp`` is (size, modification time in nanoseconds). ``configs`` is a folder
    with component configurations in diffusers' format, for a single file whose sizes are not its family's; None means the
    published ones. ``sha256`` is that of the whole file, "" for folders and while it is not known (see
    :mod:`engine.checkpoints.library.sha256`). ``version`` is that of :func:`version_of`. ``quick``: whether it stands for the
    checkpoint with :attr:`few_steps` merged into its weights. ``companions``: component that it lacks -> where it is taken from;
    ``borrowed``: the same for a single file whose components never lie in files of their own -> the entry that has it.
    """

    name: str
    path: Path
    identity: Identity
    stamp: tuple[int, int] = (0, 0)
    version: str = ""
    configs: Path | None = None
    sha256: str = ""
    quick: bool = False
    companions: Mapping[str, Companion] = field(default_factory=dict[str, Companion])
    borrowed: Mapping[str, CheckpointEntry] = field(default_factory=dict[str, "CheckpointEntry"])

    @property
    def family(self) -> Family:
        """Its family, with the checkpoint's own values where it has any."""
        row, card = BY_NAME.get(self.identity.family, OTHER), self.card or StarterCard()
        best = card.few_steps if self.quick else card.defaults
        schedule = NOISE_SCHEDULES.get(self.identity.noise_schedule)
        if schedule is not None:
            row = dataclasses.replace(
                row, noise_schedule=schedule, scheduler=schedule.scheduler, guidance_rescale=schedule.guidance_rescale,
                guidance_scale=schedule.guidance_scale or row.guidance_scale,
            )  # fmt: skip
        return dataclasses.replace(
            row,
            native_size=self.identity.native_size or row.native_size,
            guidance_free=row.guidance_free or self.quick,
            steps=best.steps or row.steps,
            guidance_scale=row.guidance_scale if best.guidance_scale is None else best.guidance_scale,
            sketch_guidance_scale=best.sketch_guidance_scale or row.sketch_guidance_scale,
            negative_guidance_scale=best.negative_guidance_scale or row.negative_guidance_scale,
            scheduler=best.scheduler or row.scheduler,
        )

    @property
    def card(self) -> StarterCard | None:
        """A starter's card; None for any other checkpoint."""
        return read_card(self.path) if self.is_folder else None

    @property
    def few_steps(self) -> Path | None:
        """The LoRA in the checkpoint's folder that lets it generate in few steps without guidance, if there is one."""
        card = self.card
        path = self.path / card.few_steps.lora if card and card.few_steps.lora else None
        return path if path and os.path.isfile(path) else None

    @property
    def for_drafts(self) -> CheckpointEntry:
        """The few-step version, or the checkpoint itself if it has none."""
        return dataclasses.replace(self, quick=True) if self.few_steps else self

    @property
    def word(self) -> str:
        """The word for an embedding in prompts: its file name without extension."""
        return name_to_text(self.path.stem)

    @property
    def is_folder(self) -> bool:
        """Whether it is a diffusers folder."""
        return self.identity.container == "folder"

    @property
    def hash(self) -> str:
        """A SHA-256 in hexadecimal over headers and samples of the weights: fast to compute, and different for different
        weights."""
        lora = self.few_steps if self.quick else None
        return _digest_with(self.identity.digest, lora, read_version(lora)) if lora else self.identity.digest

    @property
    def abilities(self) -> tuple[str, ...]:
        """What it can be used for, in words."""
        return tuple(TASKS[task] for task in self.family.pipelines)

    @property
    def parts(self) -> dict[str, Part]:
        """The components that it runs with, those from elsewhere included."""
        lent = {name: lender.identity.parts[name] for name, lender in self.borrowed.items()}
        found = {**{name: companion.part for name, companion in self.companions.items()}, **lent, **self.identity.parts}
        return {name: part for name, part in found.items() if name != T5 or self.t5_tokenizer is not None}

    @property
    def parameters(self) -> dict[str, int]:
        """Component -> number of parameters, from the headers."""
        return {name: part.parameters for name, part in self.parts.items()}

    @property
    def t5_tokenizer(self) -> Path | None:
        """The file of T5's tokenizer; None if there is none, or for families without T5."""
        if T5 not in self.family.separate:
            return None
        return find_t5_tokenizer(self.path, self.is_folder, self.companions.get(T5))

    @property
    def advice(self) -> tuple[str, ...]:
        """A sentence for each component that it lacks and that can be put beside it."""
        if self.identity.kind != "checkpoint":
            return ()
        return tuple(explain_missing(self.family, {*self.identity.parts, *self.companions}, self.t5_tokenizer))

    def with_companions(self, others: Iterable[CheckpointEntry]) -> CheckpointEntry:
        """The same with what it lacks taken from ``others``."""
        if not self.family.separate:
            return self.with_borrowed(find_lenders(self, others))
        found = (Found(other.name, other.path, other.identity) for other in others)
        return dataclasses.replace(
            self, companions=find_companions(Found(self.name, self.path, self.identity), self.family, found)
        )

    @property
    def location(self) -> tuple[str, str]:
        """Its folder, and its name without extension."""
        return str(self.path.parent), self.path.stem

    def with_borrowed(self, lenders: Mapping[str, CheckpointEntry]) -> CheckpointEntry:
        """The same with components from ``lenders``. A denoiser alone is a checkpoint once it has all of them."""
        missing = list_missing(self.identity)
        if not lenders and self.identity.kind == "unet" and missing:
            advice = f"put a checkpoint of {self.family.label} into the models folder, whose text encoders and VAE it can take"
            return dataclasses.replace(
                self, identity=dataclasses.replace(self.identity, reason=f"{self.identity.reason}; {advice}")
            )
        if not lenders:
            return self
        whole = self.identity.kind == "unet" and not set(missing) - lenders.keys()
        sources = " and ".join(dict.fromkeys(f"“{lender.name}”" for lender in lenders.values()))
        reason = f"{self.identity.reason}; what it lacks is taken from {sources}"
        identity = dataclasses.replace(self.identity, kind="checkpoint" if whole else self.identity.kind, reason=reason)
        return dataclasses.replace(self, identity=identity, borrowed=lenders)

    def explain_borrowed(self) -> str:
        """A sentence about the components that are taken from elsewhere, "" if there are none."""
        parts = [f"{COMPONENT_NAMES.get(name, name)} from “{lender.name}”" for name, lender in self.borrowed.items()]
        return f"“{self.name}” was saved without all parts: it takes its {' and its '.join(parts)}." if parts else ""

    def config(self, component: str) -> JsonObject:
        """A component's configuration in diffusers' or transformers' format. Raises KeyError if there is no such component."""
        folder = self.path if self.is_folder else self.configs
        if folder is None:
            found = bundled_config(self.family, component)
        else:
            names = (folder / component / name for name in ("config.json", "scheduler_config.json", "preprocessor_config.json"))
            path = next((p for p in names if os.path.isfile(p)), None)
            if path is None:
                raise KeyError(component)
            found = read_json(path)
        own = self.identity.configs.get(component, {})
        found = own if "_class_name" in own else {**found, **own}
        if component == "scheduler" and self.identity.prediction_type:
            found = {**found, "prediction_type": self.identity.prediction_type}
        return found


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
                return entry_for(path, self.settings).with_companions(self.entries)
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
            whole = tuple(entry.with_companions(entries.values()) for entry in entries.values())
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


def entry_for(path: Path, settings: Settings | None = None, configs: Path | None = None) -> CheckpointEntry:
    """The entry of a file or folder anywhere. Raises CheckpointError like
    :func:`~engine.checkpoints.identify.identify.identify`."""
    overruled = overrides.read(settings.data) if settings else {}
    identity = overrides.apply(identify(path), overruled.get(str(path), Override()))
    name = name_to_text(path.name if os.path.isdir(path) else path.stem)
    stamp, version = stamp_of(path), version_of(path)
    return CheckpointEntry(name=name, path=path, identity=identity, stamp=stamp, version=version, configs=configs)


def stamp_of(path: Path) -> tuple[int, int]:
    """Size and modification time of a file, or of all files in a checkpoint's folder. Raises OSError."""
    stats = _stat_all(path)
    return sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)


def version_of(path: Path) -> str:
    """A text that changes whenever the file, or a file in the checkpoint's folder, is written or replaced, even by one of the
    same size and time. Raises OSError."""
    return digest_versions(_stat_all(path))


def _stat_all(path: Path) -> list[os.stat_result]:
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        return [found]
    return [each for folder in (path, *_list_folders(path)) for each in _stat_files(folder)]


def _list_folders(folder: Path) -> Iterator[Path]:
    """The sub-folders of a checkpoint's components."""
    with os.scandir(folder) as entries:
        yield from (folder / entry.name for entry in itertools.islice(entries, _MOST_FILES) if os.path.isdir(entry))


def _stat_files(folder: Path) -> Iterator[os.stat_result]:
    with os.scandir(folder) as entries:
        yield from (os.stat(entry) for entry in itertools.islice(entries, _MOST_FILES) if os.path.isfile(entry))


@cache
def _digest_with(digest: str, lora: Path, _version: Version) -> str:
    """The digest of weights with the LoRA in ``lora`` merged in."""
    whole = hashlib.sha256(digest.encode())
    with open_regular_file(lora) as file:
        while piece := file.read(hashing.PIECE):
            whole.update(piece)
    return whole.hexdigest()


def _with_sha256(entry: CheckpointEntry, hashed: Mapping[str, tuple[hashing.Stamp, str]]) -> CheckpointEntry:
    stamp, sha256 = hashed.get(str(entry.path), ((0, 0), ""))
    return dataclasses.replace(entry, sha256=sha256) if stamp == entry.stamp else entry


def _identity_or_error(path: Path) -> Identity | CheckpointError:
    try:
        return identify(path)
    except CheckpointError as error:
        return error
