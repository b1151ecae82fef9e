"""How the prompt was read, as HTML, and what the starter can draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from engine.prompt.tokenizer import WORD_END
from engine.prompt.tokens import PromptReading, Token, Word
from ui import messages
from ui.common import result_view
from ui.common.checkpoint_options import Repertoire
from ui.server import scripts

EXAMPLES = ("a cat on the beach", "a rocket in space", "two penguins in the snow", "a red balloon at sunset")
"""Prompts that the starter can draw."""

PICK = scripts.on_load("common/prompt_chips.js", ["pick"])


Readings = Mapping[str, PromptReading]
"""One prompt as each text encoder of a checkpoint reads it, by what the encoder is called."""


def summary(prompts: Iterable[Readings], repertoire: Repertoire | None, models: Path) -> str:
    """What should be known before Generate is pressed: the words that the starter was never taught."""
    words = [word.text for readings in prompts for read in readings.values() for word in read.unknown] if repertoire else []
    return result_view.says(messages.unknown_words(list(dict.fromkeys(words)), models)) if words else ""


def listing(prompts: Mapping[str, Readings]) -> str:
    """Each prompt, by its label, as it was read. Text encoders that read it alike are shown once."""
    there = ((escape(label), readings) for label, readings in prompts.items() if readings)
    return "".join(f'<h4 class="read-as">{label}</h4>{_alike(readings)}' for label, readings in there)


def _alike(readings: Readings) -> str:
    if len({tuple(token.id for token in read.tokens) for read in readings.values()}) > 1:
        return "".join(f'<p class="reading">{escape(name)}</p>{tokens(read)}' for name, read in readings.items())
    both = f'<p class="reading">{messages.BOTH_ENCODERS}</p>' if len(readings) > 1 else ""
    return both + tokens(next(iter(readings.values())))


def tokens(read: PromptReading) -> str:
    """Every token in its order, and how many there are; a line is drawn where a part that is read on its own ends.

    Below them: capitals that were lost, words that the vocabulary holds in pieces only, words that it does not hold.
    """
    strange = {word.start for word in read.unknown}
    chunks = ("".join(_word(list(word), strange) for _, word in groupby(chunk, key=attrgetter("word"))) for chunk in read.chunks)
    count = messages.tokens(len(read.tokens), len(read.chunks), read.chunk_length)
    # What is not held at all is not said to be held in pieces too.
    found = {"lowered": read.lowered, "in_pieces": [w for w in read.in_pieces if w not in read.unknown], "unknown": read.unknown}
    said = (_REMARKS[kind](_texts(words)) for kind, words in found.items() if words)
    remarks = "".join(f'<p class="reading">{escape(sentence)}</p>' for sentence in said)
    return f'<p class="reading">{count}</p><div class="tokens">{"<hr>".join(chunks)}</div>{remarks}'


_REMARKS: Mapping[str, Callable[[list[str]], str]] = {
    "lowered": messages.lowered,
    "in_pieces": messages.in_pieces,
    "unknown": messages.not_held,
}
"""What a reading finds -> how to say it."""


def _texts(words: Iterable[Word]) -> list[str]:
    return list(dict.fromkeys(word.text for word in words))


def _word(pieces: list[Token], strange: set[int]) -> str:
    text = escape("·".join(piece.text.removesuffix(WORD_END) for piece in pieces))
    kinds = ["unknown"] if min(piece.start for piece in pieces) in strange else []
    weight = pieces[0].weight
    if weight == 1:
        return f'<span class="{" ".join(kinds)}">{text}</span>'
    return f'<span class="{" ".join([*kinds, "weighted"])}" data-weight="{weight:.2f}">{text}</span>'


def chips(repertoire: Repertoire | None) -> str:
    """Prompts to press, while the starter is chosen."""
    if repertoire is None:
        return ""
    buttons = "".join(f'<button type="button">{escape(prompt)}</button>' for prompt in EXAMPLES)
    return f'<div class="chips"><span class="lead">{messages.EXAMPLES}</span>{buttons}</div>'


def can_draw(repertoire: Repertoire | None) -> str:
    """What the starter was taught, in the words that it knows."""
    if repertoire is None:
        return ""
    parts = (
        ("Things", repertoire.things), ("Places and skies", repertoire.backgrounds), ("Colours", repertoire.colours),
        ("Styles", repertoire.styles),
    )  # fmt: skip
    rows = "".join(f"<dt>{name}</dt><dd>{escape(', '.join(words))}</dd>" for name, words in parts if words)
    return f'<dl class="repertoire">{rows}</dl>'
