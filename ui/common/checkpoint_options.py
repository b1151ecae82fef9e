"""What the page needs to know about each checkpoint: its name, its recommended settings, and what the starter can draw."""

from __future__ import annotations

import dataclasses
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from engine.checkpoints.control.purposes import LINES, PURPOSES, find_purpose
from engine.checkpoints.families import CONFIGS, DEPTH, TEXT
from engine.checkpoints.library import overrides
from engine.checkpoints.library.catalogue import Catalogue, Inventory
from engine.checkpoints.library.control_networks import list_controls
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.overrides import Override
from engine.checkpoints.library.upscalers import BUILT_IN, find_built_in, is_diffusion
from engine.generate.samplers import SCHEDULERS, SCHEDULES, split_name
from engine.settings import Settings
from engine.storage.items import read_each


@dataclass(frozen=True)
class Repertoire:
    """What the starter was trained on, in the words that it knows."""

    things: tuple[str, ...]
    backgrounds: tuple[str, ...]
    colours: tuple[str, ...]
    styles: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder's name, the folder of its tokenizer, and its padding token (None: as the folder says).

    ``embeddings``: names of textual inversions that may stand in a prompt, and how many tokens each is.
    """

    label: str
    tokenizer: Path
    pad_token: str | None = None
    embeddings: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint as the form offers it. Sizes are pixels. ``guidance_free`` and ``distilled`` as in
    :func:`engine.negative.effectiveness.explain_no_effect`. ``for_drafts`` is its version for few steps, if it brings one.
    ``runs_itself``: diffusers' own pipeline draws it, which has settings of its own. ``vae`` and ``words_before`` are the user's
    for this checkpoint (:class:`engine.checkpoints.library.overrides.Override`), as may be the steps and the guidance scale.
    ``line_controls`` are the control networks that read drawn lines beside it, the best first.
    """

    name: str
    label: str
    native_size: int
    size_multiple: int
    steps: int
    guidance_scale: float
    scheduler: str
    guidance_free: bool = False
    distilled: bool = False
    text_encoders: tuple[TextEncoder, ...] = ()
    repertoire: Repertoire | None = None
    reads_depth: bool = False
    runs_itself: bool = False
    sketch_guidance_scale: float | None = None
    negative_guidance_scale: float | None = None
    for_drafts: Checkpoint | None = None
    vae: str = ""
    words_before: str = ""
    line_controls: tuple[str, ...] = ()

    @property
    def for_sketches(self) -> Checkpoint:
        """The same checkpoint with its recommended settings for image to image."""
        return dataclasses.replace(self, guidance_scale=self.sketch_guidance_scale or self.guidance_scale)

    @property
    def for_comparisons(self) -> Checkpoint:
        """The same checkpoint with its recommended settings for comparing with and without a negative prompt."""
        return dataclasses.replace(self, guidance_scale=self.negative_guidance_scale or self.guidance_scale)


KEPT = Override()
"""Nothing is overridden."""

NONE = Checkpoint(
    name="", label="none found", native_size=512, size_multiple=8, steps=25, guidance_scale=7.5, scheduler="DPM++ 2M"
)
"""Offered if the models folder is empty; the engine then says what to do."""


class KnownNames(TypedDict):
    """The names that there are here, as :func:`engine.records.recall.recall` takes them. The hashes: SHA-256 -> name."""

    samplers: Collection[str]
    schedules: Collection[str]
    checkpoints: Collection[str]
    hashes: Mapping[str, str]
    loras: Collection[str]
    lora_hashes: Mapping[str, str]
    vaes: Collection[str]
    refiners: Collection[str]
    upscalers: Collection[str]


class CheckpointOptions:
    """The checkpoints in the models folder, as of the last scan."""

    def __init__(self, settings: Settings) -> None:
        self._catalogue, self._scanning = Catalogue(settings), threading.Lock()
        self.inventory = Inventory(settings=settings, entries=(), refused={})
        """What the last scan found."""
        self._entries: dict[str, CheckpointEntry] = {}
        self._known: dict[str, Checkpoint] = {}
        self.additions: dict[str, tuple[str, ...]] = {}
        self._lora_hashes: dict[str, str] = {}
        self.refresh()

    @property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """Checkpoints by name, the default first; never empty."""
        return self._known

    @property
    def names(self) -> tuple[str, ...]:
        """Every checkpoint, including those for other tabs."""
        return tuple(self._entries)

    def refresh(self) -> None:
        """Scan again, because checkpoints come and go while Easel runs."""
        self.scan()

    def scan(self) -> Inventory:
        """Scan the folders again and return everything in them. Callers that come during a scan wait for it and share its
        result."""
        if not self._scanning.acquire(blocking=False):
            with self._scanning:
                return self.inventory
        try:
            return self._scan()
        finally:
            self._scanning.release()

    def _scan(self) -> Inventory:
        inventory = self._catalogue.scan()
        found: dict[str, list[CheckpointEntry]] = defaultdict(list)
        for entry in inventory.entries:
            found[entry.identity.kind].append(entry)
        entries = sorted(found["checkpoint"], key=lambda each: (each.family.name != "starter", each.name.casefold()))
        offered = {entry.name: entry for entry in entries if TEXT in entry.family.pipelines}
        chosen = overrides.read(inventory.settings.data)

        def describe(name: str) -> Checkpoint:
            entry = offered[name]
            described = describe_checkpoint(entry, found["embedding"], chosen.get(str(entry.path), Override()))
            return dataclasses.replace(described, line_controls=_list_line_controls(inventory, entry))

        known, odd = read_each(offered, describe)
        self._entries = {entry.name: entry for entry in entries if entry.name not in odd}
        self._known = known or {NONE.name: NONE}
        self.additions = {
            "vae": tuple(entry.name for entry in found["vae"]),
            "lora": tuple(entry.name for entry in found["lora"]),
            "refiner": tuple(each.name for each in entries if each.family.is_refiner),
            "upscaler": _list_upscalers(found["upscaler"], entries),
        }
        self._lora_hashes = {
            sha256: entry.name for entry in found["lora"] for sha256 in (entry.sha256, entry.identity.weights_sha256) if sha256
        }
        self.inventory = Inventory(
            settings=inventory.settings,
            entries=tuple(entry for entry in inventory.entries if entry.name not in odd),
            refused={**inventory.refused, **{offered[name].path: trouble for name, trouble in odd.items()}},
        )
        return self.inventory

    def find(self, name: str | None) -> Checkpoint:
        """The checkpoint of that name, or the first one if it is gone."""
        return self._known.get(name or "") or next(iter(self._known.values()))

    def find_entry(self, name: str | None) -> CheckpointEntry:
        """The catalogue's entry of that name, without another scan where it is known. Raises CheckpointError."""
        return self._entries.get(name or "") or self._catalogue.find(name)

    def find_fitting(self, entries: Iterable[CheckpointEntry], checkpoint: str) -> frozenset[str]:
        """The names of the LoRAs or embeddings that were made for the base model of a checkpoint, or do not say for which."""
        entry = self._entries.get(checkpoint) or next(iter(self._entries.values()), None)
        base = entry.family.base if entry else None
        return frozenset(each.name for each in entries if base is not None and each.identity.family in ("", base.name))

    def list_controls(self, checkpoint: str | None) -> tuple[CheckpointEntry, ...]:
        """The control networks that work with a checkpoint; those for drawn lines first."""
        entry = self._entries.get(checkpoint or "") or next(iter(self._entries.values()), None)
        return _sort_controls(list_controls(self.inventory, entry)) if entry else ()

    def list_names(self) -> KnownNames:
        """The names of everything that the settings of an image can refer to."""
        return {
            "samplers": tuple(SCHEDULERS),
            "schedules": tuple(SCHEDULES),
            "checkpoints": self.names,
            "hashes": {entry.sha256: entry.name for entry in self._entries.values() if entry.sha256},
            "loras": self.additions["lora"],
            "lora_hashes": self._lora_hashes,
            "vaes": self.additions["vae"],
            "refiners": self.additions["refiner"],
            "upscalers": self.additions["upscaler"],
        }


def _sort_controls(controls: Iterable[CheckpointEntry]) -> tuple[CheckpointEntry, ...]:
    """Those for drawn lines first."""
    order = (*LINES, *PURPOSES, "")
    return tuple(sorted(controls, key=lambda control: order.index(find_purpose(control.path))))


def _list_line_controls(inventory: Inventory, entry: CheckpointEntry) -> tuple[str, ...]:
    """The control networks beside a checkpoint that read lines, or do not say what they read."""
    fitting = _sort_controls(list_controls(inventory, entry))
    return tuple(control.name for control in fitting if find_purpose(control.path) in (*LINES, ""))


def _list_upscalers(networks: Sequence[CheckpointEntry], checkpoints: Sequence[CheckpointEntry]) -> tuple[str, ...]:
    """The built-in one first, then networks, then diffusion upscalers."""
    own = (BUILT_IN,) if find_built_in(networks) else ()
    others = [entry for entry in networks if entry.path.parent.name != BUILT_IN]
    return *own, *(entry.name for entry in (*others, *filter(is_diffusion, checkpoints)))


def describe_checkpoint(
    entry: CheckpointEntry, embeddings: Sequence[CheckpointEntry] = (), chosen: Override = KEPT
) -> Checkpoint:
    """What the page needs to know of ``entry``; ``embeddings`` are all textual inversions that there are."""
    family, scale = entry.family, chosen.guidance_scale
    card = entry.card
    return Checkpoint(
        name=entry.name,
        label=family.label if card else entry.name,
        native_size=family.native_size,
        size_multiple=family.size_multiple,
        steps=chosen.steps or family.steps,
        guidance_scale=family.guidance_scale if scale is None else scale,
        scheduler=family.scheduler if split_name(family.scheduler)[0] in SCHEDULERS else NONE.scheduler,
        guidance_free=family.guidance_free,
        distilled=_is_distilled(entry),
        text_encoders=tuple(_find_text_encoders(entry, _find_embeddings(entry, embeddings))),
        repertoire=Repertoire(card.things, card.backgrounds, card.colours, card.styles, card.words) if card else None,
        reads_depth=DEPTH in family.pipelines,
        runs_itself=family.loaded_by_diffusers,
        sketch_guidance_scale=family.sketch_guidance_scale if scale is None else None,
        negative_guidance_scale=family.negative_guidance_scale if scale is None else None,
        for_drafts=describe_checkpoint(entry.for_drafts, embeddings) if entry.few_steps and not entry.quick else None,
        vae=chosen.vae,
        words_before=chosen.words_before,
    )


def _is_distilled(entry: CheckpointEntry) -> bool:
    """Whether its UNet takes the guidance scale as an input. Pipelines of other kinds have no UNet."""
    try:
        return entry.config(entry.family.denoiser).get("time_cond_proj_dim") is not None
    except KeyError:
        return False


_TOKENIZERS = {"tokenizer": "The text encoder", "tokenizer_2": "The second text encoder"}
"""Folder of a tokenizer in a checkpoint -> what to call its text encoder."""


def _find_embeddings(entry: CheckpointEntry, embeddings: Sequence[CheckpointEntry]) -> tuple[tuple[str, int], ...]:
    """Names and lengths of the textual inversions that were made for a checkpoint's base model."""
    base = entry.family.base
    if base is None:
        return ()
    mine = [each for each in embeddings if each.identity.family == base.name]
    return tuple((each.word, max(1, each.parameters["embedding"] // base.token_width)) for each in mine)


def _find_text_encoders(entry: CheckpointEntry, embeddings: tuple[tuple[str, int], ...]) -> Iterator[TextEncoder]:
    """Each with the checkpoint's own tokenizer, or else the one that its family shares. None if only diffusers knows them."""
    if entry.family.loaded_by_diffusers:
        return
    for name, label in _TOKENIZERS.items():
        shared = entry.family.tokenizers.get(name)
        if (entry.path / name).is_dir():
            yield TextEncoder(label, entry.path / name, embeddings=embeddings)
        elif shared is not None:
            yield TextEncoder(label, CONFIGS / shared[0], shared[1], embeddings)
