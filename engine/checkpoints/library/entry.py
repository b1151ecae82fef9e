"""A file or folder of the user that Easel recognised: a checkpoint, or something that is added to one."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from engine.checkpoints.captioners.tag_list import find_tag_file
from engine.checkpoints.families import BY_NAME, OTHER, TASKS, Family, bundled_config
from engine.checkpoints.families.noise_schedules import NOISE_SCHEDULES
from engine.checkpoints.identify.folders import read_json
from engine.checkpoints.identify.identify import identify
from engine.checkpoints.identify.identity import Identity, Part
from engine.checkpoints.library import overrides
from engine.checkpoints.library.overrides import Override
from engine.checkpoints.library.starter_card import StarterCard, read_card
from engine.checkpoints.library.t5_tokenizer import T5, find_t5_tokenizer
from engine.errors import CheckpointError
from engine.json_values import JsonObject, JsonValue
from engine.safe_text import name_to_text
from engine.settings import Settings
from engine.storage.file_version import Version, digest_versions, read_version
from engine.storage.regular_files import open_regular_file

_MOST_FILES = 10_000
"""The most files of a checkpoint's folder that its stamp covers."""

_MOST_OF_ANYTHING = 10**6
"""No published configuration has a number as large: of layers, channels, timesteps or words."""

_MOST: Mapping[str, int] = {"pos_embed_max_size": 512}
"""Of a setting whose square is kept in memory while the network is built; published ones have up to 384."""

_PIECE = 2**20
"""Bytes that are read at a time."""


@dataclass(frozen=True, kw_only=True)
class CheckpointEntry:
    """A file or folder that Easel recognised.

    ``name`` is its name in requests, as safe text. ``stamp`` is (size, modification time in nanoseconds). ``configs`` is a folder
    with component configurations in diffusers' format, for a single file whose sizes are not its family's; None means the
    published ones. ``sha256`` is that of the whole file, "" for folders and while it is not known (see
    :mod:`engine.checkpoints.library.sha256`). ``version`` is that of :func:`version_of`. ``quick``: whether it stands for the
    checkpoint with :attr:`few_steps` merged into its weights. ``borrowed``: component that it lacks -> the file or folder that it
    is taken from.
    """

    name: str
    path: Path
    identity: Identity
    stamp: tuple[int, int] = (0, 0)
    version: str = ""
    configs: Path | None = None
    sha256: str = ""
    quick: bool = False
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
        borrowed = {name: lender.identity.parts[name] for name, lender in self.borrowed.items()}
        found = {**borrowed, **self.identity.parts}
        return {name: part for name, part in found.items() if name != T5 or self.t5_tokenizer is not None}

    @property
    def parameters(self) -> dict[str, int]:
        """Component -> number of parameters, from the headers."""
        return {name: part.parameters for name, part in self.parts.items()}

    @property
    def t5_tokenizer(self) -> Path | None:
        """The file of T5's tokenizer; None if there is none, or for families without T5."""
        if T5 not in self.family.optional:
            return None
        lender = self.borrowed.get(T5)
        return find_t5_tokenizer(each.path if each.is_folder else each.path.parent for each in (lender, self) if each is not None)

    def config(self, component: str) -> JsonObject:
        """A component's configuration in diffusers' or transformers' format. Raises KeyError if there is no such component, and
        CheckpointError for a number that no component can have."""
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
        _check_numbers(component, found)
        return found


def _check_numbers(component: str, value: JsonValue, name: str = "") -> None:
    """Raise CheckpointError for a number with which a component would take all memory, whatever its weights are."""
    if isinstance(value, dict):
        for key, each in value.items():
            _check_numbers(component, each, key)
    elif isinstance(value, list):
        for each in value:
            _check_numbers(component, each, name)
    elif isinstance(value, int) and abs(value) > _MOST.get(name, _MOST_OF_ANYTHING):
        raise CheckpointError(
            f"The configuration of a part ({component}) is damaged: {value} is no {name[:100]}. Fetch the checkpoint again."
        )


def entry_for(path: Path, settings: Settings | None = None, configs: Path | None = None) -> CheckpointEntry:
    """The entry of a file or folder anywhere. Raises CheckpointError like
    :func:`~engine.checkpoints.identify.identify.identify`."""
    overruled = overrides.read(settings.data) if settings else {}
    identity = overrides.apply(identify(path), overruled.get(str(path), Override()))
    name = name_to_text(path.name if os.path.isdir(path) else path.stem)
    stamp, version = stamp_of(path), version_of(path)
    return CheckpointEntry(name=name, path=path, identity=identity, stamp=stamp, version=version, configs=configs)


def stamp_of(path: Path) -> tuple[int, int]:
    """Size and modification time of a file (with the list of tags of a tagger), or of all files in a checkpoint's folder. Raises
    OSError."""
    stats = _stat_all(path)
    return sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)


def version_of(path: Path) -> str:
    """A text that changes whenever the file, or a file in the checkpoint's folder, is written or replaced, even by one of the
    same size and time. Raises OSError."""
    return digest_versions(_stat_all(path))


def _stat_all(path: Path) -> list[os.stat_result]:
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        listed = find_tag_file(path) if path.suffix.lower() == ".onnx" else None
        return [found, listed.stat()] if listed is not None else [found]
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
        while piece := file.read(_PIECE):
            whole.update(piece)
    return whole.hexdigest()
