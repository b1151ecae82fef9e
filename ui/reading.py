"""How the prompt was read, as HTML, and what the starter can draw."""

from __future__ import annotations

from html import escape
from itertools import groupby
from pathlib import Path

from engine.prompt.tokenizer import WORD_END
from engine.prompt.tokens import PromptReading, Token
from ui import messages, stage
from ui.shelf import Repertoire

EXAMPLES = (
    "a cat on the beach",
    "a red balloon above the sea at sunset",
    "two penguins in the snow",
    "a castle in the mountains at night",
    "a rocket in space",
)
"""Prompts that the starter can draw."""

PICK = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) trigger('pick', { prompt: button.textContent });
});
"""


def summary(read: PromptReading, repertoire: Repertoire | None, models: Path) -> str:
    """One line under the prompt: its length, and the words that the starter does not know."""
    if not read.tokens:
        return ""
    line = f'<p class="reading">{messages.tokens(len(read.tokens), len(read.chunks), read.chunk_length)}</p>'
    unknown = list(dict.fromkeys(word.text for word in read.unknown))
    return line + (stage.says(messages.unknown_words(unknown, models)) if unknown and repertoire else "")


def tokens(read: PromptReading) -> str:
    """Every token in its order; a line is drawn where a part that is read on its own ends."""
    strange = {word.start for word in read.unknown}
    chunks = ("".join(_word(list(word), strange) for _, word in groupby(chunk, key=lambda token: token.word)) for chunk in read.chunks)
    return f'<div class="tokens">{"<hr>".join(chunks)}</div>'


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
    parts = (("Things", repertoire.things), ("Places and skies", repertoire.backgrounds), ("Colours", repertoire.colours))
    rows = "".join(f"<dt>{name}</dt><dd>{escape(', '.join(words))}</dd>" for name, words in parts)
    return f'<dl class="repertoire">{rows}</dl>'
