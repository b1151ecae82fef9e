"""What the padding after a caption says: how its things look, part by part.

A UNet that hears only "cat" has to learn by heart, noise level by noise level, where on a cat an ear is. But it also reads the
padding that Stable Diffusion puts behind a caption, and that says nothing. Here the text encoder is taught to say there, a token
a part, what the first two things of the caption look like: the latents of their pictures. The UNet can then look a part up, and
need not know hundreds of pictures by heart; and the first thing is always the one to the left, above or on top, in whatever order
the caption names them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from training.drawing.palette import COLOURS
from training.drawing.things import THINGS, thing_tile
from training.machine import mixed, to_pictures
from training.networks import LATENT_CHANNELS, Sizes
from training.scenes import Scene
from training.tokenizer import MAX_LENGTH

GRID, CELLS = 5, 2
"""Parts across and down a thing, and latent cells across and down a part."""
FIRST = MAX_LENGTH - GRID**2
"""The token of the first part; longer captions cover the parts at the top."""
SLOTS = 2
"""So many things of a caption are told; of a kind that stands there two to four times, one."""
NUMBERS = CELLS**2 * (LATENT_CHANNELS + 1)
"""What is said of a part: its latents, and how much of each cell the thing covers."""
GREY = 128


def new_reader(sizes: Sizes) -> nn.Linear:
    """Reads the parts out of the text encoder's last states; only training needs it."""
    return nn.Linear(sizes.text_width, SLOTS * NUMBERS)


class Looks:
    """The looks of things, each found once: `table` is (rows, GRID**2, NUMBERS), row 0 stands for nothing."""

    def __init__(self, autoencoder: Any, sizes: Sizes, device: str) -> None:
        self.autoencoder, self.device = autoencoder, device
        self.side = GRID * CELLS * sizes.side // sizes.latent_side
        self.table = torch.zeros(1 + len(THINGS) * (1 + len(COLOURS)), GRID**2, NUMBERS, device=device)
        self._rows: dict[tuple[str, str | None], int] = {}

    def rows(self, scene: Scene) -> list[int]:
        """Where in the table the scene's first things are; 0 where there is none."""
        things = list(dict.fromkeys((thing.name, thing.colour) for thing in scene.in_order()))[:SLOTS]
        return [self._row(*thing) for thing in things] + [0] * (SLOTS - len(things))

    def _row(self, name: str, colour: str | None) -> int:
        if (name, colour) not in self._rows:
            row = len(self._rows) + 1
            self.table[row] = self._parts(thing_tile(name, colour))
            self._rows[name, colour] = row
        return self._rows[name, colour]

    @torch.no_grad()
    def _parts(self, tile: Image.Image) -> torch.Tensor:
        square = Image.new("RGBA", (max(tile.size), max(tile.size)), (GREY, GREY, GREY, 0))
        square.alpha_composite(tile, ((square.width - tile.width) // 2, square.height - tile.height))
        pixels = np.asarray(square.resize((self.side, self.side), Image.Resampling.BOX), np.float32)
        covered = torch.from_numpy(pixels[..., 3] / 255).to(self.device)
        shown = torch.from_numpy(pixels[..., :3]).to(self.device) * covered[..., None] + GREY * (1 - covered[..., None])
        with mixed(self.device):
            latents = self.autoencoder.encode(to_pictures(shown[None], self.device)).latent_dist.mode()[0]
        cover = covered.view(GRID * CELLS, self.side // GRID // CELLS, GRID * CELLS, -1).mean((1, 3))
        cells = torch.cat([latents.float() * self.autoencoder.config.scaling_factor, 2 * cover[None]])
        return cells.view(-1, GRID, CELLS, GRID, CELLS).permute(1, 3, 0, 2, 4).reshape(GRID**2, NUMBERS)


def looks_loss(reader: nn.Module, states: torch.Tensor, ids: torch.Tensor, end: int, wanted: torch.Tensor) -> torch.Tensor:
    """The squared error of what the padding says; `wanted` is (n, SLOTS, GRID**2, NUMBERS), `end` the padding's token."""
    said = reader(states[:, FIRST:]).float().unflatten(2, (SLOTS, NUMBERS))
    # The first such token ends the caption; those behind it are padding.
    padding = (ids == end).cumsum(1)[:, FIRST:] > 1
    error = (said - wanted.transpose(1, 2)).square().mean((2, 3))
    return (error * padding).sum() / padding.sum().clamp(min=1)
