"""``a AND b:0.5``: a picture that follows several prompts at once, each with a weight. No torch.

Composable diffusion (Liu et al. 2022, arXiv 2206.01714) in the form of AUTOMATIC1111's program. ``AND`` splits the text wherever
it stands, inside brackets too, so a bracket that it cuts open is text. A number after the last colon of a part is its weight, 1
without one, and may be negative.

Where this differs from there: a prompt without ``AND`` keeps its last ``:number``; weights end at
:data:`~engine.prompt.tree.MAX_WEIGHT`; a part of weight 0 is left out, which saves its pass and changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.prompt.tree import MAX_WEIGHT

_LEXEMES = re.compile(
    r"(?P<comment>^#[^\n]*\n?)|(?P<escape>\\.)|(?P<tag><[A-Za-z_]+:[^<>]*>)|(?P<and>\bAND\b)|(?P<text>\w+|.)",
    re.DOTALL | re.MULTILINE,
)
_WEIGHT = re.compile(r"\s*:\s*([+-]?(?:[0-9]{1,9}\.?[0-9]{0,9}|\.[0-9]{1,9}))\s*\Z")


@dataclass(frozen=True)
class Subprompt:
    """One part of a prompt: its text, in the prompt language, and its weight."""

    text: str
    weight: float = 1.0


def split_prompt(text: str) -> tuple[Subprompt, ...]:
    """The parts of a prompt that are predicted on their own: one without ``AND``, and never none."""
    parts: list[list[re.Match[str]]] = [[]]
    for lexeme in _LEXEMES.finditer(text):
        if lexeme.lastgroup == "and":
            parts.append([])
        else:
            parts[-1].append(lexeme)
    if len(parts) == 1:
        return (Subprompt(text),)
    every = [_read_part(lexemes) for lexemes in parts]
    return tuple(part for part in every if part.weight != 0) or tuple(every[:1])


def is_composed(text: str) -> bool:
    """Whether the parts of a prompt need the prediction without it, whatever the CFG scale is."""
    return [part.weight for part in split_prompt(text)] != [1.0]


def _read_part(lexemes: list[re.Match[str]]) -> Subprompt:
    """A part, with the weight taken out of its text. Tags and comments may stand after the weight."""
    said = "".join(_hide(lexeme) for lexeme in lexemes)
    written = "".join(lexeme[0] for lexeme in lexemes)
    found = _WEIGHT.search(said)
    if found is None:
        return Subprompt(written)
    rest = written[: found.start()] + written[found.end(1) :]
    return Subprompt(rest, max(-MAX_WEIGHT, min(MAX_WEIGHT, float(found[1]))))


def _hide(lexeme: re.Match[str]) -> str:
    """A lexeme as the search for the weight sees it, of the same length: tags and comments are blank, an escape is a letter."""
    match lexeme.lastgroup:
        case "tag" | "comment":
            return " " * len(lexeme[0])
        case "escape":
            return "x" * len(lexeme[0])
        case _:
            return lexeme[0]
