"""Encodes prompts with T5, the text encoder that Stable Diffusion 3 has beside two of CLIP's.

It reads a prompt as a sentence: without weights, and up to :data:`LENGTH` tokens. Without T5 its states are zeros, as the family
was trained (Esser et al. 2024, arXiv 2403.03206, section 5.3.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from engine.compat.hooks import find_execution_device
from engine.prompt.terms import Place
from engine.prompt.tokens import PromptReading
from engine.prompt.tree import Break

LENGTH = 256
"""Tokens that T5 reads, its end token included: what the family was trained with."""

WORDS = 180
"""Words of English that so many tokens are about."""


@dataclass(frozen=True)
class T5Part:
    """T5 and its tokenizer, None where it is left out. ``width``: numbers of a token that the transformer reads."""

    width: int
    encoder: T5EncoderModel | None = None
    tokenizer: PreTrainedTokenizerFast | None = None

    def read(self, reading: PromptReading) -> list[int]:
        """The tokens of a prompt, padded to :data:`LENGTH`. Those of silenced terms are padding too."""
        assert self.tokenizer is not None, "a T5 that is left out reads nothing"
        text, sources = _join_spans(reading)
        ids, places = _tokenize(self.tokenizer, text)
        padding: int = self.tokenizer.get_vocab()["<pad>"]
        return [padding if _is_silenced(sources[a:b], reading.silenced) else id for id, (a, b) in zip(ids, places, strict=True)]

    def reads_all(self, reading: PromptReading) -> bool:
        """Whether the prompt is no longer than T5 reads."""
        return (
            self.encoder is None or self.tokenizer is None or len(self.tokenizer(_join_spans(reading)[0])["input_ids"]) <= LENGTH
        )

    def run(self, ids: Sequence[int]) -> torch.Tensor:
        """The states of tokens: 1 x tokens x width, float32."""
        assert self.encoder is not None, "a T5 that is left out computes nothing"
        with torch.inference_mode():
            batch = torch.tensor([list(ids)], device=find_execution_device(self.encoder))
            return self.encoder(batch).last_hidden_state.float()

    def fit(self, clip: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """CLIP's states, filled up with zeros to the width of T5's, and T5's after them."""
        return torch.cat([torch.nn.functional.pad(clip, (0, self.width - clip.shape[-1])), states], dim=1)

    def zeros(self) -> torch.Tensor:
        """What stands for the states of a T5 that is left out."""
        return torch.zeros(1, LENGTH, self.width)


def _join_spans(reading: PromptReading) -> tuple[str, list[int]]:
    """The prompt as it is read, and where each of its characters stands in the prompt as written; -1 for added ones."""
    letters = list(_list_letters(reading))
    return "".join(letter for letter, _ in letters), [place for _, place in letters]


def _list_letters(reading: PromptReading) -> Iterator[tuple[str, int]]:
    for span in reading.spans:
        if isinstance(span, Break):
            yield " ", -1
        else:
            yield from zip(span.text, span.sources, strict=True)


def _tokenize(tokenizer: PreTrainedTokenizerFast, text: str) -> tuple[list[int], list[Place]]:
    """The tokens of ``text``, its end and padding included, and the characters of each; none for those that stand for no text."""
    read = tokenizer(text, padding="max_length", max_length=LENGTH, truncation=True, return_offsets_mapping=True)
    return list(read["input_ids"]), list(read["offset_mapping"])


def _is_silenced(sources: Sequence[int], silenced: Sequence[Place]) -> bool:
    """Whether characters at ``sources`` lie in one of the silenced places."""
    return bool(sources) and any(all(first <= place < last for place in sources) for first, last in silenced)
