"""What the page needs to know about each checkpoint: its name, what it is best run with, and what the starter can draw."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.checkpoints.families import CONFIGS, DEPTH, TEXT
from engine.checkpoints.library.catalogue import Catalogue, CheckpointEntry
from engine.checkpoints.library.upscalers import BUILT_IN, find_built_in, list_upscalers
from engine.settings import Settings


@dataclass(frozen=True)
class Repertoire:
    """What the starter was taught, in the words that it knows."""

    things: tuple[str, ...]
    backgrounds: tuple[str, ...]
    colours: tuple[str, ...]
    styles: tuple[str, ...] = ()


@dataclass(frozen=True)
class TextEncoder:
    """How a text encoder is called, the folder of its tokenizer, and what fills a prompt up (None: as the folder says).

    ``embeddings``: names of textual inversions that may stand in a prompt, and how many tokens each is.
    """

    label: str
    tokenizer: Path
    pad_token: str | None = None
    embeddings: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint as the form offers it. Sizes are pixels. ``guidance_free`` and ``distilled`` as in
    :func:`engine.negative.effectiveness.why_not`. ``for_drafts`` is its version for few steps, if it brings one.
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
    sketch_guidance_scale: float | None = None
    negative_guidance_scale: float | None = None
    for_drafts: Checkpoint | None = None

    @property
    def over_a_picture(self) -> Checkpoint:
        """The same with what is best where it paints over a picture."""
        return dataclasses.replace(self, guidance_scale=self.sketch_guidance_scale or self.guidance_scale)

    @property
    def against_a_negative(self) -> Checkpoint:
        """The same with what is best where a picture is compared with and without its negative prompt."""
        return dataclasses.replace(self, guidance_scale=self.negative_guidance_scale or self.guidance_scale)


NONE = Checkpoint(
    name="", label="none found", native_size=512, size_multiple=8, steps=25, guidance_scale=7.5, scheduler="DPM++ 2M Karras"
)
"""Offered where the models folder is empty: the engine then says what to do."""


class CheckpointOptions:
    """The checkpoints of the models folder, as they were when somebody last looked."""

    def __init__(self, settings: Settings) -> None:
        self.catalogue = Catalogue(settings)
        self._known: dict[str, Checkpoint] = {}
        self.additions: dict[str, tuple[str, ...]] = {}
        self.look()

    @property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """By name, the one to begin with first; never empty."""
        return self._known

    def names(self) -> tuple[str, ...]:
        """Every checkpoint that there is now, those for other tabs too."""
        return tuple(entry.name for entry in self.catalogue.checkpoints())

    def look(self) -> None:
        """Look again. Checkpoints come and go while Easel runs."""
        embeddings = self.catalogue.of_kind("embedding")
        known = [offered(entry, embeddings) for entry in self.catalogue.checkpoints() if TEXT in entry.family.pipelines]
        self._known = {checkpoint.name: checkpoint for checkpoint in known or [NONE]}
        self.additions = {
            "vae": tuple(entry.name for entry in self.catalogue.of_kind("vae")),
            "lora": tuple(entry.name for entry in self.catalogue.of_kind("lora")),
            "refiner": tuple(e.name for e in self.catalogue.checkpoints() if e.family.is_refiner),
            "upscaler": self._upscalers(),
        }

    def _upscalers(self) -> tuple[str, ...]:
        """The built-in one first."""
        own = (BUILT_IN,) if find_built_in(self.catalogue.of_kind("upscaler")) else ()
        return *own, *(entry.name for entry in list_upscalers(self.catalogue))

    def find(self, name: str | None) -> Checkpoint:
        """The checkpoint of that name; the first one if it is gone."""
        return self._known.get(name or "") or next(iter(self._known.values()))


def offered(entry: CheckpointEntry, embeddings: Sequence[CheckpointEntry] = ()) -> Checkpoint:
    """What the page needs to know of ``entry``; ``embeddings`` are all textual inversions that there are."""
    family = entry.family
    told = _told(entry.path)
    return Checkpoint(
        name=entry.name,
        label=family.label if told else entry.name,
        native_size=family.native_size,
        size_multiple=family.size_multiple,
        steps=family.steps,
        guidance_scale=family.guidance_scale,
        scheduler=family.scheduler,
        guidance_free=family.guidance_free,
        distilled=_distilled(entry),
        text_encoders=tuple(_text_encoders(entry, _fitting(entry, embeddings))),
        repertoire=_repertoire(told) if told else None,
        reads_depth=DEPTH in family.pipelines,
        sketch_guidance_scale=family.sketch_guidance_scale,
        negative_guidance_scale=family.negative_guidance_scale,
        for_drafts=offered(entry.for_drafts, embeddings) if entry.few_steps and not entry.quick else None,
    )


def _told(folder: Path) -> dict[str, Any]:
    """What a starter says of itself; empty for any other checkpoint."""
    try:
        return json.loads((folder / "starter.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _repertoire(told: dict[str, Any]) -> Repertoire:
    named = {kind: tuple(entry["name"] for entry in told.get(kind, ())) for kind in ("things", "backgrounds", "styles")}
    return Repertoire(**named, colours=tuple(told.get("colours", ())))


def _distilled(entry: CheckpointEntry) -> bool:
    """Whether its UNet takes the guidance scale as an input. Pipelines of other kinds have no UNet."""
    try:
        return entry.config("unet").get("time_cond_proj_dim") is not None
    except KeyError:
        return False


_TOKENIZERS = {"tokenizer": "The text encoder", "tokenizer_2": "The second text encoder"}
"""Folder of a tokenizer in a checkpoint -> what to call its text encoder."""


def _fitting(entry: CheckpointEntry, embeddings: Sequence[CheckpointEntry]) -> tuple[tuple[str, int], ...]:
    """Names and lengths of the textual inversions that were made for a checkpoint's base model."""
    base = entry.family.base
    if base is None:
        return ()
    mine = [each for each in embeddings if each.identity.family == base.name]
    return tuple((each.path.stem, max(1, each.parameters["embedding"] // base.token_width)) for each in mine)


def _text_encoders(entry: CheckpointEntry, embeddings: tuple[tuple[str, int], ...]) -> Iterator[TextEncoder]:
    """Each with the checkpoint's own tokenizer, else the one that its family shares. None where only diffusers knows them."""
    if entry.family.loaded_by_diffusers:
        return
    for name, label in _TOKENIZERS.items():
        shared = entry.family.tokenizers.get(name)
        if (entry.path / name).is_dir():
            yield TextEncoder(label, entry.path / name, embeddings=embeddings)
        elif shared is not None:
            yield TextEncoder(label, CONFIGS / shared[0], shared[1], embeddings)
