"""Which tiny autoencoder (TAESD) decodes the latents of a checkpoint. Does not import torch."""

from __future__ import annotations

from engine.checkpoints.identify.tiny_vae import TINY_VAE
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.entry import CheckpointEntry

_LEVELS = 4
"""Levels of the published VAEs: a latent stands for 8 x 8 pixels, as in every TAESD."""


def find_tiny_decoder(entry: CheckpointEntry, inventory: Inventory) -> CheckpointEntry | None:
    """The first of the files with a decoder for the latents of ``entry``; None without one, or if its own VAE is as small."""
    preview = entry.family.preview
    fitting = (
        other
        for other in inventory.of_kind(TINY_VAE)
        if preview is not None and other.identity.family == preview.latents and "decoder" in other.identity.parts
    )
    found = next(fitting, None)
    if found is None:
        return None
    vae = entry.config("vae")
    levels = vae.get("block_out_channels")
    usual = isinstance(levels, list) and len(levels) == _LEVELS and vae.get("_class_name") != "AutoencoderTiny"
    return found if usual else None
