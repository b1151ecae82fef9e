"""The decoder of a tiny autoencoder (TAESD) in memory."""

from __future__ import annotations

import torch
from diffusers import AutoencoderTiny

from engine.checkpoints.files.headers import create_refusal
from engine.checkpoints.files.tensors import DTYPES, TensorStore
from engine.checkpoints.identify.tiny_vae import LayerNames, find_decoder
from engine.checkpoints.library.entry import CheckpointEntry
from engine.requests import ExecutionPlan


def load_tiny_decoder(entry: CheckpointEntry, plan: ExecutionPlan) -> AutoencoderTiny:
    """The decoder in ``entry``, where and in the precision in which ``plan`` runs the VAE. It cannot encode.

    Raises CheckpointError, a sentence, for a file that is damaged or incomplete.
    """
    store = TensorStore([entry.path])
    found = find_decoder({name: store.shape(name) for name in store.names()})
    if found is None:
        raise create_refusal(entry.path, "it holds no tiny decoder (TAESD) any more")
    layout, channels = found
    # One level instead of four: the encoder is never used.
    vae = AutoencoderTiny(latent_channels=channels, encoder_block_out_channels=(1,), num_encoder_blocks=(0,))
    try:
        weights = {name: store.read(_rename(name, layout)).float() for name in vae.decoder.state_dict()}
        vae.decoder.load_state_dict(weights)
    except (KeyError, RuntimeError) as error:
        raise create_refusal(entry.path, "parts of its decoder are missing or have another shape") from error
    torch.nn.Module.to(vae.eval(), device=torch.device(plan.device), dtype=DTYPES[plan.dtype("vae")])
    return vae


def _rename(name: str, layout: LayerNames) -> str:
    """diffusers' name of a tensor, ``layers.2.conv.0.weight``, as the file has it."""
    _, layer, rest = name.split(".", 2)
    return layout.name(int(layer), rest)
