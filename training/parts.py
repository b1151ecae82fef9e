"""Trains the padding tokens after a caption to describe the looks of its things, part by part.

A UNet that only reads "cat" has to memorise, for every noise level, where a cat's ears are. But it also attends to the padding
tokens after a caption, which usually carry no information. Here the text encoder learns to encode in them the looks of the first
two things of the caption, one token per part, as latents of their images. The UNet can then copy a part instead of memorising
hundreds of images. The first thing is always the one to the left, above or on top, whatever the order in the caption.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.multiprocessing as multiprocessing
from PIL import Image
from torch import nn

from training.drawing.palette import COLOURS
from training.drawing.things import THING_NAMES, draw_thing
from training.machine import autocast, to_images
from training.networks import LATENT_CHANNELS, Sizes
from training.scenes import Scene
from training.tokenizer import MAX_LENGTH

GRID, CELLS = 5, 2
"""Parts across and down a thing, and latent cells across and down a part."""
FIRST = MAX_LENGTH - GRID**2
"""The index of the first part's token; a longer caption overwrites the parts at the top."""
SLOTS = 2
"""How many things of a caption are described; several equal ones count as one."""
NUMBERS = CELLS**2 * (LATENT_CHANNELS + 1)
"""Values per part: its latents, and the coverage of each cell by the thing."""
GREY = 128
PALETTE = (None, *COLOURS)
ROWS = {
    (name, colour): 1 + row for row, (name, colour) in enumerate((name, colour) for name in THING_NAMES for colour in PALETTE)
}
"""Thing and colour -> row of the table of looks; row 0 is empty."""
TOGETHER = 128
"""Looks that are encoded in one batch."""


def create_reader(sizes: Sizes) -> nn.Linear:
    """A linear layer that predicts the parts from the text encoder's last states; used in training only."""
    return nn.Linear(sizes.text_width, SLOTS * NUMBERS)


def list_first_things(scene: Scene) -> list[tuple[str, str | None]]:
    """The first kinds of things that a caption names, with their colours; at most SLOTS."""
    return list(dict.fromkeys((thing.name, thing.colour) for thing in scene.in_order()))[:SLOTS]


def find_rows(scene: Scene) -> list[int]:
    """The rows of the table of looks for the scene's first things; 0 for none."""
    found = [ROWS[thing] for thing in list_first_things(scene)]
    return found + [0] * (SLOTS - len(found))


def draw_square(row: int, side: int) -> np.ndarray:
    """The thing of a row at the bottom of a square: uint8 RGBA (side, side, 4)."""
    tile = draw_thing(*tuple(ROWS)[row - 1])
    image = Image.new("RGBA", (max(tile.size), max(tile.size)), (GREY, GREY, GREY, 0))
    image.alpha_composite(tile, ((image.width - tile.width) // 2, image.height - tile.height))
    return np.asarray(image.resize((side, side), Image.Resampling.BOX))


class Looks:
    """The looks of things, each encoded once: `table` is (1 + rows, GRID**2, NUMBERS), on the device."""

    def __init__(self, autoencoder: Any, sizes: Sizes, device: str) -> None:
        self.autoencoder, self.device = autoencoder, device
        self.side = GRID * CELLS * sizes.side // sizes.latent_side
        self.table = torch.zeros(1 + len(ROWS), GRID**2, NUMBERS, device=device)
        self._known = {0}

    def add(self, wanted: Iterable[int]) -> None:
        """Encodes the looks of `wanted` rows that are not in the table yet."""
        new = sorted(set(wanted) - self._known)
        if new:
            self._learn(new, [draw_square(row, self.side) for row in new])

    def add_all(self, processes: int) -> None:
        """Encodes all looks, drawn by this many processes."""
        everything = sorted(set(ROWS.values()) - self._known)
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            drawn = pool.starmap(draw_square, [(row, self.side) for row in everything], chunksize=16)
        for first in range(0, len(everything), TOGETHER):
            self._learn(everything[first : first + TOGETHER], drawn[first : first + TOGETHER])

    @torch.no_grad()
    def _learn(self, new: list[int], squares: list[np.ndarray]) -> None:
        pixels = torch.from_numpy(np.stack(squares)).to(self.device).float()
        covered = pixels[..., 3:] / 255
        shown = pixels[..., :3] * covered + GREY * (1 - covered)
        with autocast(self.device):
            latents = self.autoencoder.encode(to_images(shown, self.device)).latent_dist.mode()
        cover = covered.view(len(new), GRID * CELLS, self.side // GRID // CELLS, GRID * CELLS, -1).mean((2, 4))
        cells = torch.cat([latents.float() * self.autoencoder.config.scaling_factor, 2 * cover[:, None]], 1)
        by_part = cells.view(len(new), -1, GRID, CELLS, GRID, CELLS).permute(0, 2, 4, 1, 3, 5)
        self.table[torch.tensor(new, device=self.device)] = by_part.reshape(len(new), GRID**2, NUMBERS)
        self._known.update(new)


def looks_loss(reader: nn.Module, states: torch.Tensor, ids: torch.Tensor, end: int, wanted: torch.Tensor) -> torch.Tensor:
    """The squared error of the looks in the padding; `wanted` is (n, SLOTS, GRID**2, NUMBERS), `end` the padding's token id."""
    said = reader(states[:, FIRST:]).float().unflatten(2, (SLOTS, NUMBERS))
    # The first such token is the end of the caption; those after it are padding.
    padding = (ids == end).cumsum(1)[:, FIRST:] > 1
    error = (said - wanted.transpose(1, 2)).square().mean((2, 3))
    return (error * padding).sum() / padding.sum().clamp(min=1)
