"""The plan's memory measures while a run lasts. Those on weights are carried out where they are loaded."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from engine.checkpoints.loaded import LoadedCheckpoint
from engine.requests import ExecutionPlan

OVERLAP = 0.25
"""The share of a tile that its neighbour covers too, and over which they are blended; diffusers' own default."""


@contextmanager
def vae_in_tiles(vae: Any, plan: ExecutionPlan) -> Generator[None]:
    """The VAE works tile by tile inside the block where the plan says so. Its own threshold is the checkpoint's native size,
    at which nothing would be saved yet, so the size of the tiles is set too."""
    if not plan.vae_tile or not hasattr(vae, "tile_sample_min_size"):
        yield
        return
    names = ("tile_sample_min_size", "tile_latent_min_size", "tile_overlap_factor", "use_tiling")
    before = {name: getattr(vae, name) for name in names}
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    values = (plan.vae_tile, plan.vae_tile // scale, OVERLAP, True)
    try:
        for name, value in zip(names, values, strict=True):
            setattr(vae, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(vae, name, value)


@contextmanager
def text_encoders_in(pipeline: LoadedCheckpoint, plan: ExecutionPlan) -> Generator[None]:
    """Where the plan says that text encoders leave the card, they are on it inside the block and the rest waits in RAM; after
    the block it is the other way round."""
    if "text_encoders_out" not in plan.measures:
        yield
        return
    rest = () if "unet_offload" in plan.measures else ("unet",)
    _move(pipeline, (*rest, "vae"), "cpu")
    _move(pipeline, ("text_encoder", "text_encoder_2"), plan.device)
    try:
        yield
    finally:
        _move(pipeline, ("text_encoder", "text_encoder_2"), "cpu")
        _move(pipeline, (*rest, "vae"), plan.device)


def _move(pipeline: LoadedCheckpoint, names: tuple[str, ...], device: str) -> None:
    for name in names:
        component = pipeline.modules.get(name)
        if component is not None:
            component.to(device)
