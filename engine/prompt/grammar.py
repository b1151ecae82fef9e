"""The prompt language: AUTOMATIC1111's, because people's prompts are written in it. No torch.

======================  =====================================================================================
``(word)``              1.1 times the weight; nested brackets multiply
``[word]``              1 / 1.1 times the weight
``(word:1.3)``          1.3 times the weight (any number, a negative one too)
``\\( \\) \\[ \\] \\\\``      the sign itself; so are ``\\: \\| \\< \\>``, which matter only inside brackets and tags
``BREAK``               the rest starts a new chunk
``a AND b:0.5``         several prompts at once: :mod:`engine.prompt.composition` splits them before this module reads them
``# words``             a line that begins so is a comment; ``\\\\#`` is the sign itself
``<word:...>``          any other tag says nothing
``<lora:name:0.8>``     a LoRA; a second number is for the UNet alone, as are ``te=`` and ``unet=``; ``lbw=`` or a list of
                        numbers or a name (``OUTALL``) after the strength: block weights
``[from:to:0.5]``       ``from`` for the first half of the steps, then ``to``; ``[to:0.5]`` and ``[from::0.5]`` likewise
``[from:to:12]``        the same, after 12 steps; a number with a point up to 1 is a share, any other counts steps
``[a:b:-1]``            ``b``; ``[a|b:0.5]`` is neither of both and only weighs less, as there
``[a|b|c]``             takes turns: ``a`` in the first step, ``b`` in the second ...
======================  =====================================================================================

Where this differs from there: a bracket without a partner is text and weighs nothing; a backslash before any other sign stays;
weights end at :data:`~engine.prompt.tree.MAX_WEIGHT`; brackets deeper than :data:`~engine.prompt.tree.MAX_DEPTH` are text;
a LoRA inside a schedule is on at all steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.prompt.block_weights import is_block_weights
from engine.prompt.tree import (
    MAX_DEPTH,
    ROUND,
    SQUARE,
    Alternation,
    Break,
    Group,
    Lora,
    Part,
    Prompt,
    Scheduled,
    Text,
    UnknownTag,
)

_LEXEMES = re.compile(
    r"(?P<comment>^#[^\n]*\n?)"
    r"|(?P<escape>\\[()\[\]\\:|<>#])"
    r"|(?P<lora><(?:lora|lyco):[^<>:]+(?::[^<>]*)?>)"
    r"|(?P<tag><[A-Za-z_]+:[^<>\n]*>)"
    r"|(?P<pause>\bBREAK\b)"
    r"|(?P<sign>[()\[\]:|])"
    r"|(?P<text>[^\\()\[\]:|<B\n]+|.)",
    re.DOTALL | re.MULTILINE,
)
# Nine digits on either side of the point: such numbers are written back exactly, and none overflows.
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}))\s*")
_PARTNER = {")": "(", "]": "["}


@dataclass(frozen=True)
class _Sign:
    """A colon or a bar that may yet turn out to be text."""

    text: str
    source: int


@dataclass
class _Open:
    """An open bracket, and its content so far."""

    bracket: str
    content: list[Part | _Sign] = field(default_factory=list)


def parse(text: str) -> Prompt:
    """The tree of ``text``. Every text has one, because anything that is not syntax is plain text. Takes linear time."""
    lexemes = list(_LEXEMES.finditer(text))
    paired = _find_pairs(lexemes)
    stack = [_Open("")]
    for index, lexeme in enumerate(lexemes):
        if index not in paired:
            stack[-1].content.append(_read_lexeme(lexeme))
        elif lexeme[0] in "([":
            stack.append(_Open(lexeme[0]))
        else:
            closed = stack.pop()
            stack[-1].content.append(_read_bracket(closed))
    return Prompt(_tidy(stack[0].content))


def _find_pairs(lexemes: list[re.Match[str]]) -> set[int]:
    """Indices of the brackets that have a partner and do not lie too deep. A closing bracket takes the nearest of its kind."""
    waiting: list[tuple[int, str]] = []
    count = {"(": 0, "[": 0}
    pairs: list[tuple[int, int]] = []
    for index, lexeme in enumerate(lexemes):
        sign = lexeme["sign"]
        if sign in count:
            waiting.append((index, sign))
            count[sign] += 1
        elif sign in _PARTNER and count[_PARTNER[sign]]:
            start, opened = waiting.pop()
            count[opened] -= 1
            while opened != _PARTNER[sign]:
                start, opened = waiting.pop()
                count[opened] -= 1
            pairs.append((start, index))
    return _drop_deep(pairs)


def _drop_deep(pairs: list[tuple[int, int]]) -> set[int]:
    """The ends of those pairs that lie in fewer than MAX_DEPTH others."""
    kept: set[int] = set()
    around: list[int] = []
    for start, end in sorted(pairs):
        while around and around[-1] < start:
            around.pop()
        if len(around) < MAX_DEPTH:
            kept.update((start, end))
        around.append(end)
    return kept


def _read_lexeme(lexeme: re.Match[str]) -> Part | _Sign:
    """The part for a lexeme that is not a paired bracket."""
    written, start = lexeme[0], lexeme.start()
    match lexeme.lastgroup:
        case "escape":
            return Text(written[1], (start + 1,))
        case "pause":
            return Break()
        case "sign" if written in ":|":
            return _Sign(written, start)
        case "lora":
            return _read_lora(written) or UnknownTag(written)
        case "tag":
            return UnknownTag(written)
        case "comment":
            return Text("")
        case _:
            return _plain(written, start)


def _plain(text: str, start: int) -> Text:
    return Text(text, tuple(range(start, start + len(text))))


def _read_lora(written: str) -> Lora | None:
    """The LoRA of a tag, or None if an argument is neither a strength nor block weights. Named ones of other kinds (the block
    weight extension's ``start``, ``stop`` ...) have no effect."""
    name, *arguments = written[1:-1].split(":")[1:]
    named = dict(a.split("=", 1) for a in arguments if "=" in a)
    placed = [a for a in arguments if "=" not in a]
    blocks = [*(a for a in placed if is_block_weights(a)), *([named["lbw"]] if "lbw" in named else [])]
    first, second = [*(a for a in placed if not is_block_weights(a)), None, None][:2]
    weights = [named.get("te", first), named.get("unet", second)]
    read = [None if w is None else _NUMBER.fullmatch(w) for w in weights]
    if any(w is not None and r is None for w, r in zip(weights, read, strict=True)):
        return None
    if not all(is_block_weights(each) for each in blocks):
        return None
    unused = tuple(f"{key}={value}" for key, value in named.items() if key not in ("te", "unet", "lbw"))
    return Lora(
        name, float(read[0][1]) if read[0] else 1.0, float(read[1][1]) if read[1] else None, next(iter(blocks), ""), unused
    )


def _read_bracket(closed: _Open) -> Part:
    """The part for a pair of brackets."""
    if closed.bracket == "(":
        head, weight = _split_number(closed.content)
        return Group(_tidy(head), float(weight) if weight else ROUND)
    head, switch = _split_number(closed.content)
    sides = _split(head, ":")
    if switch and len(_split(head, "|")) > 1:
        return Group(_tidy(closed.content), SQUARE)
    if switch and len(sides) <= 2:
        before, after = sides if len(sides) == 2 else ([], *sides)
        share = "." in switch and float(switch) <= 1
        return Scheduled(_tidy(before), _tidy(after), float(switch), share)
    options = _split(closed.content, "|")
    if len(options) > 1:
        return Alternation(tuple(_tidy(option) for option in options))
    return Group(_tidy(closed.content), SQUARE)


def _split_number(content: list[Part | _Sign]) -> tuple[list[Part | _Sign], str]:
    """``content`` without a last ``:number``, and the number as written; else all of it and an empty text."""
    if len(content) < 2 or not isinstance(content[-1], Text):
        return content, ""
    sign, read = content[-2], _NUMBER.fullmatch(content[-1].text)
    if isinstance(sign, _Sign) and sign.text == ":" and read:
        return content[:-2], read[1]
    return content, ""


def _split(content: list[Part | _Sign], at: str) -> list[list[Part | _Sign]]:
    pieces: list[list[Part | _Sign]] = [[]]
    for part in content:
        if isinstance(part, _Sign) and part.text == at:
            pieces.append([])
        else:
            pieces[-1].append(part)
    return pieces


def _tidy(content: Iterable[Part | _Sign]) -> tuple[Part, ...]:
    """Signs become text, texts that touch become one, and the white space around a BREAK goes."""
    parts: list[Part] = []
    run: list[Text] = []
    for part in [*content, None]:
        if isinstance(part, _Sign):
            run.append(_plain(part.text, part.source))
        elif isinstance(part, Text):
            run.append(part)
        else:
            start, end = bool(parts) and isinstance(parts[-1], Break), isinstance(part, Break)
            parts += _join_texts(run, strip_start=start, strip_end=end)
            parts += [part] if part is not None else []
            run = []
    return tuple(parts)


def _join_texts(run: list[Text], *, strip_start: bool, strip_end: bool) -> list[Part]:
    whole = "".join(text.text for text in run)
    first = len(whole) - len(whole.lstrip()) if strip_start else 0
    last = len(whole.rstrip()) if strip_end else len(whole)
    if last <= first:
        return []
    sources = tuple(place for text in run for place in text.sources)
    return [Text(whole[first:last], sources[first:last])]
