"""Encodes prompt and negative for each step of a run: schedules, alternation and composed parts, all of one length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from engine.prompt.composition import split_prompt
from engine.prompt.encoding.t5 import LENGTH, WORDS, T5Part
from engine.prompt.encoding.text_encoders import (
    Encoder,
    Encoding,
    EncodingCache,
    Guard,
    TextEncoders,
    TextPart,
    find_t5,
    text_parts,
)
from engine.prompt.grammar import parse
from engine.prompt.terms import Place, neutralise
from engine.prompt.tokens import PromptReading, read_spans
from engine.prompt.tree import Spans


@dataclass(frozen=True)
class PromptEncodings:
    """Prompt and negative for each step. ``turns``: ``(until, positive, negative)``, each for the steps below ``until``.

    ``weights`` are those of the prompt's parts (see :mod:`engine.prompt.composition`). ``notices`` says what was not read.
    """

    turns: tuple[tuple[int, Encoding, Encoding | None], ...]
    weights: tuple[float, ...] = (1.0,)
    notices: tuple[str, ...] = ()

    def at(self, step: int) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Prompt, negative, pooled prompt, pooled negative for ``step`` (from 0): a row for each part, one negative.

        The negatives are None without guidance, the pooled ones without XL. Later steps than asked for get the last.
        """
        _, positive, negative = next((turn for turn in self.turns if step < turn[0]), self.turns[-1])
        if negative is None:
            return positive.embeds, None, positive.pooled, None
        return positive.embeds, negative.embeds, positive.pooled, negative.pooled


def encode_pair(
    encoders: TextEncoders,
    prompt: str,
    negative: str,
    *,
    steps: int,
    clip_skip: int,
    guidance: bool,
    cache: EncodingCache,
    guard: Guard | None = None,
    neutral: Sequence[Place] = (),
) -> PromptEncodings:
    """Prompt and negative as the UNet of a checkpoint takes them at each of ``steps`` steps, all of one length.

    ``clip_skip`` of 0 or 1 is the last layer, 2 the one before. Without ``guidance`` the negative is not encoded, unless the
    prompt is composed, because its parts are added to the prediction of the negative. ``neutral`` are places in the
    negative (see :func:`~engine.prompt.terms.find_terms`) whose tokens are replaced by neutral ones, so that the others keep
    their places. A blank negative is all zeros where the checkpoint asks for that (XL's base).
    """
    parts = text_parts(encoders)
    encoder = Encoder(parts, clip_skip, cache, guard, find_t5(encoders))
    subprompts = split_prompt(prompt)
    weights = tuple(subprompt.weight for subprompt in subprompts)
    guidance = guidance or weights != (1.0,)
    positives = [_read_all(subprompt.text, parts, steps) for subprompt in subprompts]
    negatives = _read_all(negative, parts, steps, neutral) if guidance else []
    chunks = max(len(reading.chunks) for turns in [*positives, negatives] for _, readings in turns for reading in readings)
    zeros = not negative.strip() and encoders.force_zeros_for_empty_prompt

    said = [{until: encoder.encode(readings, chunks) for until, readings in turns} for turns in positives]
    unsaid = {until: encoder.encode(readings, chunks) for until, readings in negatives}
    if zeros:
        unsaid = {until: _zeros(encoding) for until, encoding in unsaid.items()}
    ends = sorted(unsaid.keys() | {end for part in said for end in part})
    turns = ((end, _stack([_for(part, end) for part in said]), _for(unsaid, end) if guidance else None) for end in ends)
    read = {"prompt": [turn for part in positives for turn in part], "negative prompt": negatives}
    return PromptEncodings(tuple(turns), weights, tuple(_explain_cut(encoder.t5, read)))


Turns = list[tuple[int, list[PromptReading]]]


def _read_all(text: str, parts: Sequence[TextPart], steps: int, neutral: Sequence[Place] = ()) -> Turns:
    """Each turn of a prompt's schedule, read by each tokenizer."""

    def read(spans: Spans) -> list[PromptReading]:
        return [neutralise(read_spans(text, spans, part.tokenizer), neutral) for part in parts]

    return [(until, read(spans)) for until, spans in parse(text).schedule(steps)]


def _explain_cut(t5: T5Part | None, prompts: Mapping[str, Turns]) -> Iterator[str]:
    """A sentence for each prompt that is longer than T5 reads."""
    for name, turns in prompts.items():
        if t5 is not None and not all(t5.reads_all(readings[0]) for _, readings in turns):
            yield (
                f"The {name} is longer than T5 reads ({LENGTH} tokens, about {WORDS} words): what comes after that is read by "
                "the two CLIP encoders alone. Put what matters most first."
            )


def _for(encodings: dict[int, Encoding], end: int) -> Encoding:
    """The encoding in force in the last step before ``end``."""
    return encodings[min(until for until in encodings if until >= end)]


def _stack(encodings: Sequence[Encoding]) -> Encoding:
    """The parts of a prompt in one encoding, a row each."""
    if len(encodings) == 1:
        return encodings[0]
    pooled = [encoding.pooled for encoding in encodings if encoding.pooled is not None]
    return Encoding(torch.cat([encoding.embeds for encoding in encodings]), torch.cat(pooled) if pooled else None)


def _zeros(encoding: Encoding) -> Encoding:
    pooled = encoding.pooled
    return Encoding(torch.zeros_like(encoding.embeds), None if pooled is None else torch.zeros_like(pooled))
