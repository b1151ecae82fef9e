"""How a prompt is read: tokens with their weights, in chunks, each with its place in the prompt as written. No torch.

The page calls this while the user types; the engine encodes exactly what it returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import attrgetter

from engine.prompt.grammar import parse
from engine.prompt.tokenizer import WORD_END, PromptTokenizer
from engine.prompt.tree import Break, Lora, Span, Spans

SMALL_VOCABULARY = 10_000
"""Vocabularies below this many entries hold whole words only: a word in pieces means nothing to their checkpoint."""

BACKTRACK = 20
"""A full chunk ends after its last comma if that lies at most this many tokens back (A1111's comma_padding_backtrack)."""


@dataclass(frozen=True)
class Token:
    """One token. ``start`` to ``end`` are characters of the prompt as written; ``word`` counts words from 0.

    ``text`` is the vocabulary's entry without its end-of-word mark. The vectors of one textual-inversion embedding are several
    tokens with the same place and word.
    """

    id: int
    text: str
    weight: float
    start: int
    end: int
    word: int


Chunk = tuple[Token, ...]


@dataclass(frozen=True)
class Word:
    """A word of the prompt as written, from ``start`` to ``end``, and the tokens that it was read as."""

    text: str
    start: int
    end: int
    tokens: tuple[Token, ...]


@dataclass(frozen=True)
class PromptReading:
    """A prompt as one text encoder gets it in one step.

    ``chunks`` are the runs of the text encoder: at least one, maybe empty, none longer than ``chunk_length`` tokens (the start
    and end tokens come on top). ``spans`` is the text that was read; ``silenced`` are the places of the prompt whose tokens were
    replaced by neutral ones.
    """

    text: str
    chunks: tuple[Chunk, ...]
    tokenizer: PromptTokenizer = field(repr=False)
    loras: tuple[Lora, ...] = ()
    spans: Spans = ()
    silenced: tuple[tuple[int, int], ...] = ()

    @property
    def chunk_length(self) -> int:
        """How many tokens a chunk holds."""
        return chunk_length(self.tokenizer)

    @property
    def tokens(self) -> tuple[Token, ...]:
        """All tokens in order."""
        return tuple(token for chunk in self.chunks for token in chunk)

    @property
    def chunk_ends(self) -> tuple[int, ...]:
        """After which character of the prompt each chunk but the last ends."""
        ends, last = [], 0
        for chunk in self.chunks[:-1]:
            last = max((token.end for token in chunk), default=last)
            ends.append(last)
        return tuple(ends)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """Every word, with repetitions. Punctuation counts as words."""
        groups = (tuple(group) for _, group in groupby(self.tokens, key=attrgetter("word")))
        return tuple(_word(self.text, tokens) for tokens in groups)

    @cached_property
    def lowered(self) -> tuple[Word, ...]:
        """Words with capitals, which make no difference: to CLIP "NO WAR" and "no war" are the same."""
        return tuple(word for word in self.words if word.text != word.text.lower() and not self._is_embedding(word))

    @cached_property
    def in_pieces(self) -> tuple[Word, ...]:
        """Words that the vocabulary holds only in pieces. A checkpoint with a large vocabulary may still know them."""
        return tuple(word for word in self.words if len(word.tokens) > 1 and not self._is_embedding(word))

    @cached_property
    def unknown(self) -> tuple[Word, ...]:
        """Words that the vocabulary does not hold, so that the checkpoint has never seen them."""
        whole_words_only = self.tokenizer.size < SMALL_VOCABULARY
        return tuple(word for word in self.words if self._strange(word) or (whole_words_only and word in self.in_pieces))

    def _strange(self, word: Word) -> bool:
        return any(token.id == self.tokenizer.unknown_id for token in word.tokens)

    def _is_embedding(self, word: Word) -> bool:
        return word.tokens[0].id in self.tokenizer.embeddings


def chunk_length(tokenizer: PromptTokenizer) -> int:
    """How many tokens of a prompt one run of the text encoder takes: 75 for all of Stable Diffusion."""
    return tokenizer.max_length - 2


def read_prompt(text: str, tokenizer: PromptTokenizer, *, step: int = 0, steps: int = 1) -> PromptReading:
    """How ``text`` is read in ``step`` of ``steps``. Each of XL's two tokenizers gives a reading of its own."""
    prompt = parse(text)
    return read_spans(text, prompt.at_step(step, steps), tokenizer, loras=prompt.loras)


def read_spans(text: str, spans: Spans, tokenizer: PromptTokenizer, *, loras: tuple[Lora, ...] = ()) -> PromptReading:
    """The reading of ``spans``, which are what ``text`` says in one step."""
    chunks = split_chunks(_units(spans, tokenizer), chunk_length(tokenizer), tokenizer.comma_id)
    return PromptReading(text, chunks, tokenizer, loras, spans)


def split_chunks(units: Iterable[Chunk | Break], length: int, comma: int | None) -> tuple[Chunk, ...]:
    """Cuts tokens into chunks of at most ``length``, where A1111 cuts them.

    A unit (the vectors of an embedding) is kept whole if it fits into a chunk at all. A break ends the chunk, an empty one too.
    """
    done: list[Chunk] = []
    now: list[Token] = []
    for unit in units:
        if isinstance(unit, Break):
            done.append(tuple(now))
            now = []
            continue
        if now and len(now) + len(unit) > length:
            end = _chunk_end(now, unit, length, comma)
            done.append(tuple(now[:end]))
            now = now[end:]
        now += unit
        while len(now) > length:
            done.append(tuple(now[:length]))
            now = now[length:]
    return (*done, tuple(now)) if now or not done else tuple(done)


def _chunk_end(now: list[Token], unit: Chunk, length: int, comma: int | None) -> int:
    """How many of the tokens in a full chunk stay there: up to the last comma, if one is near and another word follows."""
    if len(now) < length or unit[0].id == comma:
        return len(now)
    near = range(len(now) - 1, max(-1, len(now) - BACKTRACK - 1), -1)
    return next((place + 1 for place in near if now[place].id == comma), len(now))


def _units(spans: Spans, tokenizer: PromptTokenizer) -> Iterator[Chunk | Break]:
    """Tokens that stay together, and breaks."""
    words = 0
    for span in spans:
        if isinstance(span, Break):
            yield span
            continue
        pieces = tokenizer.pieces(span.text)
        for piece in pieces:
            start, end = _place(span, piece.start, piece.end)
            ids = tokenizer.embeddings.get(piece.id, (piece.id,))
            text = piece.text.removesuffix(WORD_END)
            yield tuple(Token(id, text, span.weight, start, end, words + piece.word) for id in ids)
        words += pieces[-1].word + 1 if pieces else 0


def _place(span: Span, start: int, end: int) -> tuple[int, int]:
    """Characters of the span as characters of the prompt."""
    if start >= len(span.sources):
        return span.sources[-1] + 1, span.sources[-1] + 1
    return span.sources[start], span.sources[max(start, end - 1)] + 1


def _word(text: str, tokens: Chunk) -> Word:
    start, end = min(token.start for token in tokens), max(token.end for token in tokens)
    return Word(text[start:end], start, end, tokens)
