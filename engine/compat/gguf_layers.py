"""Weights that stay quantised as a GGUF file packs them: diffusers' GGUFLinear and dequantisation, which it does not export."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers.quantizers.gguf.utils import SUPPORTED_GGUF_QUANT_TYPES, GGUFLinear, GGUFParameter, dequantize_gguf_tensor
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from engine.errors import CheckpointError


class QuantizedLinear(GGUFLinear):
    """A linear layer that dequantises its weight while it runs, to the dtype of its input: a run may move to a safer one. Its
    weight may also be a plain one, with LoRAs merged."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The layer's output, in the dtype of ``inputs``."""
        self.compute_dtype = inputs.dtype
        return self.forward_native(inputs)


PickRows = Callable[[torch.Tensor], torch.Tensor]
"""Some rows of a matrix, in memory of their own."""


def create_parameter(
    raw: torch.Tensor, quantization: str, shape: tuple[int, ...], pick_rows: PickRows | None = None
) -> GGUFParameter:
    """The bytes of a tensor of ``shape`` as diffusers holds them, row by row if its rows divide into blocks. Of such a matrix
    ``pick_rows`` may take a part.

    Raises CheckpointError for a quantisation that diffusers cannot undo.
    """
    kind = GGMLQuantizationType[quantization]
    if kind not in SUPPORTED_GGUF_QUANT_TYPES:
        raise CheckpointError(
            f"Its weights are packed in a way that Easel cannot undo ({quantization}). Choose a file of another kind, such as "
            "Q4_K_M or Q8_0."
        )
    rows = raw.reshape(shape[0], -1) if divides(shape, quantization) else raw[None]
    rows = rows if pick_rows is None else pick_rows(rows)
    return GGUFParameter.__new__(GGUFParameter, rows, False, kind)


def divides(shape: tuple[int, ...], quantization: str) -> bool:
    """Whether the rows of a matrix of ``shape`` consist of whole blocks."""
    return len(shape) == 2 and shape[1] % GGML_QUANT_SIZES[GGMLQuantizationType[quantization]][0] == 0


def dequantize(parameter: GGUFParameter) -> torch.Tensor:
    """The numbers of a quantised tensor, in float32."""
    return dequantize_gguf_tensor(parameter).float()


def put_weight(module: torch.nn.Module, name: str, weight: torch.nn.Parameter) -> None:
    """Give the linear layer whose weight is called ``name`` (``a.b.weight``) the weight of a file, which stays quantised, or a
    plain one."""
    path, _, leaf = name.removesuffix(".weight").rpartition(".")
    owner = module.get_submodule(path)
    layer = owner.get_submodule(leaf)
    if not isinstance(layer, torch.nn.Linear):
        raise TypeError(f"{name} is not the weight of a linear layer")
    if not isinstance(layer, QuantizedLinear):
        has_bias = "bias" in dict(layer.named_parameters())
        replaced = QuantizedLinear(layer.in_features, layer.out_features, has_bias, device=torch.device("meta"))
        replaced.bias = layer.bias
        owner.add_module(leaf, replaced)
        layer = replaced
    layer.weight = weight


def is_quantized(module: torch.nn.Module, name: str) -> bool:
    """Whether ``name`` is the weight of a layer that keeps the weight of its file quantised."""
    path, _, leaf = name.rpartition(".")
    return leaf == "weight" and isinstance(module.get_submodule(path), QuantizedLinear)
