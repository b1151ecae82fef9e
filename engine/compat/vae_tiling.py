"""VAEs that decode tile by tile, in tiles of a chosen size.

diffusers has a switch for tiling but no argument for the size of the tiles: its threshold is the checkpoint's native size, at
which tiling saves no memory. So the attributes behind the switch are set.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from diffusers import AutoencoderKL, AutoencoderTiny

OVERLAP = 0.25
"""The share of a tile that its neighbour covers too, and over which they are blended; diffusers' own default."""


@contextmanager
def tile_vae(vae: AutoencoderKL | AutoencoderTiny, tile: int) -> Generator[None]:
    """Inside the block ``vae`` works in tiles of ``tile`` pixels a side; 0 leaves it as it is."""
    if not tile:
        yield
        return
    before = vae.tile_sample_min_size, vae.tile_latent_min_size, vae.tile_overlap_factor, vae.use_tiling
    scale = 2 ** (len(vae.config["block_out_channels"]) - 1)
    _set_tiling(vae, tile, tile // scale, OVERLAP, True)
    try:
        yield
    finally:
        _set_tiling(vae, *before)


def _set_tiling(vae: AutoencoderKL | AutoencoderTiny, sample: int, latent: int, overlap: float, use: bool) -> None:
    vae.tile_sample_min_size, vae.tile_latent_min_size = sample, latent
    vae.tile_overlap_factor, vae.use_tiling = overlap, use
