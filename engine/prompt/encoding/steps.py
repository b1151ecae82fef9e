"""The encodings that a network takes at each step: of one image, or of several as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

StepEncodings = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]
"""Prompt, negative, pooled prompt, pooled negative: one row per image, the prompts one per image for each of their parts, all
images of a part together; the negatives are None without guidance."""


class Encodings(Protocol):
    """The encoded prompt at each step, and the weights of its parts (:mod:`engine.prompt.encoding.encode`)."""

    @property
    def weights(self) -> tuple[float, ...]: ...

    def at(self, step: int) -> StepEncodings:
        """The encodings for ``step``, from 0."""
        ...


@dataclass(frozen=True)
class EncodingRows:
    """The encodings of several images as one batch, a row each. Their prompts have parts of the same weights."""

    rows: tuple[Encodings, ...]

    @property
    def weights(self) -> tuple[float, ...]:
        """As :attr:`Encodings.weights`."""
        return self.rows[0].weights

    def at(self, step: int) -> StepEncodings:
        """As :meth:`Encodings.at`."""
        prompts, negatives, pooled, pooled_negatives = zip(*(row.at(step) for row in self.rows), strict=True)
        said = [parts for parts in pooled if parts is not None]
        return _join_parts(prompts), _join(negatives), _join_parts(said) if said else None, _join(pooled_negatives)


def _join(rows: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    found = [row for row in rows if row is not None]
    return torch.cat(found) if found else None


def _join_parts(images: Sequence[torch.Tensor]) -> torch.Tensor:
    """The rows of all images for the first part of their prompts, then those for the second part, and so on."""
    return torch.stack(list(images), dim=1).flatten(0, 1)
