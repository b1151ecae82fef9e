"""How the prompts were read by a checkpoint's text encoders, as HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from markupsafe import Markup

from engine.prompt.composition import is_composed, split_prompt
from engine.prompt.tokenizer import WORD_END, load_tokenizer
from engine.prompt.tokens import PromptReading, Token, Word, read_prompt
from ui import messages, sentences
from ui.common.checkpoint_options import Checkpoint
from ui.templates import Macros, render_notice

Readings = Mapping[str, PromptReading]
"""One prompt as each text encoder of a checkpoint reads it, by the encoder's name."""

_HTML = Macros("words/prompt_reading.html")


@dataclass(frozen=True)
class ShownWord:
    """A word as the template takes it; ``weight`` is "" for the usual one."""

    text: str
    classes: str
    weight: str


@dataclass(frozen=True)
class ShownReading:
    """A prompt as one text encoder read it, in sentences; ``title`` names the encoder where that needs to be said."""

    title: str
    count: str
    parts: list[list[ShownWord]]
    remarks: list[str]


@dataclass(frozen=True)
class ShownPrompt:
    """A prompt with its label."""

    label: str
    readings: list[ShownReading]


def label_parts(label: str, prompt: str) -> dict[str, str]:
    """The texts that are read on their own, by what is written above them: one, or each part of a composed prompt."""
    parts = split_prompt(prompt)
    if not is_composed(prompt):
        return {label: parts[0].text}
    return {sentences.prompt_part(label, number, part.weight): part.text for number, part in enumerate(parts, 1)}


def read_with_checkpoint(text: str, checkpoint: Checkpoint) -> Readings:
    """How each text encoder of a checkpoint reads ``text``. Raises EaselError for a prompt that cannot be parsed."""
    tokenizers = {
        each.label: load_tokenizer(each.tokenizer, pad_token=each.pad_token, embeddings=each.embeddings)
        for each in checkpoint.text_encoders
    }
    return {label: read_prompt(text, tokenizer) for label, tokenizer in tokenizers.items()}


def render_warning(prompts: Iterable[Readings], checkpoint: Checkpoint, models: Path) -> str:
    """The warning before Generate is pressed: words that the starter was not trained on."""
    if checkpoint.repertoire is None:
        return ""
    words = [word.text for readings in prompts for read in readings.values() for word in read.unknown]
    return render_notice(sentences.unknown_words(list(dict.fromkeys(words)), models)) if words else ""


def render_readings(prompts: Mapping[str, Readings]) -> Markup:
    """Each prompt, by its label, as it was read. Text encoders that read it alike are shown once."""
    shown = [ShownPrompt(label, list(_show_readings(readings))) for label, readings in prompts.items() if readings]
    return _HTML.render("listing", prompts=shown)


def _show_readings(readings: Readings) -> Iterator[ShownReading]:
    if len({tuple(token.id for token in read.tokens) for read in readings.values()}) > 1:
        yield from (_show_reading(read, name) for name, read in readings.items())
        return
    both = messages.BOTH_ENCODERS if len(readings) > 1 else ""
    yield _show_reading(next(iter(readings.values())), both)


def _show_reading(read: PromptReading, title: str) -> ShownReading:
    """Every token in its order, and how many there are.

    Below them: capitals that make no difference, words split into several tokens, words that are not in the vocabulary.
    """
    strange = {word.start for word in read.unknown}
    # Words that are not in the vocabulary at all are not also listed as split.
    found = {"lowered": read.lowered, "in_pieces": [w for w in read.in_pieces if w not in read.unknown], "unknown": read.unknown}
    return ShownReading(
        title=title,
        count=sentences.token_count(len(read.tokens), len(read.chunks), read.chunk_length),
        parts=[[_show_word(list(word), strange) for _, word in groupby(part, key=attrgetter("word"))] for part in read.chunks],
        remarks=[_REMARKS[kind](_list_texts(words)) for kind, words in found.items() if words],
    )


_REMARKS: Mapping[str, Callable[[list[str]], str]] = {
    "lowered": sentences.lowered_words,
    "in_pieces": sentences.split_words,
    "unknown": sentences.missing_words,
}
"""What a reading finds -> the sentence about it."""


def _list_texts(words: Iterable[Word]) -> list[str]:
    return list(dict.fromkeys(word.text for word in words))


def _show_word(pieces: list[Token], strange: set[int]) -> ShownWord:
    weight = pieces[0].weight
    classes = ["unknown"] if min(piece.start for piece in pieces) in strange else []
    classes += ["weighted"] if weight != 1 else []
    text = "·".join(piece.text.removesuffix(WORD_END) for piece in pieces)
    return ShownWord(text, " ".join(classes), "" if weight == 1 else f"{weight:.2f}")
