"""LoRAs and embeddings as cards: a preview, trigger words and notes; pressed, they go into the prompt with a weight."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from engine.checkpoints.families import BASE_MODELS
from engine.checkpoints.identify.identity import KINDS
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.model_notes import ModelNotes, read_notes
from engine.safe_text import make_encodable
from ui import sentences
from ui.common.checkpoint_options import CheckpointOptions
from ui.templates import Macros

CARDS, PREVIEWS = "words/cards", "words/preview"
"""Paths of the cards and of their images, relative to the page."""

KINDS_WITH_CARDS = ("lora", "embedding")

_HTML = Macros("words/view.html")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """A card as the template takes it. ``toggle``: how what it inserts begins, to find it in the prompt; ``search``: all that is
    searched, in small letters; ``broken`` is said where the preview does not load."""

    kind: str
    title: str
    note: str
    insert: str
    toggle: str
    search: str
    preview: str
    broken: str
    words: tuple[str, ...]
    negative: str
    text: str
    troubles: tuple[str, ...]


def render_cards(known: CheckpointOptions, checkpoint: str) -> str:
    """All cards, those that fit the checkpoint first."""
    entries = [entry for kind in KINDS_WITH_CARDS for entry in known.inventory.of_kind(kind)]
    fitting = known.find_fitting(entries, checkpoint)
    notes = read_notes(entries)
    ordered = sorted(entries, key=lambda entry: (entry.name not in fitting, entry.name.casefold()))
    cards = [_create_card(entry, notes[entry.name], entry.name in fitting) for entry in ordered]
    return _HTML.render("cards", items=cards, advice=sentences.no_cards(known.inventory.settings.models))


def _create_card(entry: CheckpointEntry, notes: ModelNotes, fits: bool) -> ModelCard:
    kind, base = entry.identity.kind, BASE_MODELS.get(entry.identity.family)
    weight = f"{notes.weight or 1:g}"
    toggle = f"<lora:{entry.name}:" if kind == "lora" else f"({entry.word}:"
    insert = f"{toggle}{weight}{'>' if kind == 'lora' else ')'}"
    searched = " ".join((entry.name, notes.title, *notes.words, notes.text)).casefold()
    query = urlencode({"kind": kind, "name": make_encodable(entry.name)})
    return ModelCard(
        kind=KINDS[kind],
        title=entry.name if kind == "lora" else entry.word,
        note=notes.title if fits or base is None else sentences.made_for(base.label),
        insert=f"{insert}, {notes.activation}" if notes.activation else insert,
        toggle=toggle,
        search=searched,
        preview=f"{PREVIEWS}?{query}" if notes.preview else "",
        broken=sentences.broken_preview(entry.name),
        words=notes.words,
        negative=notes.negative,
        text=notes.text,
        troubles=notes.troubles,
    )
