"""Tiles of latents that overlap, each seen by the network alone, blended at every step into one image.

Bar-Tal, Yariv, Lipman and Dekel 2023, "MultiDiffusion", arXiv 2302.08113. The sampler goes on from the blended prediction, so
that no seam is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

_OVERLAP = 4
"""A tile shares at least this fraction of its side with the next one: a quarter."""


class LatentTiles:
    """Tiles of ``side`` latents over an image of ``height`` x ``width`` latents."""

    def __init__(self, height: int, width: int, side: int) -> None:
        self._height, self._width = height, width
        self._rows, self._columns = cut(height, side), cut(width, side)

    def blend(self, predict: Callable[[slice, slice], torch.Tensor]) -> torch.Tensor:
        """The whole of what ``predict`` returns for rows and columns of the image, blended where tiles overlap."""
        total = weights = None
        for rows, columns in self:
            part = predict(rows, columns)
            weight = _ramp(rows, self._height)[:, None] * _ramp(columns, self._width)[None]
            weight = weight.to(part.device)
            if total is None or weights is None:
                total = part.new_zeros(*part.shape[:-2], self._height, self._width)
                weights = part.new_zeros(self._height, self._width)
            total[..., rows, columns] += part * weight
            weights[rows, columns] += weight
        assert total is not None and weights is not None, "an image has at least one tile"
        return total / weights

    def __iter__(self) -> Iterator[tuple[slice, slice]]:
        return ((rows, columns) for rows in self._rows for columns in self._columns)


def cut(length: int, side: int) -> Sequence[slice]:
    """Pieces of ``side`` that cover ``length`` evenly; one piece where it is no longer than that."""
    if length <= side:
        return [slice(0, length)]
    step = side - side // _OVERLAP
    count = -(-(length - side) // step) + 1
    starts = [round(index * (length - side) / (count - 1)) for index in range(count)]
    return [slice(start, start + side) for start in starts]


def _ramp(piece: slice, length: int) -> torch.Tensor:
    """How much each latent of a piece counts: less towards the edges that it shares with others."""
    size = piece.stop - piece.start
    reach = max(1, size // _OVERLAP)
    up = torch.arange(1, size + 1, dtype=torch.float32) / (reach + 1)
    left = up if piece.start else torch.ones(size)
    right = up.flip(0) if piece.stop < length else torch.ones(size)
    return torch.minimum(left, right).clamp(max=1)
