"""How the prompt was read, as HTML, and what the starter can draw."""

from __future__ import annotations

from html import escape
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from engine.prompt.tokenizer import WORD_END
from engine.prompt.tokens import PromptReading, Token
from ui import messages, stage
from ui.shelf import Repertoire

EXAMPLES = ("a cat on the beach", "a rocket in space", "two penguins in the snow", "a red balloon at sunset")
"""Prompts that the starter can draw."""

PICK = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) trigger('pick', { prompt: button.textContent });
});
"""


def summary(read: PromptReading, repertoire: Repertoire | None, models: Path) -> str:
    """What should be known before Generate is pressed: the words that the starter was never taught."""
    unknown = list(dict.fromkeys(word.text for word in read.unknown)) if repertoire else []
    return stage.says(messages.unknown_words(unknown, models)) if unknown else ""


def tokens(read: PromptReading) -> str:
    """Every token in its order, and how many there are; a line is drawn where a part that is read on its own ends."""
    strange = {word.start for word in read.unknown}
    chunks = ("".join(_word(list(word), strange) for _, word in groupby(chunk, key=attrgetter("word"))) for chunk in read.chunks)
    count = messages.tokens(len(read.tokens), len(read.chunks), read.chunk_length)
    return f'<p class="reading">{count}</p><div class="tokens">{"<hr>".join(chunks)}</div>'


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
