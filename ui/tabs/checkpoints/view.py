"""The files in the user's folders, as HTML: a table for each kind of file, and why the others are not used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from engine.checkpoints.families import BASE_MODELS, BY_NAME
from engine.checkpoints.families.tiny_vaes import LATENTS, find_alternatives
from engine.checkpoints.identify.tiny_vae import TINY_VAE
from engine.checkpoints.library import overrides
from engine.checkpoints.library.borrowing import explain_missing
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.overrides import Override
from engine.checkpoints.library.upscalers import BUILT_IN
from engine.safe_text import name_to_text
from ui import messages, sentences
from ui.formatting import format_size
from ui.server import scripts
from ui.templates import Macros

GROUPS: tuple[tuple[str, str], ...] = (
    ("checkpoint", "Checkpoints"), ("lora", "LoRAs"), ("embedding", "Embeddings"), ("vae", "VAEs"),
    (TINY_VAE, "Tiny autoencoders (TAESD)"),
    ("controlnet", "ControlNets"), ("text_encoder", "Text encoders"), ("upscaler", "Upscalers"), ("cleaner", "Cleaners"),
    ("captioner", "Captioners"),
)  # fmt: skip
"""Kind of file -> the heading over its table, in the order of the page."""

ON_LOAD = scripts.on_load("tabs/checkpoints/inventory.js", ["choose", "trash"])
"""A choice in a row becomes an event of the table: the entry's name, and all that is chosen for it.

(Gradio takes whatever is called ``path`` for an uploaded file.)
"""

_PRECISIONS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float8_e4m3fn": "fp8", "float8_e5m2": "fp8"}
_PREDICTIONS = {"epsilon": "the noise (epsilon)", "v_prediction": "v", "sample": "the picture"}

_HTML = Macros("tabs/checkpoints/view.html")

Overrides = Mapping[str, Override]
"""The user's overrides, by path (:mod:`engine.checkpoints.library.overrides`)."""


@dataclass(frozen=True)
class Option:
    """One line of a choice."""

    value: str
    text: str
    selected: bool


@dataclass(frozen=True)
class OverrideChoice:
    """The overrides that a user may choose for a file."""

    name: str
    label: str
    options: list[Option]


@dataclass(frozen=True)
class DefaultField:
    """A default of a checkpoint that is typed; ``placeholder`` is what the checkpoint says itself."""

    name: str
    label: str
    value: str
    placeholder: str


@dataclass(frozen=True)
class FileRow:
    """A file as the table shows it; ``folder`` are the parts of its folder's path."""

    name: str
    abilities: str
    kind: str
    reason: str
    choices: list[OverrideChoice]
    defaults: list[DefaultField]
    hashes: list[str]
    size: str
    precision: str
    path: str
    folder: list[str]
    question: str


@dataclass(frozen=True)
class FileTable:
    """The files of one kind."""

    heading: str
    rows: list[FileRow]


def render_inventory(entries: Sequence[CheckpointEntry], refused: Mapping[Path, str], chosen: Overrides, models: Path) -> Markup:
    """All files found, and those that are not used, each with the reason. ``models`` is Easel's own folder of them."""
    vaes = [entry.name for entry in entries if entry.identity.kind == "vae"]
    tables = [
        FileTable(
            heading,
            [
                _create_row(entry, chosen.get(str(entry.path), Override()), vaes, models)
                for entry in entries
                if entry.identity.kind == kind
            ],
        )
        for kind, heading in GROUPS
    ]
    shown = {kind for kind, _ in GROUPS}
    others = [sentences.unused_file(each.name, each.identity.reason) for each in entries if each.identity.kind not in shown]
    return _HTML.render("inventory", tables=[table for table in tables if table.rows], refused=[*refused.values(), *others])


def _create_row(entry: CheckpointEntry, chosen: Override, vaes: Sequence[str], models: Path) -> FileRow:
    identity = entry.identity
    hashes = [sentences.quick_hash(identity.digest)] if identity.digest else []
    hashes += [sentences.full_hash(entry.sha256)] if entry.sha256 else []
    return FileRow(
        name=entry.name,
        abilities=_list_abilities(entry),
        kind=_describe_kind(entry),
        reason=" ".join((sentences.recognition(identity.reason), *explain_missing(entry))),
        choices=list(_list_choices(entry, chosen, vaes)),
        defaults=list(_list_defaults(entry, chosen)),
        hashes=hashes,
        size=format_size(entry.stamp[0]),
        precision=_PRECISIONS.get(identity.dtype, identity.dtype) or "–",
        path=name_to_text(str(entry.path)),
        folder=_shorten_folder(entry.path).split("/"),
        question=sentences.trash_question(entry.name, format_size(entry.stamp[0])) if can_trash(entry, models) else "",
    )


def _describe_kind(entry: CheckpointEntry) -> str:
    identity = entry.identity
    if identity.kind == "checkpoint":
        return entry.family.label
    if identity.kind == TINY_VAE:
        return f"for {LATENTS[identity.family]}" if identity.family in LATENTS else messages.FOR_UNKNOWN_FAMILY
    base = BASE_MODELS.get(identity.family)
    return f"for {base.label}" if base else identity.reason.removeprefix("a ").removeprefix("an ")


def _list_abilities(entry: CheckpointEntry) -> str:
    if entry.identity.kind != "checkpoint":
        return ""
    return ", ".join(entry.abilities) or messages.NO_ABILITY


def _list_choices(entry: CheckpointEntry, chosen: Override, vaes: Sequence[str]) -> Iterator[OverrideChoice]:
    offers = (
        ("family", messages.IS_A, chosen.family, _list_families(entry)),
        ("prediction_type", messages.PREDICTS, chosen.prediction_type, _list_predictions(entry)),
        ("vae", messages.USUAL_VAE, chosen.vae, {name: name for name in vaes} if has_defaults(entry) else {}),
    )
    for name, label, wanted, offered in offers:
        if offered:
            texts = {"": messages.AS_FOUND, **offered}
            yield OverrideChoice(name, label, [Option(value, text, value == wanted) for value, text in texts.items()])


def can_trash(entry: CheckpointEntry, models: Path) -> bool:
    """Whether a file is one that Easel may move to the trash: in its own folder, not there by a link, and not part of Easel."""
    if entry.family.is_bundled or entry.path.is_symlink() or BUILT_IN in entry.path.parts:
        return False
    return entry.path != models and entry.path.resolve().is_relative_to(models.resolve())


def has_defaults(entry: CheckpointEntry) -> bool:
    """Whether a user may choose what the page fills in for it."""
    return entry.identity.kind == "checkpoint" and not entry.family.loaded_by_diffusers


def _list_defaults(entry: CheckpointEntry, chosen: Override) -> Iterator[DefaultField]:
    if not has_defaults(entry):
        return
    scale = "" if chosen.guidance_scale is None else f"{chosen.guidance_scale:g}"
    yield DefaultField("steps", messages.USUAL_STEPS, f"{chosen.steps or ''}", str(entry.family.steps))
    yield DefaultField("guidance_scale", messages.USUAL_GUIDANCE, scale, f"{entry.family.guidance_scale:g}")
    yield DefaultField("words_before", messages.WORDS_BEFORE, chosen.words_before, messages.NO_WORDS_BEFORE)


def _list_families(entry: CheckpointEntry) -> dict[str, str]:
    if entry.identity.kind == TINY_VAE:
        return {name: f"for {LATENTS[name]}" for name in find_alternatives(entry.identity.family)}
    return {name: BY_NAME[name].label for name in overrides.alternatives(entry.identity.family)}


def _list_predictions(entry: CheckpointEntry) -> dict[str, str]:
    diffusion = entry.identity.kind == "checkpoint" and entry.family.prediction_type_varies
    return {name: _PREDICTIONS[name] for name in overrides.PREDICTION_TYPES} if diffusion else {}


def _shorten_folder(path: Path) -> str:
    """The folder, shortened from the left."""
    parts = path.parent.parts[-3:]
    short = Path(*parts).as_posix()
    return short if len(path.parent.parts) <= 3 else f"…/{short}"
