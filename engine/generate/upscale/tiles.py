"""Upscales an image in tiles: from a source in memory to rows of the result; memory does not grow with its size.

A tile is processed with its surroundings, so that its inside is the same as if the whole image had been processed.
Overlapping tiles are blended. Finished rows are yielded as soon as no further tile overlaps them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from engine.errors import DoesNotFit
from engine.plan.hardware.driver_errors import is_out_of_memory

SMALLEST = 32
"""Side of the smallest tile in pixels of the source: below this the context around a tile costs more than the tile."""

_KERNEL = 3
"""Lanczos looks this many pixels to each side."""


class TileUpscaler(Protocol):
    """What upscales a piece of an image.

    ``scale``: how many times; ``around``: pixels of the source beside a place that its result depends on; ``feather``: how
    far, in pixels of the source, neighbours reach into each other; ``multiple``: tiles begin and end at multiples of it.
    """

    scale: int
    around: int
    feather: int
    multiple: int

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        """``tile`` (C x h x w, of the source) as P x (h * scale) x (w * scale), float32 on the CPU, 0 to 255."""
        ...


@dataclass(frozen=True)
class TileDone:
    """Tile ``number`` of ``tiles`` is done. ``rows`` are the rows that it finished (n x width x planes, uint8), if any."""

    number: int
    tiles: int
    rows: np.ndarray | None = None


@dataclass(frozen=True)
class TileSpan:
    """A tile along one axis.

    In pixels of the source: ``end`` is where its own part ends, ``source`` what is seen for it. In pixels of the result:
    ``place`` is where it lies, ``fades`` are the middles of its two soft borders, None at an edge of the image.
    """

    end: int
    source: tuple[int, int]
    place: tuple[int, int]
    fades: tuple[int | None, int | None]

    def weights(self, feather: int) -> np.ndarray:
        """How much the tile counts at each pixel: together with its neighbour's it is 1."""
        at = np.arange(*self.place, dtype=np.float32) + 0.5
        weights = np.ones_like(at)
        for middle, sign in zip(self.fades, (1, -1), strict=True):
            if middle is not None and feather:
                weights = np.minimum(weights, np.clip(0.5 + sign * (at - middle) / (2 * feather), 0, 1))
        return weights


@dataclass(frozen=True)
class Axis:
    """One side of the image: ``length`` pixels become ``result``."""

    length: int
    result: int
    upscaler: TileUpscaler

    @property
    def feather(self) -> int:
        """Half the width of a soft border, in pixels of the result."""
        return round(self.upscaler.feather * self.result / self.length)

    @property
    def exact(self) -> bool:
        """Whether the upscaler's own scale is the one that is wanted."""
        return self.result == self.length * self.upscaler.scale

    def spans(self, start: int, side: int) -> list[TileSpan]:
        """The tiles from ``start`` to the end, of about ``side`` pixels of the source each."""
        multiple = self.upscaler.multiple
        count = max(1, math.ceil((self.length - start) / side))
        cuts = [start + round((self.length - start) * i / count / multiple) * multiple for i in range(count)]
        return [self._span(*ends) for ends in zip(cuts, [*cuts[1:], self.length], strict=True)]

    def _span(self, begin: int, end: int) -> TileSpan:
        ratio = self.result / self.length
        kernel = 0 if self.exact else math.ceil(_KERNEL * max(1 / self.upscaler.scale, 1 / ratio)) + 1
        around = self.upscaler.feather + self.upscaler.around + kernel
        around = math.ceil(around / self.upscaler.multiple) * self.upscaler.multiple
        borders = [None if at in (0, self.length) else round(at * ratio) for at in (begin, end)]
        left = 0 if borders[0] is None else borders[0] - self.feather
        right = self.result if borders[1] is None else borders[1] + self.feather
        seen = max(0, begin - around), min(self.length, end + around)
        return TileSpan(end, seen, (left, right), (borders[0], borders[1]))

    def box(self, span: TileSpan) -> tuple[float, float]:
        """Where ``span.place`` lies in the upscaled tile, in its pixels."""
        scale, ratio = self.upscaler.scale, self.length / self.result
        low, high = ((at * ratio - span.source[0]) * scale for at in span.place)
        return max(0.0, low), min(float((span.source[1] - span.source[0]) * scale), high)


def upscale_in_tiles(
    source: torch.Tensor,
    upscaler: TileUpscaler,
    size: tuple[int, int],
    side: int,
    on_halved: Callable[[int], None] = lambda side: None,
) -> Iterator[TileDone]:
    """The rows of ``source`` (C x H x W) at ``size`` (width, height), from the top, in tiles of about ``side`` source pixels.

    When memory runs out the tiles are halved, ``on_halved`` hears the new side, and the work goes on where it was. Raises
    DoesNotFit if even the smallest tile has no room.
    """
    across = Axis(source.shape[2], size[0], upscaler)
    down = Axis(source.shape[1], size[1], upscaler)
    top, done = 0, 0
    carried = np.zeros((0, size[0], 1), np.float32)
    while top < down.length:
        rows, columns = down.spans(top, side), across.spans(0, side)
        band = _TileRow(source, upscaler, across, down, rows[0])
        try:
            for number, column in enumerate(columns[:-1], start=1):
                band.add(column)
                yield TileDone(done + number, done + len(rows) * len(columns))
            band.add(columns[-1])
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            side = halve(side, error)
            on_halved(side)
            continue
        finished, carried = band.finish(carried)
        top = rows[0].end
        done += len(columns)
        yield TileDone(done, done + (len(rows) - 1) * len(columns), finished)


def count_tiles(width: int, height: int, side: int) -> int:
    """How many tiles of about ``side`` pixels an image has."""
    return max(1, math.ceil(width / side)) * max(1, math.ceil(height / side))


def halve(side: int, error: BaseException) -> int:
    """The next smaller tile after memory ran out. Raises DoesNotFit if there is none."""
    if side // 2 < SMALLEST:
        raise DoesNotFit(
            "There is not enough free memory to upscale even a small piece of this picture. Close other programs, "
            "or choose a smaller upscaler."
        ) from error
    return side // 2


class _TileRow:
    """One row of tiles, summed up in the pixels of the result."""

    def __init__(self, source: torch.Tensor, upscaler: TileUpscaler, across: Axis, down: Axis, row: TileSpan) -> None:
        self._source, self._upscaler, self._across, self._down, self._row = source, upscaler, across, down, row
        self._weights = row.weights(down.feather)
        self._total: np.ndarray | None = None

    def add(self, column: TileSpan) -> None:
        """Upscale the tile in ``column`` and put it in its place."""
        (top, bottom), (left, right) = self._row.source, column.source
        large = self._upscaler(self._source[:, top:bottom, left:right])
        pixels = _fit_tile(large, self._across, column, self._down, self._row)
        if self._total is None:
            height = self._row.place[1] - self._row.place[0]
            self._total = np.zeros((height, self._across.result, pixels.shape[2]), np.float32)
        weights = self._weights[:, None] * column.weights(self._across.feather)
        self._total[:, slice(*column.place)] += pixels * weights[..., None]

    def finish(self, carried: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows that are finished, and the sum of those that the next band reaches into."""
        assert self._total is not None
        if len(carried):
            self._total[: len(carried)] += carried
        open_rows = 0 if self._row.fades[1] is None else 2 * self._down.feather
        ready = len(self._total) - open_rows
        return np.rint(self._total[:ready]).clip(0, 255).astype(np.uint8), self._total[ready:].copy()


def _fit_tile(large: torch.Tensor, across: Axis, column: TileSpan, down: Axis, row: TileSpan) -> np.ndarray:
    """The part of an upscaled tile that lies in the result, at the size that it has there: rows x columns x planes."""
    (left, right), (top, bottom) = across.box(column), down.box(row)
    if across.exact and down.exact:
        return large[:, round(top) : round(bottom), round(left) : round(right)].permute(1, 2, 0).numpy()
    size = column.place[1] - column.place[0], row.place[1] - row.place[0]
    planes = (Image.fromarray(plane.numpy()) for plane in large.contiguous())  # 32-bit floats, so that nothing is rounded twice
    fitted = (np.asarray(plane.resize(size, Image.Resampling.LANCZOS, (left, top, right, bottom))) for plane in planes)
    return np.stack(list(fitted), axis=-1)
