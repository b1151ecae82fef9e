"""The kinds of networks that are compiled without their weights, as a table: how one is made from its configuration, and inputs
to trace it with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, UNet2DConditionModel

from engine.checkpoints.loaded import Denoiser
from engine.json_values import JsonObject

EVEN = 8
"""UNets take another way through their upsamplers where a side of the latents is no multiple of this."""

ROWS, TOKENS = 2, 77
"""The batch and the length of the prompt to trace with; both stay open in the graph."""

SIZE_NUMBERS = 6
"""Numbers that XL reads of an image's size. Its refiner reads 5; the sum with the pooled prompt is what a layer's width fixes."""

_Network = TypeVar("_Network", UNet2DConditionModel, SD3Transformer2DModel, AutoencoderKL)

Inputs = dict[str, torch.Tensor]
"""Tensors by argument, or by ``argument/key`` where the argument is a dict."""


@dataclass(frozen=True)
class Architecture:
    """What a graph depends on: the ``kind`` of network (a key of :data:`KINDS`), its ``config`` as JSON, and whether the sides of
    the latents are multiples of :data:`EVEN`."""

    kind: str
    config: str
    even: bool = True


@dataclass(frozen=True)
class TracedNetwork:
    """``create`` makes a network from its configuration. ``create_inputs(config, side)`` are inputs to trace it with, for latents
    of ``side`` x ``side``. ``arguments`` are further arguments of the forward pass."""

    create: Callable[[JsonObject], torch.nn.Module]
    create_inputs: Callable[[JsonObject, int], Inputs]
    arguments: Mapping[str, bool] = field(default_factory=dict[str, bool])


def describe_denoiser(network: Denoiser, even: bool) -> Architecture:
    """The architecture of ``network`` for latents with even or other sides."""
    kind = "unet" if isinstance(network, UNet2DConditionModel) else "transformer"
    return Architecture(kind, _encode(network.config), even or kind != "unet")


def describe_decoder(vae: AutoencoderKL) -> Architecture:
    """The architecture of the decoder of ``vae``; it takes every size in the same way."""
    return Architecture("decoder", _encode(vae.config))


def _encode(config: JsonObject) -> str:
    """What of a configuration makes the network: not where it came from."""
    return json.dumps({name: value for name, value in config.items() if not name.startswith("_")}, sort_keys=True, default=str)


def _read_number(config: JsonObject, name: str) -> int:
    """A number of a configuration; the first of several, 0 for none."""
    value = config.get(name)
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, int) else 0


def _create(kind: type[_Network], config: JsonObject) -> _Network:
    created = kind.from_config(config)
    assert not isinstance(created, tuple), "unused arguments were not asked for"
    return created


def _create_decoder(config: JsonObject) -> torch.nn.Module:
    return _create(AutoencoderKL, config).decoder


def _create_unet_inputs(config: JsonObject, side: int) -> Inputs:
    return dict(_list_unet_inputs(config, side))


def _list_unet_inputs(config: JsonObject, side: int) -> Iterator[tuple[str, torch.Tensor]]:
    yield "sample", torch.randn(ROWS, _read_number(config, "in_channels"), side, side)
    yield "timestep", torch.ones(1)
    yield "encoder_hidden_states", torch.randn(ROWS, TOKENS, _read_number(config, "cross_attention_dim"))
    if config.get("num_class_embeds"):
        yield "class_labels", torch.ones(ROWS, dtype=torch.int64)
    if width := _read_number(config, "time_cond_proj_dim"):
        yield "timestep_cond", torch.randn(ROWS, width)
    if config.get("addition_embed_type") == "text_time":
        numbers = SIZE_NUMBERS * _read_number(config, "addition_time_embed_dim")
        width = _read_number(config, "projection_class_embeddings_input_dim") - numbers
        yield "added_cond_kwargs/text_embeds", torch.randn(ROWS, width)
        yield "added_cond_kwargs/time_ids", torch.ones(ROWS, SIZE_NUMBERS)


def _create_transformer_inputs(config: JsonObject, side: int) -> Inputs:
    return {
        "hidden_states": torch.randn(ROWS, _read_number(config, "in_channels"), side, side),
        "timestep": torch.ones(ROWS),
        "encoder_hidden_states": torch.randn(ROWS, TOKENS, _read_number(config, "joint_attention_dim")),
        "pooled_projections": torch.randn(ROWS, _read_number(config, "pooled_projection_dim")),
    }


def _create_decoder_inputs(config: JsonObject, side: int) -> Inputs:
    return {"sample": torch.randn(1, _read_number(config, "latent_channels"), side, side)}


_NO_DICT = {"return_dict": False}

KINDS: dict[str, TracedNetwork] = {
    "unet": TracedNetwork(partial(_create, UNet2DConditionModel), _create_unet_inputs, _NO_DICT),
    "transformer": TracedNetwork(partial(_create, SD3Transformer2DModel), _create_transformer_inputs, _NO_DICT),
    "decoder": TracedNetwork(_create_decoder, _create_decoder_inputs),
}
"""Name -> kind."""
